import { once } from "node:events";
import { bytesOf, compareText, EngineError } from "@drvkit/drv-parser";
import {
  extractNarFile,
  findInListing,
  listNarStream,
  NarError,
  type NarListing,
  printNarListing,
} from "@drvkit/nar";
import type { CommandOptions } from "../command-table.js";
import type { CommandContext } from "../context.js";
import { archiveInput } from "../input.js";
import { onInterrupt } from "../interrupt.js";
import { stripControls } from "../render/units.js";

/** `drv nar ls ARCHIVE [PATH]`: names, with `--json` the listing that caches keep. */
export async function list(
  [archive = "-", path = ""]: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  const node = findInListing(await listNarStream(archiveInput(archive)), path);
  if (node === undefined) throw new NarError("ERR_NAR_ENTRY", `the archive has no '${path}'`);
  if (options["json"] === true) context.out(`${printNarListing(node)}\n`);
  else for (const line of linesOf(node, options)) context.out(`${line}\n`);
  return 0;
}

/** `drv nar cat ARCHIVE PATH`. */
export async function cat([archive = "-", path = ""]: readonly string[]): Promise<number> {
  await toStandardOutput(extractNarFile(archiveInput(archive), path));
  return 0;
}

/** `drv nar pack PATH`. */
export async function pack([path = "."]: readonly string[]): Promise<number> {
  if (process.stdout.isTTY)
    throw new EngineError("ERR_USAGE", "an archive is nothing for a terminal", {
      hint: "write it to a file: drv nar pack PATH > FILE",
    });
  const { dumpTree } = await import("@drvkit/sandbox-native");
  await toStandardOutput(dumpTree(path));
  return 0;
}

/** `drv nar unpack ARCHIVE TARGET`: nothing may be at the target yet; it is there when all of the archive has been read. */
export async function unpack([archive = "-", target = ""]: readonly string[]): Promise<number> {
  const { restoreTree } = await import("@drvkit/sandbox-native");
  const interrupt = onInterrupt(new EngineError("ERR_INTERRUPTED", "interrupted by the user"));
  try {
    await restoreTree(archiveInput(archive), target, { signal: interrupt.signal });
  } finally {
    interrupt.stop();
  }
  return 0;
}

/** Waits for a slow reader, so that memory stays flat. */
async function toStandardOutput(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) if (!process.stdout.write(chunk)) await once(process.stdout, "drain");
}

/** The entries of a folder, or the file or link itself. */
function* linesOf(node: NarListing, options: CommandOptions): Generator<string, void, undefined> {
  if (node.type !== "directory") {
    yield lineOf("", node, options);
    return;
  }
  const rest = entriesOf("", node);
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    yield lineOf(next.path, next.node, options);
    if (options["recursive"] === true && next.node.type === "directory")
      rest.push(...entriesOf(`${next.path}/`, next.node));
  }
}

/** Last first. */
function entriesOf(prefix: string, node: Extract<NarListing, { type: "directory" }>) {
  return [...node.entries]
    .sort(([a], [b]) => compareText(b, a))
    .map(([name, entry]) => ({ path: prefix + name, node: entry }));
}

function lineOf(path: string, node: NarListing, options: CommandOptions): string {
  const shown = stripControls(path === "" ? "." : path);
  if (options["long"] !== true) return shown;
  switch (node.type) {
    case "regular":
      return `-r-${node.executable ? "x" : "-"} ${String(node.sizeBytes).padStart(12)} ${shown}`;
    case "symlink":
      return `lr-x ${String(bytesOf(node.target).length).padStart(12)} ${shown} -> ${stripControls(node.target)}`;
    case "directory":
      return `dr-x ${"".padStart(12)} ${shown}`;
  }
}
