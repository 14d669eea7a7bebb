import { basename, resolve } from "node:path";
import { EngineError } from "@drvkit/drv-parser";
import type { Engine, SourceOptions } from "@drvkit/engine";
import { type PathInfo, pathInfoToJson } from "@drvkit/narinfo";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";

/** `drv add FILE…`: prints the store paths; with `--json` what `path-info --json` prints of them. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  checkUsage(args, options);
  await using engine = await context.openEngine();
  const infos: PathInfo[] = [];
  for (const file of args) infos.push(await add(engine, file, options));
  if (options["json"] === true)
    context.out(printJson(Object.fromEntries(infos.map((info) => [info.path, pathInfoToJson(info)]))));
  else context.out(infos.map((info) => `${info.path}\n`).join(""));
  return 0;
}

/** @throws EngineError `ERR_USAGE` for options that have no meaning together. */
function checkUsage(args: readonly string[], options: CommandOptions): void {
  if (options["name"] !== undefined && args.length > 1)
    throw new EngineError("ERR_USAGE", "'--name' goes with one file", {
      hint: "call `drv add` once for each name",
    });
  const filter = ["include", "exclude", "ignoreFile"].find((each) => options[each] !== undefined);
  if (options["flat"] === true && filter !== undefined)
    throw new EngineError("ERR_USAGE", "'--flat' adds a single file, of which nothing can be left out", {
      hint: "leave out '--flat', or the patterns",
    });
}

async function add(engine: Engine, file: string, options: CommandOptions): Promise<PathInfo> {
  if (options["flat"] === true) {
    const name = options["name"] ?? basename(resolve(file));
    return await engine.store.addFile(String(name), resolve(file));
  }
  const { path } = await engine.source(file, sourceOptions(options));
  return await engine.store.requirePathInfo(path);
}

function sourceOptions(options: CommandOptions): SourceOptions {
  const given = ["name", "include", "exclude", "ignoreFile"].filter((each) => options[each] !== undefined);
  return Object.fromEntries(given.map((each) => [each, options[each]]));
}
