import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  baseNameOf,
  bytesOf,
  computeContentAddressedPath,
  computeDerivationPath,
  computeOutputPaths,
  type Derivation,
  type DerivationOutput,
  defaultStoreDir,
  Environment,
  hashBytes,
  makeOutputName,
  type OutputName,
  printDerivation,
  type StorePath,
} from "@drvkit/drv-parser";

export interface Recipe {
  readonly name: string;
  readonly script: string;
  readonly outputs?: readonly string[];
  readonly inputs?: readonly StorePath[];
  readonly sources?: readonly StorePath[];
  readonly env?: Readonly<Record<string, string>>;
  readonly builder?: string;
  readonly system?: string;
  /** A flat fixed output of these bytes. */
  readonly fixedContent?: string;
}

/** Writes derivations for a test into a folder and remembers them, so that later ones can build on earlier ones. */
export class DerivationFolder {
  readonly #written = new Map<StorePath, Derivation>();

  constructor(readonly folder: string) {
    mkdirSync(folder, { recursive: true });
  }

  /** The file of `drvPath`, for the command line. */
  fileOf(drvPath: StorePath): string {
    return join(this.folder, baseNameOf(drvPath));
  }

  outputOf(drvPath: StorePath, output = "out"): StorePath {
    const found = this.#written.get(drvPath)?.outputs.get(makeOutputName(output));
    if (found === undefined || !("path" in found)) throw new Error(`${drvPath} has no output ${output}`);
    return found.path;
  }

  write(recipe: Recipe): StorePath {
    const names = (recipe.outputs ?? ["out"]).map((name) => makeOutputName(name));
    const env = {
      name: recipe.name,
      builder: recipe.builder ?? "/bin/sh",
      system: recipe.system ?? "x86_64-linux",
      ...recipe.env,
      ...Object.fromEntries(names.map((name) => [name, ""])),
    };
    const unfinished: Derivation = {
      name: recipe.name,
      outputs: new Map(names.map((name) => [name, { kind: "deferred" }])),
      inputDrvs: new Map(
        (recipe.inputs ?? []).map((drv) => [
          drv,
          new Set([...(this.#written.get(drv)?.outputs.keys() ?? [])]),
        ]),
      ),
      inputSrcs: new Set(recipe.sources ?? []),
      platform: env.system,
      builder: bytesOf(env.builder),
      args: [bytesOf("-euc"), bytesOf(recipe.script)],
      env: Environment.from(Object.entries(env).map(([name, value]) => [bytesOf(name), bytesOf(value)])),
    };
    return this.#finish(
      unfinished,
      recipe.fixedContent === undefined ? this.#addressed(unfinished) : fixed(recipe),
    );
  }

  #addressed(drv: Derivation): ReadonlyMap<OutputName, DerivationOutput & { readonly path: StorePath }> {
    const paths = computeOutputPaths(drv, (path) => this.#written.get(path) as Derivation);
    return new Map(
      [...paths].map(([name, path]) => [name, { kind: "inputAddressed", path: path as StorePath }]),
    );
  }

  #finish(
    drv: Derivation,
    outputs: ReadonlyMap<OutputName, DerivationOutput & { readonly path: StorePath }>,
  ): StorePath {
    let { env } = drv;
    for (const [name, { path }] of outputs) env = env.with(name, bytesOf(path));
    const finished: Derivation = { ...drv, outputs, env };
    const drvPath = computeDerivationPath(defaultStoreDir, finished);
    this.#written.set(drvPath, finished);
    writeFileSync(this.fileOf(drvPath), printDerivation(finished));
    return drvPath;
  }
}

function fixed(recipe: Recipe): ReadonlyMap<OutputName, DerivationOutput & { readonly path: StorePath }> {
  const ca = { method: "flat", hash: hashBytes("sha256", bytesOf(recipe.fixedContent ?? "")) } as const;
  const path = computeContentAddressedPath(defaultStoreDir, recipe.name, ca);
  return new Map([[makeOutputName("out"), { kind: "fixed", ca, path }]]);
}
