import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of this package. */
export const packageDir = join(dirname(fileURLToPath(import.meta.url)), "..");

/** What a script ends with that could do nothing here, after the reason. */
const skipped = 77;

/** Ends the script unless the command answers. */
export function requireCommand(command, args, reason) {
  const { status } = spawnSync(command, args, { stdio: "ignore" });
  if (status === 0) return;
  console.log(`skipped: ${reason}`);
  process.exit(skipped);
}

/** Whether the command succeeds; what it says is shown. */
export function succeeds(command, args, env = {}) {
  const { status } = spawnSync(command, args, {
    cwd: packageDir,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  return status === 0;
}
