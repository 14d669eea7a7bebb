import { closeSync, openSync } from "node:fs";
import { EngineError, isDerivationPath, type StorePath } from "@drvkit/drv-parser";
import { type Engine, resolveStorePath } from "@drvkit/engine";
import { followLog, openLog } from "@drvkit/goal";
import { decompressBzip2, decompressZstd, lockDescriptor } from "@drvkit/sandbox-native";
import type { CommandOptions } from "../command-table.js";
import type { CommandContext } from "../context.js";
import { untilInterrupted } from "../interrupt.js";

const decompress = { ".bz2": decompressBzip2, ".zst": decompressZstd };

/** `drv log PATH`: the log of a derivation; of an output, that of its deriver. With `--follow` as it grows. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  await using engine = await context.openEngine();
  const drvPath = await derivationOf(engine, args[0] ?? "");
  return await untilInterrupted(context, async (signal) => {
    const log =
      options["follow"] === true
        ? await follow(engine, drvPath, signal, context)
        : await openLog(engine.store.logDir, drvPath, { decompress });
    if (log === undefined)
      throw new EngineError("ERR_LOG_MISSING", `build log of '${drvPath}' is not available`, {
        hint: "it was not built in this store, its builder says nothing yet, or 'keep-build-log' is off",
      });
    for await (const chunk of log) {
      signal.throwIfAborted();
      if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once("drain", resolve));
    }
    return 0;
  });
}

/** Without a log it waits for one, unless what the derivation makes is there already. */
function follow(engine: Engine, drvPath: StorePath, signal: AbortSignal, context: CommandContext) {
  const { store } = engine;
  return followLog(store.logDir, drvPath, {
    decompress,
    isWritten,
    signal,
    isOver: async () => {
      const known = (await store.queryKnownOutputs([drvPath])).get(drvPath);
      return known !== undefined && known.paths.size > 0 && known.valid.size === known.paths.size;
    },
    onWait: () => context.err(`waiting for the log of '${drvPath}'\n`),
  });
}

/** Asked through a descriptor of its own: a lock that it takes to find out is given back at once. */
function isWritten(fd: number): boolean {
  const probe = openSync(`/proc/self/fd/${fd}`, "r");
  try {
    return !lockDescriptor(probe, "exclusive");
  } finally {
    closeSync(probe);
  }
}

async function derivationOf(engine: Engine, arg: string): Promise<StorePath> {
  const path = await resolveStorePath(engine.store, arg);
  if (isDerivationPath(path)) return path;
  return (await engine.store.queryPathInfo(path))?.deriver ?? path;
}
