import { EngineError } from "@drvkit/drv-parser";
import type { CommandOptions } from "../command-table.js";
import type { CommandContext } from "../context.js";
import { exitStatus } from "../exit-status.js";
import { untilInterrupted } from "../interrupt.js";
import { makeRenderer, type Renderer } from "./renderer.js";

const formats = ["bar", "raw", "internal-json"] as const;

/**
 * Runs a command with a renderer on standard error, as `--log-format` says. What is thrown is said there, too, so that who
 * reads it reads one format.
 *
 * @throws EngineError `ERR_USAGE` for a format that nobody knows.
 */
export async function withRenderer(
  options: CommandOptions,
  context: CommandContext,
  work: (renderer: Renderer) => Promise<number>,
): Promise<number> {
  const renderer = await openRenderer(options, context);
  try {
    return await work(renderer);
  } catch (error) {
    renderer.end();
    renderer.error(error);
    return exitStatus.failure;
  } finally {
    renderer.end();
  }
}

/** {@link untilInterrupted}, said by the renderer. */
export function untilInterruptedWith(
  renderer: Renderer,
  context: CommandContext,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  return untilInterrupted(context, work, (message) => {
    renderer.end();
    renderer.error(new Error(message));
  });
}

async function openRenderer(options: CommandOptions, { env }: CommandContext): Promise<Renderer> {
  const format = formatOf(options);
  if (format === "internal-json") {
    const { makeJsonRenderer } = await import("./json-renderer.js");
    return makeJsonRenderer(process.stderr, process.pid);
  }
  return makeRenderer(process.stderr, env, {
    bar: format === "bar",
    logLines: options["printBuildLogs"] === true,
    quiet: options["quiet"] === true,
  });
}

function formatOf({ logFormat = "bar" }: CommandOptions): (typeof formats)[number] {
  const format = formats.find((each) => each === logFormat);
  if (format !== undefined) return format;
  throw new EngineError("ERR_USAGE", `unknown log format '${String(logFormat)}'`, {
    hint: `give one of ${formats.map((each) => `\`${each}\``).join(", ")}`,
  });
}
