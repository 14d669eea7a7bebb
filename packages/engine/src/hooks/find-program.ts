import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { EngineSetupError } from "../error.js";

/**
 * Absolute path of a program: itself where its name has a slash, else the first of that name in `PATH`.
 *
 * @throws {@link EngineSetupError} `ERR_HOOK_PROGRAM`.
 */
export async function findProgram(name: string, env: NodeJS.ProcessEnv): Promise<string> {
  if (name.includes("/")) return resolve(name);
  for (const folder of (env["PATH"] ?? "").split(":")) {
    const path = resolve(folder, name);
    if (await isProgram(path)) return path;
  }
  throw new EngineSetupError("ERR_HOOK_PROGRAM", `there is no program '${name}' in PATH`, {
    hint: "give the hook's whole path",
  });
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false; // whoever starts it is told why it cannot be
  }
}
