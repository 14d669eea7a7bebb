import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";
import { DerivationFolder } from "./make-derivation.js";
import { root } from "./workspace.js";

const hasScript = spawnSync("script", ["--version"]).status === 0;
const isReady = sandboxWorks && hasScript;
const because = isReady ? "" : ` (skipped: ${hasScript ? "no sandbox" : "no script(1)"} on this machine)`;
const [hideCursor, showCursor] = ["\u001b[?25l", "\u001b[?25h"];

let scratch: Scratch;
beforeAll(() => {
  scratch = new Scratch();
});
afterAll(() => scratch[Symbol.asyncDispose]());

/** Runs the command on a terminal of its own and types `keys` once `ready` appeared. */
function onTerminal(args: readonly string[], ready: string, keys: string) {
  const words = [process.execPath, join(root, "packages/cli/bin/drv.js"), ...args];
  // `exec`: a shell that waits for the command would die from the Ctrl-C that the command handles.
  const command = `exec ${words.map((word) => `'${word}'`).join(" ")}`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    env: { ...process.env, TERM: "xterm", NO_COLOR: "1" },
  });
  return new Promise<{ readonly code: number | null; readonly screen: string }>((resolve, reject) => {
    let screen = "";
    let typed = false;
    child.stdout.on("data", (chunk: Buffer) => {
      screen += chunk.toString();
      if (typed || !screen.includes(ready)) return;
      typed = true;
      child.stdin.write(keys);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, screen }));
  });
}

test.skipIf(!isReady)(`Ctrl-C on a terminal ends the build and restores the cursor${because}`, async () => {
  const drvs = new DerivationFolder(scratch.path("drvs"));
  const path = drvs.write({ name: "endless", script: "echo begun; PATH=/usr/bin:/bin; sleep 1000" });
  const args = ["build", drvs.fileOf(path), "--no-link", "--host-tools", "--store", scratch.store];
  const { code, screen } = await onTerminal(args, "1 running", "\u0003");
  expect(code).toBe(1);
  expect(screen).toContain("interrupted by the user");
  expect(screen.lastIndexOf(showCursor)).toBeGreaterThan(screen.lastIndexOf(hideCursor));
  expect(screen.lastIndexOf(hideCursor)).toBeGreaterThanOrEqual(0);
  const again = await drv(["path-info", drvs.outputOf(path), "--store", scratch.store]);
  expect(again.stderr).toContain("is not valid");
});
