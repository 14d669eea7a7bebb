import { textOf } from "../bytes/text.js";
import type { DerivationOutput } from "../derivation/derivation.js";
import { DrvError } from "../error.js";
import { hashSizes } from "../hash/hash.js";
import { parseHash } from "../hash/parse.js";
import { computeContentAddressedPath } from "../store-path/fingerprint.js";
import { makeOutputName, type OutputName, outputPathName } from "../store-path/name.js";
import type { StoreDir } from "../store-path/store-dir.js";
import { parseStorePath, type StorePath } from "../store-path/store-path.js";
import { parseAlgorithmField } from "./algorithm-field.js";
import type { Cursor } from "./cursor.js";
import { Order } from "./order.js";

/** The outputs of a derivation called `drvName`. Of one that stands there twice the first counts. */
export function parseOutputs(
  cursor: Cursor,
  storeDir: StoreDir,
  drvName: string,
): ReadonlyMap<OutputName, DerivationOutput> {
  const outputs = new Map<OutputName, DerivationOutput>();
  const order = new Order(cursor);
  cursor.list(() => {
    const start = cursor.at;
    cursor.takeByte(0x28);
    const nameBytes = cursor.string();
    order.next(nameBytes, start);
    const name = makeOutputName(textOf(nameBytes));
    cursor.takeByte(0x2c);
    const path = textOf(cursor.string());
    cursor.takeByte(0x2c);
    const algorithm = textOf(cursor.string());
    cursor.takeByte(0x2c);
    const hash = textOf(cursor.string());
    cursor.takeByte(0x29);
    if (outputs.has(name)) return;
    cursor.mark = start;
    const fields = { name, path, algorithm, hash };
    const { output, irregular } = interpretOutput(fields, storeDir, drvName);
    if (irregular !== undefined) cursor.irregularity(start, irregular);
    outputs.set(name, output);
  });
  return outputs;
}

/** An output as it stands in a derivation file: four texts. */
interface OutputFields {
  readonly name: OutputName;
  readonly path: string;
  readonly algorithm: string;
  readonly hash: string;
}

/** What the fields mean, and what of them no printer would have written. */
function interpretOutput(
  fields: OutputFields,
  storeDir: StoreDir,
  drvName: string,
): { readonly output: DerivationOutput; readonly irregular?: string } {
  const { name, path, algorithm, hash } = fields;
  if (algorithm === "" && hash !== "") throw contradiction(name, "a hash without an algorithm");
  if (algorithm === "")
    return {
      output:
        path === "" ? { kind: "deferred" } : { kind: "inputAddressed", path: outputPath(path, storeDir) },
    };
  const { method, algorithm: known } = parseAlgorithmField(algorithm);
  if (hash === "" || hash === "impure") {
    if (path !== "") throw contradiction(name, "a path that is not known before the build");
    return { output: { kind: hash === "" ? "floating" : "impure", method, algorithm: known } };
  }
  const ca = { method, hash: parseHash(hash, known) };
  const computed = computeContentAddressedPath(storeDir, outputPathName(drvName, name), ca);
  const output = { kind: "fixed", ca, path: computed } as const;
  if (hash.length !== hashSizes[known] * 2 || /[A-F]/u.test(hash))
    return { output, irregular: "a hash that is not in lower-case base 16" };
  if (outputPath(path, storeDir) !== computed)
    return { output, irregular: "a path that does not match its content address" };
  return { output };
}

function outputPath(text: string, storeDir: StoreDir): StorePath {
  if (!text.startsWith("/")) throw new DrvError("ERR_DRV_OUTPUT", `bad path '${text}' in derivation`);
  return parseStorePath(storeDir, text);
}

function contradiction(name: OutputName, what: string): DrvError {
  return new DrvError("ERR_DRV_OUTPUT", `derivation output '${name}' has ${what}`);
}
