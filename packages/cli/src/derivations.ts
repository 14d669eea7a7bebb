import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  baseNameOf,
  computeDerivationPath,
  type Derivation,
  derivationNameOf,
  EngineError,
  isDerivationPath,
  parseDerivation,
  parseDerivationJson,
  parseDerivationsJson,
  parseDerivedPath,
  parseJson,
  type StorePath,
} from "@drvkit/drv-parser";
import { type Engine, readDerivation, readDerivationFile } from "@drvkit/engine";
import { readInput } from "./input.js";

/** A derivation and the path it has or would have. */
export interface Found {
  readonly drvPath: StorePath;
  readonly derivation: Derivation;
}

/**
 * The derivations that an argument names: a store path or what made it, a `.drv` file anywhere, a file of JSON in any of
 * its forms (`-`: standard input).
 *
 * @throws errors with a code of reading and of the store.
 */
export async function findDerivations(engine: Engine, arg: string): Promise<readonly Found[]> {
  const { storeDir } = engine.store;
  if (arg === "-" || arg.endsWith(".json")) return readJson(engine, arg);
  if (!arg.startsWith(`${storeDir}/`)) return [await readDerivationFile(storeDir, arg)];
  const derived = parseDerivedPath(storeDir, arg);
  const path = derived.type === "opaque" ? derived.path : derived.drvPath;
  const info = (await engine.store.queryPathInfo(path)) ?? (await engine.evalStore.queryPathInfo(path));
  if (info === undefined) return [await readDerivationFile(storeDir, arg)];
  const drvPath = isDerivationPath(path) ? path : (info.deriver ?? path);
  derivationNameOf(drvPath); // refuses what is no derivation
  return [{ drvPath, derivation: await readDerivation(engine, drvPath) }];
}

async function readJson({ store: { storeDir } }: Engine, arg: string): Promise<readonly Found[]> {
  const bytes = await readInput(arg);
  const json = parseJson(bytes);
  const isOne = json.type === "object" && json.members.has("outputs") && json.members.has("system");
  if (!isOne)
    return [...parseDerivationsJson(bytes, { storeDir })].map(([drvPath, derivation]) => ({
      drvPath,
      derivation,
    }));
  const derivation = parseDerivationJson(bytes, { storeDir });
  return [{ drvPath: computeDerivationPath(storeDir, derivation), derivation }];
}

/**
 * Gives derivations by their paths, from the store or from the folders in which these files lie.
 *
 * @throws {@link EngineError} `ERR_IMPORT_MISSING` for one that is nowhere.
 */
export function derivationReader(engine: Engine, files: readonly string[]): (path: StorePath) => Derivation {
  const { store, evalStore } = engine;
  const folders = [
    store.realStoreDir,
    evalStore.realStoreDir,
    ...files.map((file) => dirname(resolve(file))),
  ];
  const known = new Map<StorePath, Derivation>();
  return (path) => {
    const derivation =
      known.get(path) ??
      parseDerivation(readFirst(folders, path), {
        name: derivationNameOf(path),
        storeDir: store.storeDir,
        lenient: true,
        dynamic: true,
      });
    known.set(path, derivation);
    return derivation;
  };
}

function readFirst(folders: readonly string[], path: StorePath): Uint8Array {
  for (const folder of folders)
    try {
      return readFileSync(join(folder, baseNameOf(path)));
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== "ENOENT") throw error;
    }
  throw new EngineError("ERR_IMPORT_MISSING", `derivation '${path}' is not there`, {
    hint: "it has to be in the store, or beside the files that were named",
  });
}
