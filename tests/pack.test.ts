import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Package, packages, readPackage } from "./workspace.js";

const exec = promisify(execFile);
const here = `linux-${process.arch}-gnu`;
const platformPackages = ["linux-x64-gnu", "linux-arm64-gnu", "linux-x64-musl", "linux-arm64-musl"].map(
  (name) => readPackage(join("sandbox-native", "npm", name)),
);
const binaryOf = ({ path, folder }: Package) => join(path, `sandbox-native.${folder.split("/").at(-1)}.node`);

/** What somebody gets from the registry: tarballs, installed in an empty folder, no install script run. */
describe("packed and installed alone", () => {
  let work = "";
  const tarballs = new Map<string, string>();

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "drvkit-pack-"));
    const packable = [...packages, ...platformPackages.filter((each) => existsSync(binaryOf(each)))];
    for (const each of packable) tarballs.set(each.manifest.name, await pack(each, work));
  }, 120_000);

  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test.each(packages.map((each) => ({ name: each.manifest.name, each })))(
    "$name runs its README example",
    async ({ each }) => {
      const folder = join(work, each.folder);
      mkdirSync(folder);
      const needed = withDependencies(each).filter((name) => tarballs.has(name));
      const dependencies = Object.fromEntries(needed.map((name) => [name, `file:${tarballs.get(name)}`]));
      writeFileSync(
        join(folder, "package.json"),
        JSON.stringify({ private: true, type: "module", dependencies }),
      );
      await exec("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], {
        cwd: folder,
      });

      const { command, source } = readmeExample(each);
      const file = join(folder, "example.mjs");
      if (source !== undefined) writeFileSync(file, source);
      const { stdout } = await exec(
        command === undefined ? process.execPath : "sh",
        command === undefined ? [file] : ["-c", command],
        {
          cwd: folder,
          env: {
            ...process.env,
            HOME: folder,
            XDG_DATA_HOME: join(folder, "data"),
            DRVKIT_HOME: join(folder, "home"),
          },
        },
      );
      expect(stdout.trim()).not.toBe("");
    },
    240_000,
  );

  test("the command keeps its exec bit and answers", () => {
    const installed = join(work, "cli", "node_modules", ".bin", "drv");
    expect(execFileSync(installed, ["--version"], { encoding: "utf8" })).toMatch(/^drv \d+\.\d+\.\d+\n$/u);
  });
});

test("a platform package without its binary is not packed", async () => {
  const [absent] = platformPackages.filter((each) => !existsSync(binaryOf(each)));
  expect(absent).toBeDefined();
  const folder = mkdtempSync(join(tmpdir(), "drvkit-pack-"));
  await expect(pack(absent as Package, folder)).rejects.toThrow(/cannot be packed/u);
  rmSync(folder, { recursive: true });
});

test.skipIf(process.platform !== "linux" || !["x64", "arm64"].includes(process.arch))(
  "the binary of this platform is there",
  () => {
    expect(
      platformPackages.filter((each) => each.folder.endsWith(here)).map((each) => existsSync(binaryOf(each))),
    ).toEqual([true]);
  },
);

/** `npm pack` of what `pnpm pack` would publish: workspace versions are written out. */
async function pack(each: Package, to: string): Promise<string> {
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

/** The first `ts` block of the README is a program; the command's README has an `sh` block instead. */
function readmeExample(each: Package): { readonly source?: string; readonly command?: string } {
  const text = readFileSync(join(each.path, "README.md"), "utf8");
  const block = (language: string) =>
    new RegExp(`^\`\`\`${language} example\\n(.*?)^\`\`\`$`, "msu").exec(text)?.[1];
  const [source, command] = [block("ts"), block("sh")];
  if (source !== undefined) return { source };
  if (command !== undefined) return { command };
  throw new Error(`${each.folder}/README.md has no block marked \`ts example\` or \`sh example\``);
}
