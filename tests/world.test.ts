import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { cases } from "../packages/cli/scripts/world/cases.mjs";
import { explained, rowOf } from "../packages/cli/scripts/world/explained.mjs";
import { sandboxWorks } from "./drv-command.js";
import { root } from "./workspace.js";

// `nix-store --version` would open, and make, the store of the machine.
const nixVersion = spawnSync("nix-instantiate", ["--version"], { encoding: "utf8" }).stdout ?? "";
const staticLibrary = spawnSync("cc", ["-print-file-name=libc.a"], { encoding: "utf8" }).stdout ?? "";
const asRoot = process.getuid?.() === 0;
const ordinary = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];

/** Why nothing can be compared here. */
const whyNot = [
  { lacks: !sandboxWorks, why: "this machine cannot build in the sandbox" },
  { lacks: !nixVersion.includes(" 2.8."), why: "Nix 2.8 is not installed" },
  { lacks: !staticLibrary.startsWith("/"), why: "cc cannot link statically" },
].find(({ lacks }) => lacks)?.why;

/** Whoever runs this, and an ordinary user where that is root. */
const users = [
  { user: asRoot ? "root" : "ordinary", before: [], lacks: undefined },
  ...(asRoot ? [{ user: "ordinary", before: ["setpriv", ...ordinary], lacks: whyNoOrdinary() }] : []),
];

for (const { user, before, lacks } of users) {
  const why = whyNot ?? lacks;
  const title = `beside Nix 2.8, builders of the user ${user} get the same, but for what is explained`;
  describe.skipIf(why !== undefined)(`${title}${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
    let told = "";
    beforeAll(async () => {
      told = await compare(before);
    }, 180_000);

    test.each(cases)("$name", ({ name }) => {
      const lines = told.split("\n");
      const from = lines.findIndex((line) => line.startsWith(`${name}, ${user}: `));
      expect(from, told).not.toBe(-1);
      const length = lines.slice(from + 1).findIndex((line) => !line.startsWith("  "));
      const loose = lines
        .slice(from + 1, from + 1 + length)
        .filter((line) => !/^ {2}explained, \d/u.test(line));
      expect(loose).toEqual([]);
      expect(lines[from]).toMatch(/: [1-9]\d* keys, 0 differ, 0 explained and equal$/u);
    });
  });
}

test("docs/compatibility.md has each explained difference of what a builder sees", () => {
  const text = readFileSync(join(root, "docs/compatibility.md"), "utf8");
  const [, section = ""] = /^## What a builder sees\n(.*?)^## /msu.exec(text) ?? [];
  const rows = section.split("\n").filter((line) => /^\| (?!-|what \|)/u.test(line));
  expect(rows.toSorted()).toEqual([...new Set(explained.map(rowOf))].toSorted());
});

/** What the script tells; it ends with 1 where something differs, which the tests say one by one. */
async function compare(before: readonly string[]): Promise<string> {
  const script = join(root, "packages/cli/scripts/compare-world.mjs");
  const [program = "", ...args] = [...before, process.execPath, script];
  try {
    return (await promisify(execFile)(program, args)).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    if (stderr !== "") throw error;
    return stdout ?? "";
  }
}

/** Why another user cannot be had here: no program for it, or one that may not read this folder. */
function whyNoOrdinary(): string | undefined {
  const script = join(root, "packages/cli/scripts/compare-world.mjs");
  const ended = spawnSync("setpriv", [...ordinary, process.execPath, "--check", script]);
  return ended.status === 0 ? undefined : "root cannot run this as an ordinary user";
}
