import { bytesOf, concatBytes, textOf } from "../bytes/text.js";
import { DrvError } from "../error.js";
import { computedPlaceholder, upstreamPlaceholder } from "../placeholder.js";
import { makeOutputName, type OutputName } from "../store-path/name.js";
import type { StorePath } from "../store-path/store-path.js";
import type { AuthoredDerivation } from "./authored.js";

/** An output of an authored derivation: what others depend on. */
export class Output {
  constructor(
    readonly derivation: AuthoredDerivation,
    readonly name: OutputName,
    /** `undefined` where only a build can tell. */
    readonly path: StorePath | undefined,
  ) {}

  /** What stands for it in a text: its path, or a placeholder while that is not known. */
  get text(): string {
    return this.path ?? this.placeholder;
  }

  /** @internal */
  get placeholder(): string {
    return upstreamPlaceholder(this.derivation.drvPath, this.name);
  }

  /**
   * An output of the derivation that this output is, once it is built: Nix's `builtins.outputOf`.
   *
   * @throws {@link DrvError} `ERR_OUTPUT_NAME`.
   */
  output(name = "out"): DynamicOutput {
    return new DynamicOutput(this, makeOutputName(name));
  }

  /** Refuses: as a bare string it would lose what it depends on. */
  toString(): never {
    return refuseBareString(`output '${this.name}' of '${this.derivation.drvPath}'`);
  }
}

/** An output of a derivation that is itself an output, and so not known before it is built. */
export class DynamicOutput {
  constructor(
    readonly of: Output | DynamicOutput,
    readonly name: OutputName,
  ) {}

  /** What stands for it in a text. */
  get text(): string {
    return computedPlaceholder(this.of.placeholder, this.name);
  }

  /** @internal */
  get placeholder(): string {
    return this.text;
  }

  /** An output of the derivation that this output is. @throws {@link DrvError} `ERR_OUTPUT_NAME`. */
  output(name = "out"): DynamicOutput {
    return new DynamicOutput(this, makeOutputName(name));
  }

  /** Refuses: as a bare string it would lose what it depends on. */
  toString(): never {
    return refuseBareString(`output '${this.name}' of an output`);
  }
}

/** A store object that is there already, such as a source that was added. */
export class Source {
  constructor(
    readonly path: StorePath,
    /** What it refers to, itself aside. */
    readonly references: readonly Source[] = [],
  ) {}

  /** @internal */
  get text(): string {
    return this.path;
  }

  /** Refuses: as a bare string it would lose what it depends on. */
  toString(): never {
    return refuseBareString(`source '${this.path}'`);
  }
}

/** The `.drv` file of an authored derivation as a source: made by its method `file`. */
export class DerivationFile {
  /** @internal */
  constructor(
    readonly derivation: AuthoredDerivation,
    /** Whether everything that it is made from comes with it, outputs included. */
    readonly closure: boolean,
  ) {}

  /** @internal */
  get text(): string {
    return this.derivation.drvPath;
  }

  /** Refuses: as a bare string it would lose what it depends on. */
  toString(): never {
    return refuseBareString(`derivation file '${this.derivation.drvPath}'`);
  }
}

/** A store object that a text depends on. */
export type Dependency = Output | DynamicOutput | Source | DerivationFile;

/** What text may be made of. A derivation stands for its first output. */
export type TextPart = string | number | Uint8Array | Text | Dependency | AuthoredDerivation;

/** Text together with everything that its store paths depend on. It may be bytes that are no UTF-8. */
export class Text {
  /** @internal */
  constructor(
    readonly bytes: Uint8Array,
    readonly dependencies: ReadonlySet<Dependency>,
  ) {}

  /** The bare text. @throws {@link DrvError} `ERR_NOT_UTF8` when it is none. */
  get value(): string {
    return textOf(this.bytes);
  }

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
  const bytes: Uint8Array[] = [];
  const dependencies = new Set<Dependency>();
  for (const part of parts) {
    if (part instanceof Uint8Array) bytes.push(part);
    else if (typeof part !== "object") bytes.push(bytesOf(String(part)));
    else if (part instanceof Text) {
      bytes.push(part.bytes);
      for (const dependency of part.dependencies) dependencies.add(dependency);
    } else {
      const dependency = isDependency(part) ? part : part.output();
      bytes.push(bytesOf(dependency.text));
      dependencies.add(dependency);
    }
  }
  const [first = new Uint8Array()] = bytes;
  return new Text(bytes.length === 1 ? first : concatBytes(bytes), dependencies);
}

/** Whether `value` is a store object that texts may name. */
export function isDependency(value: unknown): value is Dependency {
  return (
    value instanceof Output ||
    value instanceof DynamicOutput ||
    value instanceof Source ||
    value instanceof DerivationFile
  );
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
