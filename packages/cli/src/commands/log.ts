import { EngineError, isDerivationPath, type StorePath } from "@drvkit/drv-parser";
import { type Engine, resolveStorePath } from "@drvkit/engine";
import { openLog } from "@drvkit/goal";
import { decompressBzip2 } from "@drvkit/sandbox-native";
import type { CommandOptions } from "../command-table.js";
import type { CommandContext } from "../context.js";

/** `drv log PATH`: the log of a derivation; of an output, that of its deriver. */
export async function run(
  args: readonly string[],
  _options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  await using engine = await context.openEngine();
  const drvPath = await derivationOf(engine, args[0] ?? "");
  const log = await openLog(engine.store.logDir, drvPath, { decompress: decompressBzip2 });
  if (log === undefined)
    throw new EngineError("ERR_LOG_MISSING", `build log of '${drvPath}' is not available`, {
      hint: "it was not built in this store, or 'keep-build-log' is off",
    });
  for await (const chunk of log)
    if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  return 0;
}

async function derivationOf(engine: Engine, arg: string): Promise<StorePath> {
  const path = await resolveStorePath(engine.store, arg);
  if (isDerivationPath(path)) return path;
  return (await engine.store.queryPathInfo(path))?.deriver ?? path;
}
