import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { root } from "./workspace.js";

const exec = promisify(execFile);
const fuzz = (...args: readonly string[]) =>
  exec(process.execPath, [join(root, "scripts/fuzz.mjs"), "--no-build", ...args]);

test("every parser is fuzzed for a moment and throws only typed errors", { timeout: 120_000 }, async () => {
  const { stdout } = await fuzz("--time", "1", "--seed", "20261125");
  const lines = stdout.trimEnd().split("\n");
  expect(lines.at(-1)).toBe("only typed errors");
  const counts = lines
    .filter((line) => line.startsWith("✓"))
    .map((line) => /(\d+) inputs, (\d+) accepted/u.exec(line));
  expect(counts.length).toBeGreaterThan(7);
  for (const count of counts) {
    expect(Number(count?.[1])).toBeGreaterThan(100);
    expect(Number(count?.[2])).toBeGreaterThan(0);
  }
});

test("a parser that is not there is named", async () => {
  await expect(fuzz("nothing")).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("no parser 'nothing'"),
  });
});
