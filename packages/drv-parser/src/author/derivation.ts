import { textOf } from "../bytes/text.js";
import type { Derivation } from "../derivation/derivation.js";
import { DrvError } from "../error.js";
import { computeHashModulo } from "../modulo.js";
import { computeDerivationPath } from "../output-paths.js";
import { makeName } from "../store-path/name.js";
import { defaultStoreDir, type StoreDir } from "../store-path/store-dir.js";
import { type DerivationAttributes, environmentOf, outputNamesOf } from "./attributes.js";
import { AuthoredDerivation } from "./authored.js";
import { Context } from "./context.js";
import { outputKindOf, unreachable, withOutputs } from "./outputs.js";
import { type AttributeValue, coerceToText } from "./value.js";

/** How a derivation is authored. */
export interface AuthorOptions {
  readonly storeDir?: StoreDir;
  /** Further variables, for names that are no text. */
  readonly variables?: Iterable<readonly [name: Uint8Array, value: AttributeValue]>;
  /** Told of what is allowed and yet hardly meant. */
  readonly onWarning?: (message: string) => void;
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
  { storeDir = defaultStoreDir, variables = [], onWarning = () => {} }: AuthorOptions = {},
): AuthoredDerivation {
  const name = makeName(attributes.name);
  if (name.endsWith(".drv"))
    throw new DrvError("ERR_STORE_PATH", `derivation names are not allowed to end in '.drv': '${name}'`);
  const outputNames = outputNamesOf(attributes);
  const context = new Context();
  const env = environmentOf(attributes, variables, context);
  const args = (attributes.args ?? []).map((arg) => context.take(coerceToText("args", arg)));
  const platform = textOf(context.take(coerceToText("system", attributes.system)));
  const builder = context.take(coerceToText("builder", attributes.builder));
  const kind = outputKindOf(attributes, outputNames, onWarning);
  const dynamicInputs = context.dynamicInputs();
  const described: Derivation = {
    name,
    outputs: new Map(outputNames.map((output) => [output, { kind: "deferred" }])),
    inputDrvs: context.inputDrvs(),
    ...(dynamicInputs === undefined ? {} : { dynamicInputs }),
    inputSrcs: context.inputSrcs(),
    platform,
    builder,
    args,
    env: outputNames.reduce((all, output) => all.with(output, new Uint8Array()), env),
  };
  const cache = context.cache();
  const finished = withOutputs(described, kind, { storeDir, cache });
  return new AuthoredDerivation(
    computeDerivationPath(storeDir, finished),
    finished,
    context.derivations(),
    context.sources(),
    outputNames,
    computeHashModulo(finished, false, unreachable, cache),
  );
}
