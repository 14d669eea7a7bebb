import { spawn } from "node:child_process";
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "@drvkit/sandbox-native";
import { root } from "./workspace.js";

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder for one suite, its store included, removed whatever a builder left in it. */
export class Scratch implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "drvkit-test-"));
  readonly store = join(this.folder, "store");

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs the built command. `before` is put in front of it, for example `setpriv`. */
export function drv(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; before?: readonly string[]; input?: string } = {},
): Promise<Ended> {
  const [program = "", ...rest] = [
    ...(options.before ?? []),
    process.execPath,
    join(root, "packages/cli/bin/drv.js"),
    ...args,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      cwd: options.cwd ?? root,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
    child.stdin.end(options.input ?? "");
  });
}

/** Which file it is and when anything of it changed last; reading it changes nothing of that. */
export function identity(path: string): readonly number[] {
  const { dev, ino, ctimeMs } = lstatSync(path);
  return [dev, ino, ctimeMs];
}

/** Whether this machine can build; suites that build skip without it. */
export const sandboxWorks = (await drv(["doctor"])).status === 0;
