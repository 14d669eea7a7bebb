export { type CacheInfo, parseCacheInfo, printCacheInfo } from "./cache-info.js";
export { NarInfoError, type NarInfoErrorCode, type NarInfoErrorPlace } from "./error.js";
export { type ExportedObject, type ExportSource, printExport, printExportStream } from "./export.js";
export { fingerprintOf } from "./fingerprint.js";
export {
  generateSecretKey,
  type PublicKey,
  parsePublicKey,
  parseSecretKey,
  printKey,
  publicKeyOf,
  type SecretKey,
  signText,
  verifyText,
} from "./keys.js";
export { type NarInfo, narInfoFileName, printNarInfo } from "./narinfo.js";
export {
  type ExportEvent,
  type NarFraming,
  type ParseExportOptions,
  parseExport,
  parseExportStream,
} from "./parse-export.js";
export { type ParseNarInfoOptions, parseNarInfo } from "./parse-narinfo.js";
export { type ParseRealisationOptions, parseDrvOutput, parseRealisation } from "./parse-realisation.js";
export {
  type BuilderSaw,
  isContentAddressed,
  type PathInfo,
  type PathInfoJson,
  pathInfoToJson,
} from "./path-info.js";
export {
  type DrvOutput,
  mergeRealisations,
  printDrvOutput,
  printRealisation,
  type Realisation,
  realisationFileName,
  realisationFingerprint,
  signRealisation,
  verifyRealisation,
} from "./realisation.js";
export {
  type ParseRegistrationsOptions,
  parseRegistrations,
  printRegistrations,
  type Registration,
} from "./registration.js";
export { isTrusted, signPathInfo, verifySignatures } from "./signatures.js";
