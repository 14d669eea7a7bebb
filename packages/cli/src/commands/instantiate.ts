import { AuthoredDerivation } from "@drvkit/drv-parser";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { loadDerivations } from "../modules.js";

/** `drv instantiate FILE…`: writes what modules describe into the store and prints the paths of the derivations. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  await using engine = await context.openEngine();
  const drvPaths: string[] = [];
  for (const arg of args)
    for (const authored of await loadDerivations(arg, engine))
      drvPaths.push(
        await engine.instantiate(authored instanceof AuthoredDerivation ? authored : authored.derivation),
      );
  context.out(options["json"] === true ? printJson(drvPaths) : drvPaths.map((path) => `${path}\n`).join(""));
  return 0;
}
