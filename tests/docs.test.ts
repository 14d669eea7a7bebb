import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { root } from "./workspace.js";

test("the pages of docs/api say what the sources say", { timeout: 120_000 }, async () => {
  const run = promisify(execFile)(process.execPath, [join(root, "scripts/docs.mjs"), "--check"]);
  await expect(run).resolves.toMatchObject({ stderr: "" });
});
