import { CommanderError } from "commander";
import { exitStatus } from "./exit-status.js";
import { makeProgram } from "./program.js";
import { renderError } from "./render/error.js";

/** Runs one command line (without the program's name) and gives the exit status. Never throws. */
export async function main(args: readonly string[]): Promise<number> {
  endQuietlyOnClosedPipe();
  let status: number = exitStatus.success;
  try {
    await makeProgram(args, (ended) => {
      status = ended;
    }).parseAsync([...args], { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitStatus.success : exitStatus.failure;
    process.stderr.write(renderError(error, process.env));
    return exitStatus.failure;
  }
}

/** `drv closure … | head -1` is no error, and what nobody reads on standard error changes no outcome. */
function endQuietlyOnClosedPipe(): void {
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(exitStatus.success);
    throw error;
  });
}
