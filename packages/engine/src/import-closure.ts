import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  baseNameOf,
  computeDerivationPath,
  type Derivation,
  derivationNameOf,
  isDerivationPath,
  makeStorePath,
  parseDerivation,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import { statTree } from "@drvkit/sandbox-native";
import type { LmdbStore } from "@drvkit/store-lmdb";
import { EngineSetupError, hasCode } from "./error.js";

/** A derivation read from a file, with the store path its content gives. */
export interface DerivationFile {
  readonly drvPath: StorePath;
  readonly derivation: Derivation;
}

/**
 * Reads a `.drv` file that lies anywhere; its name must be the one its content gives.
 *
 * @throws {@link EngineSetupError} `ERR_TARGET` when there is no such file or its name is none of a store object,
 *   `ERR_IMPORT_MISMATCH` when content and name differ; `ERR_DRV_SYNTAX` from the parser. Derivations with
 *   nested inputs are read: whether they may be built is for others to say.
 */
export async function readDerivationFile(storeDir: StoreDir, file: string): Promise<DerivationFile> {
  const drvPath = namedDerivation(storeDir, file);
  const name = derivationNameOf(drvPath);
  const derivation = parseDerivation(await readMember(file), { storeDir, name, dynamic: true });
  const computed = computeDerivationPath(storeDir, derivation);
  if (computed !== drvPath) throw mismatch(file, computed);
  return { drvPath, derivation };
}

/**
 * Makes the derivation in `file` and all it needs valid in `store`, reading what is not valid yet from the folder of
 * `file`. Inputs come before what refers to them, so that an interrupted import leaves only complete closures.
 *
 * @throws {@link EngineSetupError} the reason of `signal`, `ERR_IMPORT_MISSING`, `ERR_IMPORT_MISMATCH` and those of {@link readDerivationFile}.
 */
export async function importClosure(
  store: LmdbStore,
  file: string,
  signal?: AbortSignal,
): Promise<StorePath> {
  const folder = dirname(file);
  const top = await readDerivationFile(store.storeDir, file);
  const order = await closureOrder(store, { folder, top, signal });
  for (const { path, references } of order) {
    signal?.throwIfAborted();
    try {
      await store.importObject({ path, sourcePath: join(folder, baseNameOf(path)), references });
    } catch (error) {
      if (hasCode(error, "ERR_STORE_PATH_MISMATCH"))
        throw mismatch(join(folder, baseNameOf(path)), undefined, error);
      throw error;
    }
  }
  return top.drvPath;
}

interface Member {
  readonly path: StorePath;
  readonly references: readonly StorePath[];
}

/** What is to be imported, references first. Depth-first with a stack of its own: closures are deep. */
async function closureOrder(
  store: LmdbStore,
  {
    folder,
    top,
    signal,
  }: {
    readonly folder: string;
    readonly top: DerivationFile;
    readonly signal: AbortSignal | undefined;
  },
): Promise<readonly Member[]> {
  const order: Member[] = [];
  const seen = new Set<StorePath>();
  const stack: (Member & { next: number })[] = [];

  const enter = async (path: StorePath, derivation?: Derivation) => {
    if (seen.has(path)) return;
    seen.add(path);
    if ((await store.queryValidPaths([path])).has(path)) return;
    if (!isDerivationPath(path)) {
      await requireMember(join(folder, baseNameOf(path)));
      order.push({ path, references: [] });
    } else {
      const drv =
        derivation ?? (await readDerivationFile(store.storeDir, join(folder, baseNameOf(path)))).derivation;
      stack.push({ path, references: [...drv.inputDrvs.keys(), ...drv.inputSrcs], next: 0 });
    }
  };

  await enter(top.drvPath, top.derivation);
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    signal?.throwIfAborted();
    const child = frame.references[frame.next];
    frame.next += 1;
    if (child !== undefined) await enter(child);
    else order.push(stack.pop() as Member);
  }
  return order;
}

function namedDerivation(storeDir: StoreDir, file: string): StorePath {
  try {
    const path = makeStorePath(storeDir, basename(file));
    if (isDerivationPath(path)) return path;
  } catch (error) {
    throw notADerivation(file, error);
  }
  throw notADerivation(file, undefined);
}

function notADerivation(file: string, cause: unknown): EngineSetupError {
  return new EngineSetupError("ERR_TARGET", `'${file}' is not named like a store derivation`, {
    hint: "give a file called HASH-NAME.drv, as in the store",
    cause,
  });
}

/** Only a regular file has an end; a pipe could be waited for without one. */
async function readMember(file: string): Promise<Uint8Array> {
  try {
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await handle.stat()).isFile())
      throw new EngineSetupError("ERR_TARGET", `'${file}' is not a regular file`, {
        hint: "give a file called HASH-NAME.drv, as in the store",
      });
    return await handle.readFile();
  } catch (error) {
    throw error instanceof EngineSetupError ? error : missing(file, error);
  }
}

/** A source that is not there is found out before anything is imported. */
async function requireMember(file: string): Promise<void> {
  if ((await statTree(file)) === undefined) throw missing(file);
}

function missing(file: string, cause?: unknown): EngineSetupError {
  return new EngineSetupError("ERR_IMPORT_MISSING", `cannot read '${file}'`, {
    hint: "put every derivation and source of the closure into one folder",
    cause,
  });
}

function mismatch(file: string, computed: StorePath | undefined, cause?: unknown): EngineSetupError {
  const found = computed === undefined ? "" : `, its content gives '${baseNameOf(computed)}'`;
  return new EngineSetupError("ERR_IMPORT_MISMATCH", `'${file}' does not hold what its name says${found}`, {
    hint: "the file was changed or renamed: copy it again from the store it comes from",
    cause,
  });
}
