import { EngineError, type StorePath } from "@drvkit/drv-parser";
import type { Missing } from "@drvkit/goal";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { exitStatus } from "../exit-status.js";
import { untilInterrupted } from "../interrupt.js";
import { resolveTargets } from "../modules.js";
import { renderWarning } from "../render/error.js";
import { printBytes } from "../render/units.js";

/** `drv build --dry-run TARGET…`: what a build would do, on standard output. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  for (const mode of ["check", "repair"])
    if (options[mode] === true)
      throw new EngineError("ERR_USAGE", `'--${mode}' builds, '--dry-run' does not: give one of them`);
  await using engine = await context.openEngine();
  return await untilInterrupted(context, async (signal) => {
    const missing = await engine.queryMissing(await resolveTargets(args, engine), {
      signal,
      onWarning: (text) => context.err(renderWarning(text, context.env)),
    });
    const text = options["json"] === true ? printJson(missingToJson(missing)) : printMissing(missing);
    context.out(text);
    if (text === "" && options["quiet"] !== true) context.err("nothing to do: all of it is valid\n");
    return exitStatus.success;
  });
}

function printMissing(missing: Missing): string {
  const { willBuild, willSubstitute, unknown, downloadSizeBytes, narSizeBytes } = missing;
  const download = downloadSizeBytes > 0 ? `${printBytes(downloadSizeBytes)} to download, ` : "";
  return [
    listed("to build", willBuild),
    listed(`to copy, ${download}${printBytes(narSizeBytes)} unpacked`, willSubstitute),
    listed("that nobody has or makes", unknown),
  ].join("");
}

function listed(what: string, paths: readonly StorePath[]): string {
  if (paths.length === 0) return "";
  return `${paths.length} ${what}:\n${paths.map((path) => `  ${path}\n`).join("")}`;
}

/** The documented, stable form of `drv build --dry-run --json`. */
function missingToJson({ willBuild, willSubstitute, unknown, ...sizes }: Missing): object {
  const { downloadSizeBytes: downloadSize, narSizeBytes: narSize } = sizes;
  return { willBuild, willSubstitute, unknown, downloadSize, narSize };
}
