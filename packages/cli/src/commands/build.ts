import { EngineError } from "@drvkit/drv-parser";
import type { BuildOptions } from "@drvkit/engine";
import type { BuildMode, BuildResult } from "@drvkit/goal";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import type { EventWriter } from "../event-writer.js";
import { resolveTargets } from "../modules.js";
import { untilInterruptedWith, withRenderer } from "../render/log-format.js";
import type { Renderer } from "../render/renderer.js";

/** `drv build TARGET…`: output paths on standard output, everything else on standard error. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  if (options["dryRun"] === true) return (await import("./dry-run.js")).run(args, options, context);
  return await withRenderer(options, context, async (renderer) => {
    const how = { mode: modeOf(options), ...outLink(options) };
    const events = await eventWriter(options, context);
    try {
      return await build(args, how, { options, context, renderer, events });
    } finally {
      await events?.close();
    }
  });
}

/** Who is told of a build. */
interface Audience {
  readonly options: CommandOptions;
  readonly context: CommandContext;
  readonly renderer: Renderer;
  readonly events: EventWriter | undefined;
}

async function build(
  args: readonly string[],
  how: BuildOptions,
  { options, context, renderer, events }: Audience,
): Promise<number> {
  await using engine = await context.openEngine({ onWarning: (text) => renderer.warning(text) });
  return await untilInterruptedWith(renderer, context, async (signal) => {
    const running = engine.build(await resolveTargets(args, engine), { ...how, signal });
    for await (const event of running) {
      renderer.event(event);
      await events?.write(event);
    }
    const outcome = await running.result;
    signal.throwIfAborted();
    renderer.end();
    for (const problem of outcome.problems) renderer.error(problem);
    if (options["events"] !== "-") context.out(printResults(outcome.results, options));
    return outcome.exitStatus;
  });
}

/** Standard output has one reader, who expects one thing. */
async function eventWriter(
  options: CommandOptions,
  context: CommandContext,
): Promise<EventWriter | undefined> {
  const { events, json } = options;
  if (typeof events !== "string") return undefined;
  if (events === "-" && json === true)
    throw new EngineError("ERR_USAGE", "'--json' and '--events -' both print on standard output", {
      hint: "give `--events` a file",
    });
  return (await import("../event-writer.js")).openEventWriter(events, context);
}

function printResults(results: readonly BuildResult[], options: CommandOptions): string {
  return options["json"] === true ? printJson(results.map(resultToJson)) : printOutputs(results);
}

function modeOf(options: CommandOptions): BuildMode {
  const [check, repair] = [options["check"] === true, options["repair"] === true];
  if (check && repair)
    throw new EngineError("ERR_USAGE", "'--check' changes nothing, '--repair' does: give one of them");
  if (check) return "check";
  return repair ? "repair" : "normal";
}

/** `--no-link` arrives as `link: false`. JSON readers get no link unless they name one. */
function outLink(options: CommandOptions): { readonly root?: string } {
  const name = options["outLink"];
  if (typeof name === "string") return { root: name };
  if (options["link"] === false || options["json"] === true) return {};
  return { root: "result" };
}

function printOutputs(results: readonly BuildResult[]): string {
  return results
    .flatMap((result) => ("outputs" in result ? [...result.outputs.values()] : []))
    .map((path) => `${path}\n`)
    .join("");
}

/** The documented, stable form of `drv build --json`. */
function resultToJson(result: BuildResult): object {
  const common = {
    drvPath: result.drvPath,
    outputs: "outputs" in result ? Object.fromEntries(result.outputs) : {},
    status: result.status,
    timesBuilt: result.timesBuilt,
    startTime: result.startTimeSeconds,
    stopTime: result.stopTimeSeconds,
  };
  if ("outputs" in result) return common;
  return {
    ...common,
    errorMessage: result.errorMessage,
    ...(result.errorCode === undefined ? {} : { errorCode: result.errorCode }),
    ...(result.hint === undefined ? {} : { hint: result.hint }),
    ...(result.differences === undefined ? {} : { differences: result.differences }),
  };
}
