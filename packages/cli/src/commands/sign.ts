import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { EngineError, textOf } from "@drvkit/drv-parser";
import { parseSecretKey, type SecretKey, signPathInfo } from "@drvkit/narinfo";
import type { CommandOptions } from "../command-table.js";
import type { CommandContext } from "../context.js";
import { readInput } from "../input.js";
import { readNarInfoFile, withSignatures } from "../narinfo-file.js";

/** `drv sign FILE…`: each file is replaced by one with the signatures; `-` goes from standard input to standard output. */
export async function run(
  args: readonly string[],
  _options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  const keys = await secretKeys(context);
  // All are read before the first is written: what cannot be read stops it while nothing is done yet.
  const files = await Promise.all(args.map(readNarInfoFile));
  for (const { file, text, info } of files) {
    let signed = info;
    for (const key of keys) signed = await signPathInfo(signed, key);
    const added = signed.signatures.slice(info.signatures.length);
    if (file === "-") context.out(withSignatures(text, added));
    else if (added.length > 0) await replaceFile(file, withSignatures(text, added));
  }
  return 0;
}

async function secretKeys(context: CommandContext): Promise<readonly SecretKey[]> {
  const { "secret-key-files": files } = await context.settings();
  if (files.length === 0)
    throw new EngineError("ERR_USAGE", "there is no key to sign with", {
      hint: "name its file: --secret-key-files ./secret-key",
    });
  return Promise.all(files.map(async (file) => parseSecretKey(textOf(await readInput(file)))));
}

/** Whoever reads it meanwhile gets the old text or the new one. */
async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.tmp-${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    await writeFile(temporary, text, { flag: "wx" });
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new EngineError("ERR_INPUT", `cannot write '${file}'`, { cause });
  }
}
