import {
  bytesOf,
  EngineError,
  type Hash,
  type HashAlgorithm,
  type HashForm,
  hashBytes,
  parseHash,
  parseHashAlgorithm,
  printHash,
} from "@drvkit/drv-parser";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { readInput } from "../input.js";

/** `drv hash file FILE…`. */
export async function hashFiles(args: readonly string[], options: CommandOptions, context: CommandContext) {
  const { hashFile } = await import("@drvkit/sandbox-native");
  return printed(args, options, context, async (file, algorithm) => {
    if (file === "-") return hashBytes(algorithm, await readInput("-"));
    return { algorithm, digest: (await hashFile(file, algorithm)).digest };
  });
}

/** `drv hash path PATH…`. */
export async function hashPaths(args: readonly string[], options: CommandOptions, context: CommandContext) {
  const { hashTree } = await import("@drvkit/sandbox-native");
  return printed(args, options, context, async (path, algorithm) => {
    return { algorithm, digest: (await hashTree(path, algorithm)).digest };
  });
}

/** `drv hash text TEXT…`. */
export async function hashTexts(args: readonly string[], options: CommandOptions, context: CommandContext) {
  return printed(args, options, context, async (text, algorithm) => hashBytes(algorithm, bytesOf(text)));
}

/** `drv hash convert HASH…`. */
export async function convertHashes(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
) {
  const stated = options["type"] === undefined ? undefined : algorithmOf(options);
  return printed(args, options, context, async (text) => parseHash(text, stated));
}

/** One line for each argument, with `--json` an object by arguments. */
async function printed(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
  hashOf: (arg: string, algorithm: HashAlgorithm) => Promise<Hash>,
): Promise<number> {
  const [form, algorithm] = [formOf(options), algorithmOf(options)];
  const hashes: [string, string][] = [];
  for (const arg of args) hashes.push([arg, printHash(await hashOf(arg, algorithm), form)]);
  if (options["json"] === true) context.out(printJson(Object.fromEntries(hashes)));
  else context.out(hashes.map(([, hash]) => `${hash}\n`).join(""));
  return 0;
}

function algorithmOf(options: CommandOptions): HashAlgorithm {
  const type = options["type"];
  return typeof type === "string" ? parseHashAlgorithm(type) : "sha256";
}

const forms: ReadonlyMap<string, HashForm> = new Map([
  ["sri", "sri"],
  ["base16", "base16"],
  ["nix32", "nix32"],
  ["base64", "base64"],
  ["prefixed-base16", "prefixedBase16"],
  ["prefixed-nix32", "prefixedNix32"],
]);

function formOf(options: CommandOptions): HashForm {
  const name = options["form"] ?? "sri";
  const form = typeof name === "string" ? forms.get(name) : undefined;
  if (form !== undefined) return form;
  throw new EngineError("ERR_USAGE", `'${String(name)}' is no form of a hash`, {
    hint: `choose one of ${[...forms.keys()].join(", ")}`,
  });
}
