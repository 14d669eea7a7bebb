import { platformSupport } from "@drvkit/sandbox-native";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { renderDoctor } from "../render/doctor.js";
import { styleFor } from "../render/style.js";

/** `drv doctor`: status 1 when something cannot be had that builds with these settings need. */
export async function run(
  _args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  const platform = platformSupport();
  const { probeMachine } = await import("@drvkit/engine");
  const report = platform.supported
    ? await probeMachine(await context.settings(), context.env)
    : { ready: false, layers: [], machine: [] };
  if (options["json"] === true) {
    const { ready, layers, machine } = report;
    context.out(printJson({ ready, platform, node: process.version, layers, machine }));
  } else {
    const reason = platform.supported ? undefined : platform.reason;
    const { columns } = process.stdout;
    context.out(renderDoctor(report, { reason, columns, style: styleFor(process.stdout, context.env) }));
  }
  return report.ready ? 0 : 1;
}
