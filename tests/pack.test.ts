import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { binaryOf, pack, packable, platformPackages, Tarballs } from "./tarballs.js";
import { type Package, packages, root } from "./workspace.js";

const exec = promisify(execFile);
const here = `linux-${process.arch}-gnu`;
/** Nothing is imported from the command. */
const libraries = packages
  .filter(({ folder }) => folder !== "cli")
  .map((each) => ({ name: each.manifest.name, each }));

/** What somebody gets from the registry: tarballs, installed in an empty folder, no install script run. */
describe("packed and installed alone", () => {
  let work = "";
  let tarballs = new Tarballs(work);

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "drvkit-pack-"));
    tarballs = new Tarballs(work);
    await tarballs.add(packable());
  }, 120_000);

  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test.each(packages.map((each) => ({ name: each.manifest.name, each })))(
    "$name runs its README example",
    async ({ each }) => {
      const folder = join(work, each.folder);
      await tarballs.install(folder, [each]);

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

  test.each(libraries)("$name is had by require as by import, without a warning", async ({ name, each }) => {
    const script = `const names = Object.keys(require(${JSON.stringify(name)})); console.log(names.length)`;
    const { stdout, stderr } = await exec(process.execPath, ["-e", script], { cwd: join(work, each.folder) });
    expect([Number(stdout) > 0, stderr]).toEqual([true, ""]);
  });

  test.each(libraries)("$name has nothing that a linter of packages would change", async ({ each }) => {
    const tarball = tarballs.fileOf(each);
    const bin = (name: string) => join(root, "node_modules/.bin", name);
    expect((await exec(bin("publint"), ["run", tarball, "--strict"])).stdout).toContain("All good!");
    // It fails when types resolve to something else than the code does.
    const { stdout } = await exec(bin("attw"), [tarball, "--profile", "esm-only", "--no-color"]);
    expect(stdout).toContain("🟢");
  });

  test("trees are an entry point of their own", async () => {
    const script = `import { compress, dumpTree } from "@drvkit/sandbox-native/trees";
      for await (const chunk of compress("xz", dumpTree("package.json"))) console.log(chunk.length);`;
    const cwd = join(work, "sandbox-native");
    const { stdout } = await exec(process.execPath, ["--input-type=module", "-e", script], { cwd });
    expect(Number(stdout)).toBeGreaterThan(50);
  });

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
