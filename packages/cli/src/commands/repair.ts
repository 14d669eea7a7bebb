import type { StorePath } from "@drvkit/drv-parser";
import { type Engine, resolveStorePath } from "@drvkit/engine";
import type { Event } from "@drvkit/goal";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { exitStatus } from "../exit-status.js";
import { untilInterrupted } from "../interrupt.js";
import { renderError } from "../render/error.js";
import { makeRenderer } from "../render/renderer.js";

type Outcome = "good" | "repaired" | "failed";

/** `drv repair PATH…`: what is not any more what was registered is obtained or built again; the paths that are good then. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  await using engine = await context.openEngine();
  return await untilInterrupted(context, async (signal) => {
    const outcomes = new Map<StorePath, Outcome>();
    const paths = await Promise.all(args.map((arg) => resolveStorePath(engine.store, arg)));
    for (const path of paths) {
      outcomes.set(path, await repair(path, engine, signal, context));
      signal.throwIfAborted();
    }
    const ended = [...outcomes].map(([path, outcome]) => ({ path, outcome }));
    const whole = ended.filter(({ outcome }) => outcome !== "failed");
    context.out(options["json"] === true ? printJson(ended) : whole.map(({ path }) => `${path}\n`).join(""));
    return whole.length === ended.length ? exitStatus.success : exitStatus.failure;
  });
}

async function repair(
  path: StorePath,
  engine: Engine,
  signal: AbortSignal,
  context: CommandContext,
): Promise<Outcome> {
  const renderer = makeRenderer(process.stderr, context.env, { logLines: false, quiet: false });
  const said = new Set<string>();
  const onEvent = (event: Event) => {
    if (event.type === "goal-done" && "errorMessage" in event.result) said.add(event.result.errorMessage);
    renderer.event(event);
  };
  try {
    if (await engine.isPathGood(path, { signal })) return "good";
    await engine.repairPath(path, { signal, onEvent });
    return "repaired";
  } catch (error) {
    signal.throwIfAborted();
    renderer.end();
    if (!said.has((error as Error).message)) context.err(renderError(error, context.env));
    return "failed";
  } finally {
    renderer.end();
  }
}
