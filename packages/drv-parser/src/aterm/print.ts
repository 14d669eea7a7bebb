import { bytesOf, compareText } from "../bytes/text.js";
import type { Derivation, DerivationOutput, DynamicInput } from "../derivation/derivation.js";
import { DrvError } from "../error.js";
import { encodeBase16 } from "../hash/print.js";
import type { OutputName } from "../store-path/name.js";
import { printAlgorithmField } from "./algorithm-field.js";

/** Inputs as they are printed: paths, or in the hash modulo hashes, with output names. */
export type PrintedInputs = Iterable<readonly [key: string, outputs: Iterable<string>]>;

/** What is wanted of outputs of those inputs, by the same keys. */
export type PrintedDynamicInputs = ReadonlyMap<string, ReadonlyMap<OutputName, DynamicInput>>;

/**
 * The bytes of a derivation file.
 *
 * @throws {@link DrvError} `ERR_DRV_UNPRINTABLE` for a platform with a quote or backslash, which the form cannot hold.
 * @see Nix: src/libstore/derivations.cc, `Derivation::unparse`
 */
export function printDerivation(drv: Derivation): Uint8Array {
  return printWithInputs(drv, drv.inputDrvs, drv.dynamicInputs);
}

/** {@link printDerivation} with other inputs in place of `inputDrvs` and `dynamicInputs`. */
export function printWithInputs(
  drv: Derivation,
  inputs: PrintedInputs,
  dynamicInputs: PrintedDynamicInputs = new Map(),
): Uint8Array {
  const out = new Output();
  out.text(dynamicInputs.size === 0 ? "Derive(" : 'DrvWithVersion("xp-dyn-drv",');
  out.list([...drv.outputs].sort(byKey), ([name, output]) => {
    const { path, algorithm, hash } = outputFields(output);
    out.text(`("${name}","${path}","${algorithm}","${hash}")`);
  });
  out.text(",");
  out.list([...inputs].sort(byKey), ([key, outputs]) => {
    out.text(`("${key}",`);
    printNode(out, outputs, dynamicInputs.get(key));
    out.text(")");
  });
  out.text(",");
  out.list([...drv.inputSrcs].sort(compareText), (path) => out.text(`"${path}"`));
  out.text(`,"${unescaped(drv.platform)}",`);
  out.string(drv.builder);
  out.text(",");
  out.list(drv.args, (arg) => out.string(arg));
  out.text(",");
  out.list([...drv.env.entries()], ([name, value]) => {
    out.text("(");
    out.string(name);
    out.text(",");
    out.string(value);
    out.text(")");
  });
  out.text(")");
  return out.bytes();
}

/** Names of outputs; where outputs are derivations, these and what is wanted of them. */
function printNode(
  out: Output,
  outputs: Iterable<string>,
  dynamicOutputs: ReadonlyMap<OutputName, DynamicInput> = new Map(),
): void {
  if (dynamicOutputs.size > 0) out.text("(");
  out.list([...outputs].sort(compareText), (name) => out.text(`"${name}"`));
  if (dynamicOutputs.size === 0) return;
  out.text(",");
  out.list([...dynamicOutputs].sort(byKey), ([name, node]) => {
    out.text(`("${name}",`);
    printNode(out, node.outputs, node.dynamicOutputs);
    out.text(")");
  });
  out.text(")");
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return compareText(a, b);
}

function outputFields(output: DerivationOutput): {
  readonly path: string;
  readonly algorithm: string;
  readonly hash: string;
} {
  switch (output.kind) {
    case "inputAddressed":
      return { path: output.path, algorithm: "", hash: "" };
    case "deferred":
      return { path: "", algorithm: "", hash: "" };
    case "fixed":
      return {
        path: output.path,
        algorithm: printAlgorithmField(output.ca.method, output.ca.hash.algorithm),
        hash: encodeBase16(output.ca.hash.digest),
      };
    case "floating":
      return { path: "", algorithm: printAlgorithmField(output.method, output.algorithm), hash: "" };
    case "impure":
      return { path: "", algorithm: printAlgorithmField(output.method, output.algorithm), hash: "impure" };
  }
}

function unescaped(platform: string): string {
  if (!/["\\]/u.test(platform)) return platform;
  throw new DrvError("ERR_DRV_UNPRINTABLE", `platform '${platform}' cannot be written`, {
    hint: "leave out quotes and backslashes",
  });
}

/** Byte to the letter behind its backslash, or 0. */
const escapeOf = new Uint8Array(256);
for (const [code, letter] of [
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x0a, 0x6e],
  [0x0d, 0x72],
  [0x09, 0x74],
] as const)
  escapeOf[code] = letter;

class Output {
  #buffer = new Uint8Array(4096);
  #size = 0;

  /** `text` as it is. Nearly all is ASCII, which is cheaper to write here than through an encoder. */
  text(text: string): void {
    this.#reserve(text.length);
    const buffer = this.#buffer;
    const start = this.#size;
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (code >= 0x80) {
        this.#append(bytesOf(text));
        return;
      }
      buffer[start + index] = code;
    }
    this.#size = start + text.length;
  }

  string(bytes: Uint8Array): void {
    this.#reserve(bytes.length * 2 + 2);
    const buffer = this.#buffer;
    let to = this.#size;
    buffer[to++] = 0x22;
    for (let index = 0; index < bytes.length; index += 1) {
      const code = bytes[index] as number;
      const escaping = escapeOf[code] as number;
      if (escaping !== 0) buffer[to++] = 0x5c;
      buffer[to++] = escaping === 0 ? code : escaping;
    }
    buffer[to++] = 0x22;
    this.#size = to;
  }

  list<Item>(items: readonly Item[], print: (item: Item) => void): void {
    this.text("[");
    items.forEach((item, index) => {
      if (index > 0) this.text(",");
      print(item);
    });
    this.text("]");
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#size);
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  #reserve(more: number): void {
    if (this.#size + more <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#size + more));
    grown.set(this.#buffer.subarray(0, this.#size));
    this.#buffer = grown;
  }
}
