import { printDerivation } from "../aterm/print.js";
import type { Derivation } from "../derivation/derivation.js";
import { DrvError } from "../error.js";
import type { HashModulo } from "../modulo.js";
import type { OutputName } from "../store-path/name.js";
import type { StorePath } from "../store-path/store-path.js";
import { DerivationFile, Output, type Source } from "./text.js";

/** A derivation that was described here, with everything it is made from. */
export class AuthoredDerivation {
  /** @internal */
  constructor(
    readonly drvPath: StorePath,
    readonly derivation: Derivation,
    /** Derivations that it names: takes outputs of, or has the files of as sources. */
    readonly inputs: readonly AuthoredDerivation[],
    /** Other store objects that it names. */
    readonly sources: readonly Source[],
    private readonly outputNames: readonly OutputName[],
    /** @internal What those who take outputs of it need to know. */
    readonly modulo: HashModulo,
  ) {}

  /** The bytes of its `.drv` file. */
  get bytes(): Uint8Array {
    return printDerivation(this.derivation);
  }

  /** One of its outputs; without a name the first. @throws {@link DrvError} `ERR_OUTPUT_NAME` for a name that is none. */
  output(name?: string): Output {
    const key = name === undefined ? this.outputNames[0] : this.outputNames.find((each) => each === name);
    const output = key === undefined ? undefined : this.derivation.outputs.get(key);
    if (key === undefined || output === undefined)
      throw new DrvError("ERR_OUTPUT_NAME", `derivation '${this.drvPath}' has no output '${name}'`, {
        hint: `it has ${this.outputNames.join(", ")}`,
      });
    return new Output(this, key, "path" in output ? output.path : undefined);
  }

  /**
   * Its `.drv` file, to be named in a text. With `closure` whoever names it can build it: everything it is made from
   * comes with it, and all outputs of that, as with Nix's `drvPath`; without, it is a file like any other.
   */
  file({ closure = false }: { readonly closure?: boolean } = {}): DerivationFile {
    return new DerivationFile(this, closure);
  }

  /** Refuses: as a bare string it would lose what it depends on. */
  toString(): string {
    return this.output().toString();
  }
}
