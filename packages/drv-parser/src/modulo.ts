import { sha256OfText } from "#digests";
import { printAlgorithmField } from "./aterm/algorithm-field.js";
import { printWithInputs } from "./aterm/print.js";
import { bytesOf } from "./bytes/text.js";
import type { Derivation, DynamicInput } from "./derivation/derivation.js";
import { derivationType } from "./derivation/type.js";
import { DrvError } from "./error.js";
import { type Hash, hashBytes } from "./hash/hash.js";
import { encodeBase16 } from "./hash/print.js";
import type { OutputName } from "./store-path/name.js";
import type { StorePath } from "./store-path/store-path.js";

/** Hash modulo of every output; `deferred` when an input's output path is not known before its build. */
export interface HashModulo {
  readonly hashes: ReadonlyMap<OutputName, Hash>;
  readonly deferred: boolean;
}

/** Gives the derivation at a path. Called once per path and cache. */
export type ReadDerivation = (drvPath: StorePath) => Derivation;

/** Unmasked hashes by derivation path, for as many computations as share inputs. */
export class HashModuloCache {
  readonly #known = new Map<StorePath, HashModulo>();

  /** What is known of the derivation at this path. */
  get(drvPath: StorePath): HashModulo | undefined {
    return this.#known.get(drvPath);
  }

  /** Remembers a hash, which has to be the unmasked one. */
  set(drvPath: StorePath, modulo: HashModulo): void {
    this.#known.set(drvPath, modulo);
  }
}

/**
 * Hash of a derivation modulo how its fixed outputs are obtained. With `mask` its own output paths are left out:
 * that is what output paths are made of. Inputs always count unmasked.
 *
 * Works through the inputs with a stack of its own: graphs are deep.
 *
 * @throws {@link DrvError} `ERR_DRV_INPUT` when an input lacks an output or depends on itself; `ERR_DRV_TYPE`.
 * @see Nix: src/libstore/derivations.cc, `hashDerivationModulo`
 */
export function computeHashModulo(
  drv: Derivation,
  mask: boolean,
  read: ReadDerivation,
  cache = new HashModuloCache(),
): HashModulo {
  const stack: { readonly path: StorePath; drv?: Derivation }[] = [];
  const pushMissing = (of: Derivation) => {
    if (of.outputs.size > 0 && ["fixed", "impure"].includes(derivationType(of).kind)) return;
    for (const path of of.inputDrvs.keys()) if (cache.get(path) === undefined) stack.push({ path });
  };
  // Between the reading of a derivation and its hash lies what it depends on: never itself.
  const open = new Set<StorePath>();
  pushMissing(drv);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    if (top.drv === undefined && cache.get(top.path) === undefined) {
      if (open.has(top.path))
        throw new DrvError("ERR_DRV_INPUT", `derivation '${top.path}' depends on itself`, {
          hint: "a file does not have the path that it lies under",
        });
      open.add(top.path);
      top.drv = read(top.path);
      pushMissing(top.drv);
      continue;
    }
    if (top.drv !== undefined) cache.set(top.path, moduloOf(top.drv, false, cache));
    open.delete(top.path);
    stack.pop();
  }
  return moduloOf(drv, mask, cache);
}

/** All inputs are in the cache. */
function moduloOf(drv: Derivation, mask: boolean, cache: HashModuloCache): HashModulo {
  const type = derivationType(drv);
  const each = (hash: Hash) => new Map([...drv.outputs.keys()].map((name) => [name, hash]));
  if (type.kind === "impure") return { hashes: each(hashBytes("sha256", bytesOf("impure"))), deferred: true };
  if (type.kind === "fixed") return { hashes: each(fixedHash(drv)), deferred: false };

  // What an output that is a derivation makes is not known before that is built.
  let deferred = type.kind === "floating" || drv.dynamicInputs !== undefined;
  const inputs = new HashedInputs();
  for (const [path, names] of drv.inputDrvs) {
    const input = cache.get(path) as HashModulo;
    deferred ||= input.deferred;
    for (const name of names) inputs.add(path, input, name);
    for (const [name, node] of drv.dynamicInputs?.get(path) ?? []) inputs.addDynamic(path, input, name, node);
  }
  const bytes = printWithInputs(mask ? masked(drv) : drv, inputs.outputs, inputs.dynamicOutputs);
  return { hashes: each(hashBytes("sha256", bytes)), deferred };
}

/** Inputs under the hashes that stand for them: what two of them have in common is wanted of one. */
class HashedInputs {
  readonly outputs = new Map<string, Set<string>>();
  readonly dynamicOutputs = new Map<string, Map<OutputName, DynamicInput>>();

  add(path: StorePath, input: HashModulo, name: OutputName): void {
    this.#outputsOf(keyOf(path, input, name)).add(name);
  }

  addDynamic(path: StorePath, input: HashModulo, name: OutputName, node: DynamicInput): void {
    const key = keyOf(path, input, name);
    this.#outputsOf(key);
    const nodes = this.dynamicOutputs.get(key) ?? new Map<OutputName, DynamicInput>();
    const known = nodes.get(name);
    this.dynamicOutputs.set(key, nodes.set(name, known === undefined ? node : united(known, node)));
  }

  #outputsOf(key: string): Set<string> {
    const known = this.outputs.get(key) ?? new Set();
    this.outputs.set(key, known);
    return known;
  }
}

function keyOf(path: StorePath, input: HashModulo, name: OutputName): string {
  const hash = input.hashes.get(name);
  if (hash === undefined)
    throw new DrvError("ERR_DRV_INPUT", `no hash for output '${name}' of derivation '${path}'`);
  return encodeBase16(hash.digest);
}

function united(a: DynamicInput, b: DynamicInput): DynamicInput {
  const dynamicOutputs = new Map(a.dynamicOutputs);
  for (const [name, node] of b.dynamicOutputs) {
    const known = dynamicOutputs.get(name);
    dynamicOutputs.set(name, known === undefined ? node : united(known, node));
  }
  return { outputs: new Set([...a.outputs, ...b.outputs]), dynamicOutputs };
}

function fixedHash(drv: Derivation): Hash {
  const [output] = drv.outputs.values();
  if (output?.kind !== "fixed") throw new DrvError("ERR_DRV_TYPE", "a fixed derivation has a fixed output");
  const { method, hash } = output.ca;
  const digest = sha256OfText(
    `fixed:out:${printAlgorithmField(method, hash.algorithm)}:${encodeBase16(hash.digest)}:${output.path}`,
  );
  return { algorithm: "sha256", digest };
}

/** Own output paths left out, in the outputs and in the variables named like them. */
function masked(drv: Derivation): Derivation {
  const outputs = new Map(
    [...drv.outputs].map(([name, output]) => [
      name,
      output.kind === "inputAddressed" ? ({ kind: "deferred" } as const) : output,
    ]),
  );
  let { env } = drv;
  for (const name of drv.outputs.keys()) if (env.has(name)) env = env.with(name, new Uint8Array());
  return { ...drv, outputs, env };
}
