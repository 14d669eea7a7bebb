import type { StorePath } from "@drvkit/drv-parser";
import { resolveStorePath } from "@drvkit/engine";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";

/** `drv closure PATH…`: one path per line in byte order, with `--json` an array. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  await using engine = await context.openEngine();
  const starts: StorePath[] = [];
  for (const arg of args) starts.push(await resolveStorePath(engine.store, arg));
  const closure = await engine.store.queryClosure(starts);
  context.out(options["json"] === true ? printJson(closure) : closure.map((path) => `${path}\n`).join(""));
  return 0;
}
