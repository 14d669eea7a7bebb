import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { type DiffHookPort, printExitStatus } from "@drvkit/goal";
import { EngineSetupError } from "../error.js";
import { findProgram } from "./find-program.js";
import { exitStatusOf } from "./program-end.js";

/**
 * The program of the setting `diff-hook`: it is given the registered output, the new one, the derivation and the build directory, and
 * runs as the builder did. There is no shell.
 *
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `handleDiffHook`
 */
export function makeDiffHook(program: string, env: NodeJS.ProcessEnv): DiffHookPort {
  return {
    async run({ registered, built, drvPath, buildDir, uid, gid }, { signal }) {
      signal.throwIfAborted();
      const running = spawn(await findProgram(program, env), [registered, built, drvPath, buildDir], {
        stdio: ["ignore", "pipe", "inherit"],
        cwd: "/",
        env,
        signal,
        killSignal: "SIGKILL",
        // With ids of its own it has no other groups.
        ...(uid === undefined ? {} : { uid, gid: gid ?? uid }),
      });
      const printed = text(running.stdout);
      printed.catch(() => undefined); // of a program that does not start, or is stopped
      const [code, name] = (await once(running, "close")) as [number | null, NodeJS.Signals];
      if (code === 0) return await printed;
      throw new EngineSetupError(
        "ERR_DIFF_HOOK",
        `diff-hook program '${program}' ${printExitStatus(exitStatusOf(code, name))}`,
      );
    },
  };
}
