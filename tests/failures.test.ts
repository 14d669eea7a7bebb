import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, type Ended, sandboxWorks } from "./drv-command.js";
import type { DerivationFolder, Recipe } from "./make-derivation.js";
import { filesBelow, packages, root } from "./workspace.js";

const suite = buildSuite();

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";

/** Whatever fails: one message, no trace, nothing valid, nothing left on disk. */
async function expectClean(
  ended: Ended,
  drvPath: Parameters<DerivationFolder["outputOf"]>[0],
): Promise<void> {
  expect(ended.stdout).toBe("");
  expect(ended.stderr.match(/^error:/gmu)).toHaveLength(1);
  expect(ended.stderr).not.toMatch(/\n\s+at /u);
  expect(
    (await drv(["path-info", suite.drvs.outputOf(drvPath), "--store", suite.scratch.store])).stderr,
  ).toContain("is not valid");
  expect(readdirSync(join(suite.scratch.store, "nix/var/nix/builds"))).toEqual([]);
  expect(
    readdirSync(join(suite.scratch.store, "nix/store")).filter((name) => /\.chroot$|^tmp-/u.test(name)),
  ).toEqual([]);
}

const failing: readonly (Recipe & {
  readonly flags?: readonly string[];
  readonly status: number;
  readonly message: string;
})[] = [
  {
    name: "missing-output",
    script: "echo done",
    status: 1,
    message: "failed to produce output path for output 'out'",
  },
  {
    name: "forbidden-reference",
    script: "echo $out > $out",
    env: { allowedReferences: "" },
    status: 1,
    message: "is not allowed to refer to the following paths",
  },
  {
    name: "closed-output",
    script: "exec > /dev/null 2>&1; while :; do :; done",
    status: 100,
    message: "failed due to signal 9 (Killed)",
  },
  {
    name: "too-long",
    script: "while :; do echo .; done > /dev/null",
    flags: ["--timeout", "1"],
    status: 101,
    message: "timed out after 1 seconds",
  },
  {
    name: "too-silent",
    script: "while :; do :; done",
    flags: ["--max-silent-time", "1"],
    status: 101,
    message: "timed out after 1 seconds of silence",
  },
  {
    name: "too-loud",
    script: "while :; do echo loud; done",
    flags: ["--max-build-log-size", "1000"],
    status: 1,
    message: "killed after writing more than 1000 bytes of log output",
  },
  {
    name: "no-such-builder",
    script: "",
    builder: "/no/such/builder",
    status: 100,
    message: "failed with exit code 1",
  },
  {
    name: "other-system",
    script: "",
    system: "mips64-linux",
    status: 100,
    message: "Required system: 'mips64-linux'",
  },
  {
    name: "missing-feature",
    script: "",
    env: { requiredSystemFeatures: "quantum" },
    status: 100,
    message: "Required features: {quantum}",
  },
  {
    name: "builtin-builder",
    script: "",
    builder: "builtin:fetchurl",
    status: 100,
    message: "unsupported builtin builder 'fetchurl'",
  },
  {
    name: "no-jobs",
    script: "",
    flags: ["--max-jobs", "0"],
    status: 100,
    message: "local builds are disabled (max-jobs = 0)",
  },
  {
    name: "fifo-output",
    script: "mkfifo $out",
    flags: ["--host-tools"],
    env: { PATH: "/usr/bin:/bin" },
    status: 1,
    message: "has an unsupported type",
  },
  {
    name: "writable-output",
    script: "mkdir $out; chmod 777 $out",
    flags: ["--host-tools"],
    env: { PATH: "/usr/bin:/bin" },
    status: 1,
    message: "suspicious ownership or permission",
  },
];

describe.skipIf(!sandboxWorks)(`a build that fails${why}`, () => {
  test.each(failing)(
    "$name says so, once, and leaves nothing",
    async ({ flags = [], status, message, ...recipe }) => {
      const path = suite.drvs.write(recipe);
      const ended = await suite.build(suite.drvs.fileOf(path), ...flags);
      expect(ended.stderr).toContain(message);
      expect(ended.status).toBe(status);
      await expectClean(ended, path);
    },
  );

  test("B25: keeps its build directory when asked to", async () => {
    const path = suite.drvs.write({ name: "kept", script: "echo evidence > clue; exit 1" });
    const ended = await suite.build(suite.drvs.fileOf(path), "--keep-failed");
    const [, kept = ""] = /keeping build directory '(.*)'/u.exec(ended.stderr) ?? [];
    expect(readFileSync(join(kept, "clue"), "utf8")).toBe("evidence\n");
    await suite.build(suite.drvs.fileOf(path)); // the next command sweeps what killed builds left, not what was kept
    expect(readFileSync(join(kept, "clue"), "utf8")).toBe("evidence\n");
  });
});

describe("a derivation file that cannot be read", () => {
  const damaged = [
    { name: "is truncated", change: (text: string) => text.slice(0, -20), code: "ERR_DRV_SYNTAX" },
    { name: "has bytes after its end", change: (text: string) => `${text}\n`, code: "ERR_DRV_SYNTAX" },
    { name: "is empty", change: () => "", code: "ERR_DRV_SYNTAX" },
    {
      name: "was changed",
      change: (text: string) => text.replace("echo", "true"),
      code: "ERR_IMPORT_MISMATCH",
    },
  ];

  test.each(damaged)("because it $name gives one error", async ({ change, code }) => {
    const path = suite.drvs.write({ name: "damaged", script: "echo x > $out" });
    writeFileSync(suite.drvs.fileOf(path), change(readFileSync(suite.drvs.fileOf(path), "utf8")));
    const ended = await suite.build(suite.drvs.fileOf(path));
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(`[${code}]`);
    expect(ended.stderr).toContain("hint:");
    expect((await drv(["path-info", path, "--store", suite.scratch.store])).stderr).toContain("is not valid");
  });
});

describe("a store that cannot be used", () => {
  test("because it is an installed Nix gives one error", async () => {
    const foreign = suite.scratch.path("foreign");
    const { mkdirSync } = await import("node:fs");
    mkdirSync(join(foreign, "nix/var/nix/db"), { recursive: true });
    writeFileSync(join(foreign, "nix/var/nix/db/schema"), "10");
    const ended = await drv(["add", "README.md", "--store", foreign], { cwd: root });
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain("[ERR_STORE_FOREIGN]");
  });

  test.skipIf(process.geteuid?.() === 0)(
    "because it is read-only gives one error (skipped for root, who may write anyway)",
    async () => {
      const closed = suite.scratch.path("closed");
      const { mkdirSync } = await import("node:fs");
      mkdirSync(closed);
      chmodSync(closed, 0o555);
      const ended = await drv(["add", "README.md", "--store", join(closed, "store")], { cwd: root });
      expect(ended).toMatchObject({ status: 1, stdout: "" });
      expect(ended.stderr).toContain("[ERR_STORE_READ_ONLY]");
    },
  );
});

describe("docs/failures.md", () => {
  const rows = readFileSync(join(root, "docs/failures.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| case") && !line.startsWith("| ---"))
    .map((line) => line.split("|").map((cell) => cell.trim()));

  test("has a row for every case above", () => {
    const named = rows.map(([, , , , , name]) => name ?? "");
    for (const { name } of failing)
      expect(
        named.some((cell) => cell.includes(name)),
        name,
      ).toBe(true);
  });

  test("names tests that exist", () => {
    const folders = [join(root, "tests"), ...packages.map(({ path }) => join(path, "test"))];
    const sources = folders
      .flatMap((folder) => filesBelow(folder, [".test.ts"]))
      .map((file) => readFileSync(file, "utf8"));
    const missing = rows
      .map(([, , , , , name = ""]) => name.replaceAll("`", ""))
      .filter((name) => !sources.some((text) => text.includes(name)));
    expect(missing).toEqual([]);
    expect(rows.length).toBeGreaterThan(20);
    expect(existsSync(join(root, "docs/failures.md"))).toBe(true);
  });
});
