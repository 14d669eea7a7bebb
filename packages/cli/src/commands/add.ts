import { basename, resolve } from "node:path";
import { EngineError } from "@drvkit/drv-parser";
import { type PathInfo, pathInfoToJson } from "@drvkit/narinfo";
import { type CommandContext, printJson } from "../context.js";
import type { CommandOptions } from "../program.js";

/** `drv add FILE…`: prints the store paths; with `--json` what `path-info --json` prints of them. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  const name = options["name"];
  if (typeof name === "string" && args.length > 1)
    throw new EngineError("ERR_USAGE", "'--name' goes with one file", {
      hint: "call `drv add` once for each name",
    });
  await using engine = await context.openEngine();
  const infos: PathInfo[] = [];
  for (const file of args) {
    const path = resolve(file);
    const method = options["flat"] === true ? "flat" : "nar";
    infos.push(
      await engine.store.addTree(typeof name === "string" ? name : basename(path), path, { method }),
    );
  }
  if (options["json"] === true)
    context.out(printJson(Object.fromEntries(infos.map((info) => [info.path, pathInfoToJson(info)]))));
  else context.out(infos.map((info) => `${info.path}\n`).join(""));
  return 0;
}
