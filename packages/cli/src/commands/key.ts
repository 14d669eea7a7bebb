import { textOf } from "@drvkit/drv-parser";
import { generateSecretKey, parseSecretKey, printKey, publicKeyOf } from "@drvkit/narinfo";
import type { CommandOptions } from "../command-table.js";
import type { CommandContext } from "../context.js";
import { readInput, writeSecret } from "../input.js";

/** `drv key generate NAME`: the secret key on standard output, or in a new file of mode 0600. */
export async function generate(
  [name = ""]: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  const key = await generateSecretKey(name);
  const file = options["out"];
  if (typeof file !== "string") context.out(`${printKey(key)}\n`);
  else {
    await writeSecret(file, `${printKey(key)}\n`);
    context.out(`${printKey(publicKeyOf(key))}\n`);
  }
  return 0;
}

/** `drv key public FILE`. */
export async function printPublic(
  [file = "-"]: readonly string[],
  _options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  const key = parseSecretKey(textOf(await readInput(file)));
  context.out(`${printKey(publicKeyOf(key))}\n`);
  return 0;
}
