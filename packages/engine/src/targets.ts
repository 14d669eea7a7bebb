import { access, readlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import {
  AuthoredDerivation,
  type DerivedPath,
  isDerivationPath,
  Output,
  parseDerivedPath,
  parseStorePath,
  type StorePath,
  splitStorePath,
} from "@drvkit/drv-parser";
import type { LmdbStore } from "@drvkit/store-lmdb";
import { EngineSetupError, hasCode } from "./error.js";
import { importClosure, readDerivationFile } from "./import-closure.js";
import { instantiate } from "./instantiate.js";
import { derivationsOf, type Stores } from "./stores.js";

/** What `build` takes: something authored, a derived path, its text, or the path of a `.drv` file, with or without `^OUTPUTS`. */
export type BuildTarget = string | DerivedPath | AuthoredDerivation | Output;

/**
 * The derived path behind a target. A `.drv` outside the store is imported with its closure first; a bare `.drv` means
 * all of its outputs.
 *
 * @throws {@link EngineSetupError} `ERR_TARGET` and the errors of `importClosure`.
 */
export async function resolveTarget(
  stores: Stores,
  target: BuildTarget,
  signal?: AbortSignal,
): Promise<DerivedPath> {
  const { store, evalStore } = stores;
  if (target instanceof Output) {
    const drvPath = await instantiate(evalStore, target.derivation);
    return { type: "built", drvPath, outputs: new Set([target.name]) };
  }
  if (target instanceof AuthoredDerivation)
    return { type: "built", drvPath: await instantiate(evalStore, target), outputs: "all" };
  if (typeof target !== "string") return target;
  const { file, outputs } = splitOutputs(target);
  if (file.startsWith(`${store.storeDir}/`))
    return allOutputs(await inStore(stores, { target, file, signal }));
  if (!file.endsWith(".drv"))
    throw new EngineSetupError("ERR_TARGET", `'${target}' is neither in the store nor a '.drv' file`, {
      hint: `give a path below '${store.storeDir}' or the path of a derivation file`,
    });
  return allOutputs(
    parseDerivedPath(store.storeDir, `${await importClosure(evalStore, resolve(file), signal)}${outputs}`),
  );
}

/**
 * {@link resolveTarget} of all of them, one after the other; which derivations are in the store already is asked at once.
 *
 * @throws as {@link resolveTarget}, for the first one; the reason of the signal.
 */
export async function resolveTargets(
  stores: Stores,
  targets: readonly BuildTarget[],
  signal: AbortSignal,
): Promise<readonly DerivedPath[]> {
  const drvPaths = targets.map((target) => derivationIn(stores.store, target));
  const valid = await derivationsOf(stores).queryValidPaths(drvPaths.filter((path) => path !== undefined));
  const resolved: DerivedPath[] = [];
  for (const [index, target] of targets.entries()) {
    const drvPath = drvPaths[index];
    signal.throwIfAborted();
    if (drvPath !== undefined && valid.has(drvPath))
      resolved.push({ type: "built", drvPath, outputs: "all" });
    else resolved.push(await resolveTarget(stores, target, signal));
  }
  return resolved;
}

/** The derivation that a target is, if it is the path of one and nothing else. */
function derivationIn({ storeDir }: LmdbStore, target: BuildTarget): StorePath | undefined {
  if (typeof target !== "string" || !target.startsWith(`${storeDir}/`) || !target.endsWith(".drv"))
    return undefined;
  try {
    const path = parseStorePath(storeDir, target);
    return isDerivationPath(path) ? path : undefined;
  } catch (error) {
    if (hasCode(error, "ERR_STORE_PATH")) return undefined; // said when its turn comes
    throw error;
  }
}

/** A store path as text; a `.drv` that no store has is brought in when the machine has it at that place. */
async function inStore(
  stores: Stores,
  {
    target,
    file,
    signal,
  }: { readonly target: string; readonly file: string; readonly signal: AbortSignal | undefined },
): Promise<DerivedPath> {
  const derived = parseDerivedPath(stores.store.storeDir, target);
  const path = derived.type === "opaque" ? derived.path : derived.drvPath;
  if (!isDerivationPath(path) || (await derivationsOf(stores).queryValidPaths([path])).has(path))
    return derived;
  if (await exists(file)) await importClosure(stores.evalStore, file, signal);
  return derived;
}

function allOutputs(derived: DerivedPath): DerivedPath {
  if (derived.type === "built" || !isDerivationPath(derived.path)) return derived;
  return { type: "built", drvPath: derived.path, outputs: "all" };
}

function splitOutputs(target: string): { readonly file: string; readonly outputs: string } {
  const at = target.search(/[\^!][^/]*$/u);
  return at < 0 ? { file: target, outputs: "" } : { file: target.slice(0, at), outputs: target.slice(at) };
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR") || hasCode(error, "EACCES")) return false;
    throw error;
  }
}

/**
 * The store path that an argument names, valid or not: a store path, a path below one, a link that leads into the
 * store, or a `.drv` file. Nothing is imported.
 *
 * @throws {@link EngineSetupError} `ERR_TARGET` when it is none.
 */
export async function resolveStorePath(store: LmdbStore, text: string): Promise<StorePath> {
  const logical = logicalPath(store, text) ?? logicalPath(store, await followLinks(store, resolve(text)));
  if (logical !== undefined) return splitStorePath(store.storeDir, logical).path;
  if (text.endsWith(".drv")) return (await readDerivationFile(store.storeDir, resolve(text))).drvPath;
  throw new EngineSetupError("ERR_TARGET", `path '${text}' is not in the Nix store`, {
    hint: `give a path below '${store.storeDir}' or a link into the store`,
  });
}

/** A path below the real store directory is known by its logical name. */
function logicalPath(store: LmdbStore, path: string): string | undefined {
  if (path.startsWith(`${store.storeDir}/`)) return path;
  if (path.startsWith(`${store.realStoreDir}/`))
    return store.storeDir + path.slice(store.realStoreDir.length);
  return undefined;
}

/** @see Nix: src/libstore/store-api.cc, `followLinksToStore` */
async function followLinks(store: LmdbStore, path: string): Promise<string> {
  let followed = path;
  for (let links = 0; links < 40 && logicalPath(store, followed) === undefined; links += 1) {
    const target = await readlink(followed).catch(() => undefined);
    if (target === undefined) break;
    followed = resolve(dirname(followed), target);
  }
  return followed;
}
