import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Package, packages, readPackage } from "./workspace.js";

const exec = promisify(execFile);

/** One for each platform that a binary is published for. */
export const platformPackages = [
  "linux-x64-gnu",
  "linux-arm64-gnu",
  "linux-x64-musl",
  "linux-arm64-musl",
].map((name) => readPackage(join("sandbox-native", "npm", name)));

export const binaryOf = ({ path, folder }: Package) =>
  join(path, `sandbox-native.${folder.split("/").at(-1)}.node`);

/** What somebody gets from the registry, by package names. */
export class Tarballs {
  readonly #files = new Map<string, string>();

  constructor(private readonly folder: string) {}

  /** Packs these packages. */
  async add(all: readonly Package[]): Promise<void> {
    for (const each of all) this.#files.set(each.manifest.name, await pack(each, this.folder));
  }

  fileOf(each: Package): string {
    const file = this.#files.get(each.manifest.name);
    if (file === undefined) throw new Error(`${each.manifest.name} was not packed`);
    return file;
  }

  /** An empty project with these packages and what they depend on; no install script is run. */
  async install(folder: string, all: readonly Package[]): Promise<void> {
    mkdirSync(folder);
    const needed = new Set(all.flatMap(withDependencies));
    const dependencies = Object.fromEntries(
      [...needed]
        .filter((name) => this.#files.has(name))
        .map((name) => [name, `file:${this.#files.get(name)}`]),
    );
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ private: true, type: "module", dependencies }),
    );
    await exec("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], {
      cwd: folder,
    });
  }
}

/** Everything that can be packed here. */
export const packable = () => [...packages, ...platformPackages.filter((each) => existsSync(binaryOf(each)))];

/** `npm pack` of what `pnpm pack` would publish: workspace versions are written out. */
export async function pack(each: Package, to: string): Promise<string> {
  const pnpm = JSON.parse(readFileSync(join(each.path.split("/packages/")[0] ?? "", "package.json"), "utf8"))
    .packageManager as string;
  const { stdout } = await exec("npx", ["--yes", pnpm, "pack", "--pack-destination", to, "--json"], {
    cwd: each.path,
  });
  const start = stdout.indexOf("{");
  return (JSON.parse(stdout.slice(start)) as { readonly filename: string }).filename;
}

function withDependencies(each: Package): readonly string[] {
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    const found = [...packages, ...platformPackages].find(({ manifest }) => manifest.name === name);
    const { dependencies = {}, optionalDependencies = {} } = found?.manifest ?? {};
    for (const other of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)])
      if (other.startsWith("@drvkit/")) visit(other);
  };
  visit(each.manifest.name);
  return [...seen];
}
