import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { removeTree } from "../../src/files.js";

/** A directory that goes with the test. */
export function tempRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "drvkit-store-"));
  // Objects are read-only directories, which an ordinary user cannot simply remove.
  onTestFinished(() => removeTree(root));
  return root;
}

/** A child process and the lines that it prints. */
export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly errors: string;
  }>;
  readonly #lines: AsyncIterator<string>;

  constructor(args: readonly string[], user: { readonly uid?: number; readonly gid?: number } = {}) {
    this.process = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"], ...user });
    const { stdout, stderr } = this.process;
    if (stdout === null || stderr === null) throw new Error("no pipes");
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    let errors = "";
    stderr.on("data", (chunk) => {
      errors += chunk;
    });
    this.ended = new Promise((resolve) =>
      this.process.on("close", (code, signal) => resolve({ code, signal, errors })),
    );
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  /** The next line; an error with what went to standard error if there is none. */
  async line(): Promise<string> {
    const next = await this.#lines.next();
    if (next.done) throw new Error(`child ended: ${(await this.ended).errors}`);
    return next.value;
  }

  /** Ends its standard input, which is what the children wait for. */
  async finish(): Promise<void> {
    this.process.stdin?.end();
    const { code, errors } = await this.ended;
    if (code !== 0) throw new Error(`child failed: ${errors}`);
  }
}

/** Arguments of Node that run `child.ts`. */
export const childArgs: readonly string[] = [
  "--import",
  new URL("./ts-loader.mjs", import.meta.url).href,
  fileURLToPath(new URL("./child.ts", import.meta.url)),
];

/** A command of `child.ts` in a process of its own. */
export function child(root: string, ...command: readonly string[]): Child {
  return new Child([...childArgs, root, ...command]);
}

/** A bare reader of the database in `dir`. */
export function reader(dir: string): Child {
  return new Child([fileURLToPath(new URL("./reader.mjs", import.meta.url)), dir]);
}
