import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import type { StorePath } from "@drvkit/drv-parser";
import { printExitStatus } from "@drvkit/goal";
import { EngineSetupError } from "../error.js";

/**
 * The sandbox paths that the program of the setting `pre-build-hook` asks for, as words of `sandbox-paths`.
 *
 * @throws {@link EngineSetupError} `ERR_PRE_BUILD_HOOK`
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `startBuilder`
 */
export async function runPreBuildHook(
  program: string,
  build: { readonly drvPath: StorePath; readonly chrootDir: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const running = spawn(resolve(program), [build.drvPath, build.chrootDir], {
    stdio: ["ignore", "pipe", "pipe"],
    signal,
    killSignal: "SIGKILL",
  });
  const ended = once(running, "close");
  ended.catch(() => undefined); // awaited below, after what it prints
  const [stdout, stderr] = await Promise.all([text(running.stdout), text(running.stderr)]);
  const [code, name] = await ended.catch((cause: unknown) => {
    signal.throwIfAborted();
    throw failure(`cannot start the pre-build hook '${program}'`, cause);
  });
  if (code !== 0) {
    const status = code === null ? `was ended by ${name}` : printExitStatus({ kind: "exited", code });
    const said = stderr.trim();
    throw failure(`program '${program}' ${status}${said === "" ? "" : `:\n${said}`}`);
  }
  return parsePreBuildHook(stdout);
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
    else throw failure(`unknown pre-build hook command '${line}'`);
  }
  return words;
}

function failure(message: string, cause?: unknown): EngineSetupError {
  return new EngineSetupError("ERR_PRE_BUILD_HOOK", message, {
    hint: "it prints `extra-sandbox-paths` and then paths, one on each line, up to an empty one",
    cause,
  });
}
