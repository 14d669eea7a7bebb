import { bytesOf } from "../bytes/text.js";
import type { Derivation, DerivationOutput } from "../derivation/derivation.js";
import { Environment } from "../derivation/environment.js";
import { DrvError } from "../error.js";
import { parseHashAlgorithm } from "../hash/hash.js";
import { parseHash } from "../hash/parse.js";
import { printJson } from "../json-value.js";
import { computeHashModulo, HashModuloCache } from "../modulo.js";
import { computeDerivationPath, computeOutputPaths } from "../output-paths.js";
import type { ContentAddress } from "../store-path/content-address.js";
import { computeContentAddressedPath } from "../store-path/fingerprint.js";
import { makeName, makeOutputName, type OutputName } from "../store-path/name.js";
import { defaultStoreDir, type StoreDir } from "../store-path/store-dir.js";
import type { StorePath } from "../store-path/store-path.js";
import { AuthoredDerivation } from "./authored.js";
import type { Source, Text } from "./text.js";
import { type AttributeValue, attributeToJson, coerceToText } from "./value.js";

/** Attributes of a derivation, as Nix's `derivation` takes them: further ones become variables of the builder. */
export interface DerivationAttributes {
  readonly name: string;
  /** For example `x86_64-linux`. */
  readonly system: string;
  readonly builder: AttributeValue;
  readonly args?: readonly AttributeValue[];
  /** Names of the outputs; the first is what the derivation stands for. Default: `out`. */
  readonly outputs?: readonly string[];
  /** Makes the one output fixed: its hash in any form. */
  readonly outputHash?: string;
  readonly outputHashAlgo?: string;
  readonly outputHashMode?: "flat" | "recursive";
  /** Attributes reach the builder as JSON and as a shell file instead of variables. */
  readonly __structuredAttrs?: boolean;
  readonly [attribute: string]: AttributeValue | undefined;
}

/** How a derivation is authored. */
export interface AuthorOptions {
  readonly storeDir?: StoreDir;
}

/**
 * Describes a derivation, with the bytes that Nix's `derivation` gives for the same attributes.
 *
 * @throws {@link DrvError} `ERR_DRV_ATTRIBUTE`, `ERR_STORE_PATH`, `ERR_OUTPUT_NAME`, `ERR_HASH`; `ERR_DRV_CONTEXT` when a
 *   dependency was turned into a bare string.
 * @see Nix: src/libexpr/primops.cc, `prim_derivationStrict`
 */
export function derivation(
  attributes: DerivationAttributes,
  { storeDir = defaultStoreDir }: AuthorOptions = {},
): AuthoredDerivation {
  refuseUnsupported(attributes);
  const name = makeName(attributes.name);
  if (name.endsWith(".drv"))
    throw new DrvError("ERR_STORE_PATH", `derivation names are not allowed to end in '.drv': '${name}'`);
  const outputNames = outputNamesOf(attributes);
  const context = new Context();
  const env =
    attributes.__structuredAttrs === true
      ? structuredEnvironment(attributes, context)
      : plainEnvironment(attributes, context);
  const args = (attributes.args ?? []).map((arg) => bytesOf(context.take(coerceToText("args", arg))));
  const platform = context.take(coerceToText("system", attributes.system));
  const builder = bytesOf(context.take(coerceToText("builder", attributes.builder)));
  const blank = outputNames.reduce((all, output) => all.with(output, new Uint8Array()), env);
  const described: Derivation = {
    name,
    outputs: new Map(outputNames.map((output) => [output, { kind: "deferred" }])),
    inputDrvs: context.inputDrvs(),
    inputSrcs: context.inputSrcs(),
    platform,
    builder,
    args,
    env: blank,
  };
  const ca = fixedAddress(attributes, outputNames);
  const cache = context.cache();
  const outputs = ca === undefined ? addressed(described, storeDir, cache) : fixed(name, ca, storeDir);
  const finished = withOutputs(described, outputs);
  const modulo = computeHashModulo(finished, false, unreachable, cache);
  return new AuthoredDerivation(
    computeDerivationPath(storeDir, finished),
    finished,
    context.derivations(),
    outputNames,
    modulo,
  );
}

type KnownOutput = Extract<DerivationOutput, { readonly path: StorePath }>;

function addressed(
  drv: Derivation,
  storeDir: StoreDir,
  cache: HashModuloCache,
): ReadonlyMap<OutputName, KnownOutput> {
  const known = new Map<OutputName, KnownOutput>();
  for (const [output, path] of computeOutputPaths(drv, unreachable, { storeDir, cache })) {
    if (path === undefined)
      throw new DrvError(
        "ERR_DRV_INPUT",
        `the path of output '${output}' of '${drv.name}' depends on a build`,
      );
    known.set(output, { kind: "inputAddressed", path });
  }
  return known;
}

function fixed(name: string, ca: ContentAddress, storeDir: StoreDir): ReadonlyMap<OutputName, KnownOutput> {
  return new Map([
    [makeOutputName("out"), { kind: "fixed", ca, path: computeContentAddressedPath(storeDir, name, ca) }],
  ]);
}

/** The outputs, and the variables that hold their paths. */
function withOutputs(drv: Derivation, outputs: ReadonlyMap<OutputName, KnownOutput>): Derivation {
  let { env } = drv;
  for (const [output, { path }] of outputs) env = env.with(output, bytesOf(path));
  return { ...drv, outputs, env };
}

/** Every input's hash is in the cache. */
function unreachable(drvPath: StorePath): never {
  throw new Error(`bug: '${drvPath}' has no hash`);
}

function refuseUnsupported(attributes: DerivationAttributes): void {
  for (const attribute of ["__contentAddressed", "__impure"])
    if (attributes[attribute] === true)
      throw new DrvError(
        "ERR_DRV_ATTRIBUTE",
        `attribute '${attribute}' of derivation '${attributes.name}' is not supported`,
        {
          hint: "this version describes input-addressed and fixed outputs",
        },
      );
}

function outputNamesOf({ name, outputs = ["out"] }: DerivationAttributes): readonly OutputName[] {
  const names = outputs.map((output) => makeOutputName(output));
  if (names.length === 0)
    throw new DrvError("ERR_DRV_ATTRIBUTE", `derivation '${name}' cannot have an empty set of outputs`);
  if (new Set(names).size < names.length)
    throw new DrvError("ERR_DRV_ATTRIBUTE", `derivation '${name}' has duplicate outputs`);
  if (names.some((output) => output === "drv"))
    throw new DrvError("ERR_DRV_ATTRIBUTE", "invalid derivation output name 'drv'");
  return names;
}

/** Attributes that are not the builder's business. */
const hidden = new Set(["args", "__ignoreNulls"]);

function* shown(attributes: DerivationAttributes): Iterable<readonly [name: string, value: AttributeValue]> {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || hidden.has(name)) continue;
    if (value === null && attributes["__ignoreNulls"] === true) continue;
    yield [name, value];
  }
}

function plainEnvironment(attributes: DerivationAttributes, context: Context): Environment {
  const entries = [...shown(attributes)].map(
    ([name, value]) => [bytesOf(name), bytesOf(context.take(coerceToText(name, value)))] as const,
  );
  return Environment.from(entries);
}

function structuredEnvironment(attributes: DerivationAttributes, context: Context): Environment {
  const members = [...shown(attributes)]
    .filter(([name]) => name !== "__structuredAttrs")
    .map(([name, value]) => [name, attributeToJson(name, value, (text) => context.take(text))] as const);
  const json = printJson({ type: "object", members: new Map(members) });
  return Environment.from([[bytesOf("__json"), bytesOf(json)]]);
}

function fixedAddress(
  { name, outputHash, outputHashAlgo, outputHashMode }: DerivationAttributes,
  outputNames: readonly OutputName[],
): ContentAddress | undefined {
  if (outputHash === undefined) return undefined;
  if (outputNames.length !== 1 || outputNames[0] !== "out")
    throw new DrvError("ERR_DRV_ATTRIBUTE", "multiple outputs are not supported in fixed-output derivations");
  if (outputHashMode !== undefined && outputHashMode !== "flat" && outputHashMode !== "recursive")
    throw new DrvError(
      "ERR_DRV_ATTRIBUTE",
      `invalid value '${String(outputHashMode)}' for 'outputHashMode' attribute of '${name}'`,
      {
        hint: "'flat' or 'recursive'",
      },
    );
  const algorithm =
    outputHashAlgo === undefined || outputHashAlgo === "" ? undefined : parseHashAlgorithm(outputHashAlgo);
  return { method: outputHashMode === "recursive" ? "nar" : "flat", hash: parseHash(outputHash, algorithm) };
}

/** Everything that the texts of one derivation depend on. */
class Context {
  readonly #outputs = new Map<
    StorePath,
    { readonly derivation: AuthoredDerivation; readonly names: Set<OutputName> }
  >();
  readonly #sources = new Set<Source>();

  /** The bare text; what it depends on is remembered. */
  take(text: Text): string {
    for (const source of text.sources) this.#sources.add(source);
    for (const { derivation: input, name } of text.outputs) {
      const known = this.#outputs.get(input.drvPath) ?? { derivation: input, names: new Set() };
      known.names.add(name);
      this.#outputs.set(input.drvPath, known);
    }
    return text.value;
  }

  inputDrvs(): ReadonlyMap<StorePath, ReadonlySet<OutputName>> {
    return new Map([...this.#outputs].map(([path, { names }]) => [path, names]));
  }

  inputSrcs(): ReadonlySet<StorePath> {
    return new Set([...this.#sources].map(({ path }) => path));
  }

  derivations(): readonly AuthoredDerivation[] {
    return [...this.#outputs.values()].map((input) => input.derivation);
  }

  /** Hashes of the direct inputs: all that is needed of what lies below. */
  cache(): HashModuloCache {
    const cache = new HashModuloCache();
    for (const [path, input] of this.#outputs) cache.set(path, input.derivation.modulo);
    return cache;
  }
}
