import type { StorePath } from "@drvkit/drv-parser";
import { type Engine, resolveStorePath } from "@drvkit/engine";
import type { Event } from "@drvkit/goal";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { exitStatus } from "../exit-status.js";
import { untilInterruptedWith, withRenderer } from "../render/log-format.js";
import type { Renderer } from "../render/renderer.js";

type Outcome = "good" | "repaired" | "failed";

/** `drv repair PATH…`: what is not any more what was registered is obtained or built again; the paths that are good then. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  return await withRenderer(options, context, async (renderer) => {
    await using engine = await context.openEngine({ onWarning: (text) => renderer.warning(text) });
    return await untilInterruptedWith(renderer, context, async (signal) => {
      const outcomes = new Map<StorePath, Outcome>();
      const paths = await Promise.all(args.map((arg) => resolveStorePath(engine.store, arg)));
      for (const path of paths) {
        outcomes.set(path, await repair(path, engine, signal, renderer));
        signal.throwIfAborted();
      }
      renderer.end();
      const ended = [...outcomes].map(([path, outcome]) => ({ path, outcome }));
      const whole = ended.filter(({ outcome }) => outcome !== "failed");
      context.out(
        options["json"] === true ? printJson(ended) : whole.map(({ path }) => `${path}\n`).join(""),
      );
      return whole.length === ended.length ? exitStatus.success : exitStatus.failure;
    });
  });
}

async function repair(
  path: StorePath,
  engine: Engine,
  signal: AbortSignal,
  renderer: Renderer,
): Promise<Outcome> {
  const said = new Set<string>();
  const onEvent = (event: Event) => {
    if (event.type === "goal-done" && "errorMessage" in event.result) said.add(event.result.errorMessage);
    if (!isForNow(event, path)) renderer.event(event);
  };
  try {
    if (await engine.isPathGood(path, { signal })) return "good";
    await engine.repairPath(path, { signal, onEvent });
    return "repaired";
  } catch (error) {
    signal.throwIfAborted();
    if (!said.has((error as Error).message)) renderer.error(error);
    return "failed";
  }
}

/** That nobody has the path is no failure yet: it may be built. */
function isForNow(event: Event, path: StorePath): boolean {
  return event.type === "substitution-done" && event.result.path === path && event.result.exit !== "success";
}
