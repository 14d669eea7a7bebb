import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AuthoredDerivation,
  baseNameOf,
  bytesOf,
  defaultStoreDir,
  derivation,
  hashBytes,
  joinText,
  type Output,
  printHash,
  type StoreDir,
  type StorePath,
  Text,
} from "@drvkit/drv-parser";

export interface Recipe {
  readonly name: string;
  readonly script: string;
  readonly outputs?: readonly string[];
  /** Derivations all of whose outputs are inputs. */
  readonly inputs?: readonly StorePath[];
  readonly env?: Readonly<Record<string, string | boolean>>;
  readonly builder?: string;
  readonly system?: string;
  /** A flat fixed output of these bytes. */
  readonly fixedContent?: string;
}

/** Writes derivations for a test into a folder and remembers them, so that later ones can build on earlier ones. */
export class DerivationFolder {
  readonly #written = new Map<StorePath, AuthoredDerivation>();

  constructor(
    readonly folder: string,
    private readonly storeDir: StoreDir = defaultStoreDir,
  ) {
    mkdirSync(folder, { recursive: true });
  }

  /** The file of `drvPath`, for the command line. */
  fileOf(drvPath: StorePath): string {
    return join(this.folder, baseNameOf(drvPath));
  }

  outputOf(drvPath: StorePath, output = "out"): StorePath {
    const { path } = this.#authored(drvPath).output(output);
    if (path === undefined) throw new Error(`the path of '${output}' is not known`);
    return path;
  }

  write({
    name,
    script,
    outputs,
    inputs = [],
    env = {},
    builder = "/bin/sh",
    system = "x86_64-linux",
    fixedContent,
  }: Recipe): StorePath {
    const dependencies = new Set(inputs.flatMap((input) => this.#outputsOf(input)));
    const fixed =
      fixedContent === undefined
        ? {}
        : {
            outputHashAlgo: "sha256",
            outputHash: printHash(hashBytes("sha256", bytesOf(fixedContent)), "base16"),
          };
    const authored = derivation(
      {
        ...env,
        ...fixed,
        ...(outputs === undefined ? {} : { outputs }),
        name,
        system,
        builder,
        args: ["-euc", joinText([script, new Text(new Uint8Array(), dependencies)])],
      },
      { storeDir: this.storeDir },
    );
    this.#written.set(authored.drvPath, authored);
    writeFileSync(this.fileOf(authored.drvPath), authored.bytes);
    return authored.drvPath;
  }

  #outputsOf(drvPath: StorePath): readonly Output[] {
    const authored = this.#authored(drvPath);
    return [...authored.derivation.outputs.keys()].map((name) => authored.output(name));
  }

  #authored(drvPath: StorePath): AuthoredDerivation {
    const found = this.#written.get(drvPath);
    if (found === undefined) throw new Error(`${drvPath} was not written here`);
    return found;
  }
}
