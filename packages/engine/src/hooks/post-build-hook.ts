import { type ExitStatus, type PostBuildHookPort, printExitStatus } from "@drvkit/goal";
import { startProgram } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";
import { printSettings } from "../settings/print.js";
import type { Settings } from "../settings/table.js";
import { findProgram } from "./find-program.js";

/**
 * The program of the setting `post-build-hook`. What it is told is in its environment, whatever that had before.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `runPostBuildHook`
 */
export function makePostBuildHook(settings: Settings, env: NodeJS.ProcessEnv): PostBuildHookPort {
  const program = settings["post-build-hook"];
  const config = [...printSettings(settings)].map(([name, value]) => `${name} = ${value}\n`).join("");
  return {
    program,
    async run({ drvPath, outputs }, { signal, write }) {
      signal.throwIfAborted();
      const running = await startProgram({
        program: await findProgram(program, env),
        argv: [program],
        env: { ...env, DRV_PATH: drvPath, OUT_PATHS: outputs.join(" "), NIX_CONFIG: config },
        session: false,
        stdin: "inherit",
      });
      const kill = () => running.kill("SIGKILL");
      signal.addEventListener("abort", kill, { once: true });
      if (signal.aborted) kill();
      try {
        for await (const bytes of running.output) write(bytes);
        const status = await running.ended;
        signal.throwIfAborted();
        if (!isSuccess(status)) throw failure(program, status);
      } finally {
        signal.removeEventListener("abort", kill);
        await running.close();
      }
    },
  };
}

function isSuccess(status: ExitStatus): boolean {
  return status.kind === "exited" && status.code === 0;
}

function failure(program: string, status: ExitStatus): EngineSetupError {
  return new EngineSetupError("ERR_POST_BUILD_HOOK", `program '${program}' ${printExitStatus(status)}`, {
    hint: "the outputs are valid all the same; what the hook printed is shown with `-L`",
  });
}
