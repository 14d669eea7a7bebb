import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs a program to its end. With `capture` its output is returned too; it is shown as it comes unless `quiet`. */
export function run(command, args, { cwd = root, env = process.env, capture = false, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ["ignore", capture || quiet ? "pipe" : "inherit", capture || quiet ? "pipe" : "inherit"],
    });
    let output = "";
    for (const [stream, sink] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ])
      stream?.on("data", (chunk) => {
        output += chunk;
        if (!quiet) sink.write(chunk);
      });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ ok: code === 0, code, signal, output }));
  });
}

/** Like {@link run}, quiet, and throws with the output when it fails. */
export async function mustRun(command, args, options = {}) {
  const result = await run(command, args, { quiet: true, ...options });
  if (!result.ok) {
    process.stderr.write(result.output);
    throw new Error(
      `'${[command, ...args].join(" ")}' failed (${result.signal ?? `exit code ${result.code}`})`,
    );
  }
  return result.output;
}
