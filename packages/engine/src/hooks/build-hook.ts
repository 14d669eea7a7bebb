import { basename } from "node:path";
import { systemClock } from "@drvkit/goal";
import { makeProcessHook, type ProcessHook } from "@drvkit/goal/hook";
import { startProgram } from "@drvkit/sandbox-native";
import { printSettings } from "../settings/print.js";
import type { Settings } from "../settings/table.js";
import { findProgram } from "./find-program.js";

/** What a hook is told of how much it may say: as much as `info`. */
const verbosity = "3";

/**
 * The program of the setting `build-hook` as the build hook.
 *
 * @see Nix: src/libstore/build/hook-instance.cc, `HookInstance::HookInstance`
 */
export function makeBuildHook(settings: Settings, env: NodeJS.ProcessEnv): ProcessHook {
  const [name = "", ...words] = settings["build-hook"].split(/\s+/u);
  const start = async () =>
    startProgram({
      program: await findProgram(name, env),
      argv: [basename(name), ...words, verbosity],
      env,
      cwd: "/",
      session: true,
      stdin: "pipe",
      logPipe: true,
    });
  return makeProcessHook({ start, settings: printSettings(settings), clock: systemClock });
}
