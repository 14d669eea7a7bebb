import { platformSupport, probeSandbox } from "@drvkit/sandbox-native";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { styleFor } from "../render/style.js";

/** `drv doctor`: status 1 when a layer that builds need cannot be had. */
export async function run(
  _args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  const support = platformSupport();
  const layers = support.supported ? await probeSandbox() : [];
  const ready = support.supported && layers.every((probe) => probe.works || !probe.required);
  if (options["json"] === true) {
    context.out(printJson({ ready, platform: support, node: process.version, layers }));
    return ready ? 0 : 1;
  }
  const style = styleFor(process.stdout, context.env);
  if (!support.supported) context.out(`${style.red("✗")} platform: ${support.reason}\n`);
  for (const probe of layers) {
    const mark = probe.works ? style.green("✓") : probe.required ? style.red("✗") : style.yellow("–");
    context.out(`${mark} ${probe.layer.padEnd(18)} ${style.dim(probe.detail)}\n`);
    if (!probe.works && probe.hint !== undefined) context.out(`  ${style.cyan("hint:")} ${probe.hint}\n`);
  }
  context.out(ready ? "this machine can build\n" : "this machine cannot build in the sandbox\n");
  return ready ? 0 : 1;
}
