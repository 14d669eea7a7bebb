import { derivationToJson, EngineError, printDerivation, printDerivationsJson4 } from "@drvkit/drv-parser";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { type Found, findDerivations } from "../derivations.js";

/** `drv show DRV…`: JSON keyed by derivation path. A file is read where it lies; nothing is imported. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  const print = printers.get(String(options["format"] ?? "2.8"));
  if (print === undefined)
    throw new EngineError("ERR_USAGE", `'${String(options["format"])}' is no form of a derivation`, {
      hint: `choose one of ${[...printers.keys()].join(", ")}`,
    });
  await using engine = await context.openEngine();
  const found: Found[] = [];
  for (const arg of args) found.push(...(await findDerivations(engine, arg)));
  print(found, context);
  return 0;
}

type Print = (found: readonly Found[], context: CommandContext) => void;

const printers: ReadonlyMap<string, Print> = new Map([
  [
    "2.8",
    (found, context) =>
      context.out(
        printJson(
          Object.fromEntries(found.map(({ drvPath, derivation }) => [drvPath, derivationToJson(derivation)])),
        ),
      ),
  ],
  [
    "4",
    (found, context) => {
      const derivations = new Map(found.map(({ drvPath, derivation }) => [drvPath, derivation]));
      context.out(`${printDerivationsJson4(derivations, 2)}\n`);
    },
  ],
  [
    "aterm",
    (found) => {
      // Bytes, which need not be text; a file has no line end, several are told apart by one.
      for (const [index, { derivation }] of found.entries()) {
        if (index > 0) process.stdout.write("\n");
        process.stdout.write(printDerivation(derivation));
      }
    },
  ],
]);
