import { derivationNameOf, derivationToJson, isDerivationPath, parseDerivedPath } from "@drvkit/drv-parser";
import { type Engine, readDerivationFile } from "@drvkit/engine";
import { type CommandContext, printJson } from "../context.js";
import type { CommandOptions } from "../program.js";

/** `drv show DRV…`: an object keyed by derivation path. A file is read where it lies; nothing is imported. */
export async function run(
  args: readonly string[],
  _options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  await using engine = await context.openEngine();
  const shown: Record<string, unknown> = {};
  for (const arg of args) {
    const { drvPath, derivation } = await readOne(engine, arg);
    shown[drvPath] = derivationToJson(derivation);
  }
  context.out(printJson(shown));
  return 0;
}

async function readOne(engine: Engine, arg: string) {
  const { store } = engine;
  if (!arg.startsWith(`${store.storeDir}/`)) return readDerivationFile(store.storeDir, arg);
  const derived = parseDerivedPath(store.storeDir, arg);
  const path = derived.type === "opaque" ? derived.path : derived.drvPath;
  const info = await store.queryPathInfo(path);
  if (info === undefined) return readDerivationFile(store.storeDir, arg);
  const drvPath = isDerivationPath(path) ? path : (info.deriver ?? path);
  derivationNameOf(drvPath); // refuses what is no derivation
  return { drvPath, derivation: await store.readDerivation(drvPath) };
}
