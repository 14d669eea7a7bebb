import {
  type DerivationDifference,
  type DiffStep,
  diffDerivations,
  EngineError,
  encodeBase64,
  printDerivationDiff,
  textOf,
} from "@drvkit/drv-parser";
import type { CommandOptions } from "../command-table.js";
import { type CommandContext, printJson } from "../context.js";
import { derivationReader, type Found, findDerivations } from "../derivations.js";
import { styleFor } from "../render/style.js";

/** `drv diff A B`: what makes them differ, causes first; with `--json` an array of steps. */
export async function run(
  args: readonly string[],
  options: CommandOptions,
  context: CommandContext,
): Promise<number> {
  await using engine = await context.openEngine();
  const [a, b] = [await one(args[0]), await one(args[1])];
  async function one(arg = ""): Promise<Found> {
    const [found, ...others] = await findDerivations(engine, arg);
    if (found !== undefined && others.length === 0) return found;
    throw new EngineError(
      "ERR_TARGET",
      `'${arg}' holds ${others.length === 0 ? "no" : "several"} derivations`,
    );
  }
  const read = derivationReader(engine, args);
  const given = new Map([a, b].map(({ drvPath, derivation }) => [drvPath, derivation]));
  const steps = diffDerivations(a.drvPath, b.drvPath, (path) => given.get(path) ?? read(path));
  if (options["json"] === true) context.out(printJson(steps.map(stepToJson)));
  else if (steps.length === 0) context.err("both are the same derivation\n");
  else context.out(painted(printDerivationDiff(steps), context));
  return 0;
}

function painted(text: string, { env }: CommandContext): string {
  const style = styleFor(process.stdout, env);
  return text
    .split("\n")
    .map((line) => {
      if (/^ *- /u.test(line)) return style.red(line);
      if (/^ *\+ /u.test(line)) return style.green(line);
      return line.startsWith(" ") ? line : style.bold(line);
    })
    .join("\n");
}

function stepToJson({ a, b, differences, inputs, outputsDiffer }: DiffStep): object {
  return { a, b, outputsDiffer, differences: differences.map(differenceToJson), inputs };
}

/** Bytes as text, in members `aBase64` and `bBase64` where they are none. */
function differenceToJson(difference: DerivationDifference): object {
  const { kind } = difference;
  switch (kind) {
    case "platform":
    case "source":
    case "input":
    case "builder":
      return { kind, ...side("a", difference.a), ...side("b", difference.b) };
    case "args":
      return { kind, a: difference.a.map(textOrBase64), b: difference.b.map(textOrBase64) };
    case "variable":
      return {
        kind,
        name: textOrBase64(difference.name),
        ...side("a", difference.a),
        ...side("b", difference.b),
      };
    case "output":
      return { kind, name: difference.name, a: difference.a?.kind ?? null, b: difference.b?.kind ?? null };
    case "wantedOutputs":
      return { kind, of: difference.of, a: [...difference.a], b: [...difference.b] };
  }
}

function side(name: "a" | "b", value: Uint8Array | string | undefined): object {
  if (value === undefined) return { [name]: null };
  const text = typeof value === "string" ? value : textOrBase64(value);
  return typeof text === "string" ? { [name]: text } : { [`${name}Base64`]: text.base64 };
}

function textOrBase64(bytes: Uint8Array): string | { readonly base64: string } {
  try {
    return textOf(bytes);
  } catch {
    return { base64: encodeBase64(bytes) };
  }
}
