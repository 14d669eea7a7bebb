export { isCanonicalDerivation, type ParseOptions, parseDerivation } from "./aterm/parse.js";
export { printDerivation } from "./aterm/print.js";
export type { DerivationAttributes } from "./author/attributes.js";
export { AuthoredDerivation } from "./author/authored.js";
export { type AuthorOptions, derivation } from "./author/derivation.js";
export {
  type Dependency,
  DerivationFile,
  DynamicOutput,
  joinText,
  nix,
  Output,
  Source,
  Text,
  type TextPart,
} from "./author/text.js";
export type { AttributeValue } from "./author/value.js";
export { decodeBase64, encodeBase64 } from "./bytes/base64.js";
export { decodeNixBase32, encodeNixBase32 } from "./bytes/nix-base32.js";
export { bytesOf, compareBytes, compareText, concatBytes, textOf } from "./bytes/text.js";
export { completeDerivation } from "./complete.js";
export {
  type BasicDerivation,
  type Derivation,
  type DerivationOutput,
  type DynamicInput,
  outputPathsOf,
} from "./derivation/derivation.js";
export { Environment } from "./derivation/environment.js";
export {
  type DerivationOptions,
  derivationOptions,
  type ExportedGraph,
  type OutputChecks,
} from "./derivation/options.js";
export {
  type DerivationOutline,
  type OutlinedInput,
  type OutlinedOutput,
  outlineOf,
} from "./derivation/outline.js";
export {
  type DerivationType,
  derivationType,
  hasKnownOutputPaths,
  isFixed,
  isPure,
  isSandboxed,
} from "./derivation/type.js";
export {
  type DerivedPath,
  type DynamicDerivedPath,
  parseDerivedPath,
  parseDynamicDerivedPath,
  printDerivedPath,
  type SingleDerivedPath,
} from "./derived-path.js";
export {
  type DerivedPathJson,
  derivedPathFromJson,
  derivedPathToJson,
  type SingleDerivedPathJson,
} from "./derived-path-json.js";
export {
  type DerivationDifference,
  type DiffStep,
  diffDerivations,
} from "./diff/diff.js";
export { printDerivationDiff } from "./diff/print.js";
export { DrvError, type DrvErrorCode, EngineError, SyntaxErrorAt } from "./error.js";
export {
  compressHash,
  type Hash,
  type HashAlgorithm,
  hashBytes,
  hashesEqual,
  parseHashAlgorithm,
} from "./hash/hash.js";
export { parseHash } from "./hash/parse.js";
export { type HashForm, printHash } from "./hash/print.js";
export {
  type ParseDerivationsOptions,
  parseDerivationJson,
  parseDerivationsJson,
  printDerivationsJson4,
} from "./json/document.js";
export { derivationToJson4 } from "./json/print-4.js";
export { derivationToJson } from "./json/print-28.js";
export { type JsonObject, type JsonValue, parseJson, printJson } from "./json/value.js";
export { computeHashModulo, type HashModulo, HashModuloCache, type ReadDerivation } from "./modulo.js";
export { computeDerivationPath, computeOutputPaths, type OutputPathOptions } from "./output-paths.js";
export { computedPlaceholder, outputPlaceholder, upstreamPlaceholder } from "./placeholder.js";
export {
  needsResolution,
  type OutputPathLookup,
  type Resolution,
  type ResolveOptions,
  resolveDerivation,
  tryResolve,
} from "./resolve.js";
export { canonicalPath } from "./store-path/canonical-path.js";
export {
  type ContentAddress,
  type ContentAddressMethod,
  parseContentAddress,
  printContentAddress,
} from "./store-path/content-address.js";
export {
  type ContentReferences,
  computeContentAddressedPath,
  computeOutputPath,
  computeRedirectedPath,
  computeScratchPath,
  computeTextPath,
} from "./store-path/fingerprint.js";
export { makeOutputName, type OutputName, outputPathName, type StorePathName } from "./store-path/name.js";
export { hashModuloSelf, replaceHashPart, type SelfReferentialHash } from "./store-path/self-reference.js";
export { defaultStoreDir, makeStoreDir, type StoreDir } from "./store-path/store-dir.js";
export {
  baseNameOf,
  derivationNameOf,
  hashPartOf,
  isDerivationPath,
  makeStorePath,
  namePartOf,
  parseStorePath,
  type StorePath,
  splitStorePath,
  storeDirOf,
} from "./store-path/store-path.js";
export {
  checkDerivation,
  type DerivationFinding,
  validateDerivation,
} from "./validate.js";
