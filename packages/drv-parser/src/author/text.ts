import { DrvError } from "../error.js";
import type { OutputName } from "../store-path/name.js";
import type { StorePath } from "../store-path/store-path.js";
import type { AuthoredDerivation } from "./authored.js";

/** An output of an authored derivation: what others depend on. */
export class Output {
  constructor(
    readonly derivation: AuthoredDerivation,
    readonly name: OutputName,
    readonly path: StorePath,
  ) {}

  /** Refuses: as a bare string it would lose what it depends on. */
  toString(): never {
    return refuseBareString(`output '${this.name}' of '${this.derivation.drvPath}'`);
  }
}

/** A store object that is there already, such as a source that was added. */
export class Source {
  constructor(readonly path: StorePath) {}

  /** Refuses: as a bare string it would lose what it depends on. */
  toString(): never {
    return refuseBareString(`source '${this.path}'`);
  }
}

/** What text may be made of. A derivation stands for its first output. */
export type TextPart = string | number | Text | Output | Source | AuthoredDerivation;

/** Text together with everything that its store paths depend on. */
export class Text {
  /** @internal */
  constructor(
    readonly value: string,
    readonly outputs: ReadonlySet<Output>,
    readonly sources: ReadonlySet<Source>,
  ) {}

  /** Refuses: as a bare string it would lose what it depends on. Use `value` where that is meant. */
  toString(): never {
    return refuseBareString("text with dependencies");
  }
}

/**
 * Text in which store objects stand for their paths, and which knows what it depends on.
 *
 * @example
 * nix`${zlib}/include` // the path of zlib's first output, and zlib as an input
 */
export function nix(strings: TemplateStringsArray, ...parts: readonly TextPart[]): Text {
  return joinText(
    strings.flatMap((text, index) => (index < parts.length ? [text, parts[index] as TextPart] : [text])),
  );
}

/** The parts one after another. */
export function joinText(parts: readonly TextPart[]): Text {
  let value = "";
  const outputs = new Set<Output>();
  const sources = new Set<Source>();
  for (const part of parts) {
    if (typeof part === "string" || typeof part === "number") value += String(part);
    else if (part instanceof Text) {
      value += part.value;
      for (const output of part.outputs) outputs.add(output);
      for (const source of part.sources) sources.add(source);
    } else if (part instanceof Source) {
      value += part.path;
      sources.add(part);
    } else {
      const output = part instanceof Output ? part : part.output();
      value += output.path;
      outputs.add(output);
    }
  }
  return new Text(value, outputs, sources);
}

/** @throws {@link DrvError} `ERR_DRV_CONTEXT`. */
export function refuseBareString(what: string): never {
  throw new DrvError(
    "ERR_DRV_CONTEXT",
    `${what} ended up in a bare string, where its dependencies would be lost`,
    {
      hint: "write nix`…` instead of `…`",
    },
  );
}
