import { baseNameOf, printContentAddress, printHash } from "@drvkit/drv-parser";
import { resolveStorePath } from "@drvkit/engine";
import { type BuilderSaw, type PathInfo, pathInfoToJson } from "@drvkit/narinfo";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { printBytes } from "../render/units.js";
import { notValid } from "./not-valid.js";

/** `drv path-info PATH…`: with `--json` an object keyed by store path. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  await using engine = await context.openEngine();
  const infos: PathInfo[] = [];
  for (const arg of args) {
    const path = await resolveStorePath(engine.store, arg);
    infos.push((await engine.store.queryPathInfo(path)) ?? notValid(path));
  }
  if (options["json"] === true)
    context.out(printJson(Object.fromEntries(infos.map((info) => [info.path, pathInfoToJson(info)]))));
  else for (const info of infos) context.out(printInfo(info));
  return 0;
}

const builtWith: Readonly<Record<BuilderSaw, string>> = {
  hostTools: "with the tools of the machine in view",
  machine: "without a sandbox",
};

function printInfo(info: PathInfo): string {
  const lines = [
    info.path,
    `  hash        ${printHash(info.narHash, "sri")}`,
    `  size        ${printBytes(info.narSizeBytes)} (${info.narSizeBytes})`,
    `  deriver     ${info.deriver === undefined ? "unknown" : baseNameOf(info.deriver)}`,
    `  registered  ${new Date(info.registrationTimeSeconds * 1000).toISOString()}`,
    ...(info.ca === undefined ? [] : [`  content     ${printContentAddress(info.ca)}`]),
    ...(info.builderSaw === undefined ? [] : [`  built       ${builtWith[info.builderSaw]}`]),
    ...[...info.references].map(
      (path, index) => `  ${index === 0 ? "references" : "          "}  ${baseNameOf(path)}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}
