import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { StorePath } from "@drvkit/drv-parser";
import { type ExitStatus, printExitStatus } from "@drvkit/goal";
import { EngineSetupError } from "../error.js";
import { exitStatusOf } from "../hooks/program-end.js";

/** What a pre-build hook is started for. */
export interface PreBuild {
  readonly drvPath: StorePath;
  /** Where the root of the sandbox is going to be; not made yet. */
  readonly chrootDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Ends the program, and what it has started. */
  readonly signal: AbortSignal;
}

/**
 * The sandbox paths that the program of the setting `pre-build-hook` asks for, as words of `sandbox-paths`. Its name is a path: there is
 * no search in `PATH` and no shell.
 *
 * @throws {@link EngineSetupError} `ERR_PRE_BUILD_HOOK`
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `startBuilder`
 */
export async function runPreBuildHook(program: string, build: PreBuild): Promise<readonly string[]> {
  const { drvPath, chrootDir, env, signal } = build;
  signal.throwIfAborted();
  const running = spawn(resolve(program), [drvPath, chrootDir], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
    detached: true, // a process group of its own: what it leaves behind would keep its output open
  });
  const stop = () => stopGroup(running);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const printed = Promise.all([text(running.stdout), text(running.stderr)]);
    printed.catch(() => undefined); // of a program that does not start, or is stopped
    const [code, name] = await once(running, "close").catch((cause: unknown) => {
      throw failure(`cannot start the pre-build hook '${program}'`, "give its whole path", cause);
    });
    signal.throwIfAborted();
    const [stdout, stderr] = await printed;
    if (code !== 0) throw failed(program, exitStatusOf(code, name), stderr.trim());
    return parsePreBuildHook(stdout);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Its id is nobody else's until it has been reaped. Who holds its output after that is not waited for. */
function stopGroup(running: ChildProcessByStdio<null, Readable, Readable>): void {
  const { pid, exitCode, signalCode } = running;
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL");
  running.stdout.destroy();
  running.stderr.destroy();
}

const listCommands = new Set(["extra-sandbox-paths", "extra-chroot-dirs"]);

/** Commands and their lists, each of which an empty line ends. A last line without an end is passed over. */
export function parsePreBuildHook(output: string): readonly string[] {
  const words: string[] = [];
  let isInList = false;
  for (const line of output.split("\n").slice(0, -1)) {
    if (isInList && line !== "") words.push(line);
    else if (isInList) isInList = false;
    else if (listCommands.has(line)) isInList = true;
    else throw failure(`unknown pre-build hook command '${line}'`, protocol);
  }
  return words;
}

const protocol = "it prints `extra-sandbox-paths` and then paths, one on each line, up to an empty one";

function failed(program: string, status: ExitStatus, said: string): EngineSetupError {
  const message = `program '${program}' ${printExitStatus(status)}${said === "" ? "" : `:\n${said}`}`;
  return failure(message, "no derivation is built while the program of 'pre-build-hook' fails for it");
}

function failure(message: string, hint: string, cause?: unknown): EngineSetupError {
  return new EngineSetupError("ERR_PRE_BUILD_HOOK", message, { hint, cause });
}
