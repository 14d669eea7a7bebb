import { EngineError } from "@drvkit/drv-parser";
import type { BuildMode, BuildResult } from "@drvkit/goal";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { untilInterrupted } from "../interrupt.js";
import { resolveTargets } from "../modules.js";
import { renderError } from "../render/error.js";
import { makeRenderer } from "../render/renderer.js";

/** `drv build TARGET…`: output paths on standard output, everything else on standard error. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  if (options["dryRun"] === true) return (await import("./dry-run.js")).run(args, options, context);
  await using engine = await context.openEngine();
  const renderer = makeRenderer(process.stderr, context.env, {
    logLines: options["printBuildLogs"] === true,
    quiet: options["quiet"] === true,
  });
  return await untilInterrupted(context, async (signal) => {
    try {
      const build = engine.build(await resolveTargets(args, engine), {
        signal,
        mode: modeOf(options),
        ...outLink(options),
      });
      for await (const event of build) renderer.event(event);
      const outcome = await build.result;
      signal.throwIfAborted();
      renderer.end();
      for (const problem of outcome.problems) context.err(renderError(problem, context.env));
      context.out(
        options["json"] === true
          ? printJson(outcome.results.map(resultToJson))
          : printOutputs(outcome.results),
      );
      return outcome.exitStatus;
    } finally {
      renderer.end();
    }
  });
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
  };
}
