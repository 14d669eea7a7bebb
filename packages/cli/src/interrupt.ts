import type { CommandContext } from "./context.js";
import { exitStatus } from "./exit-status.js";
import { renderFailure } from "./render/error.js";

/** Runs what a signal may cancel: its exit status, or that of a failure with one line that says so, unless `say` does. */
export async function untilInterrupted(
  context: CommandContext,
  work: (signal: AbortSignal) => Promise<number>,
  say = (message: string) => context.err(renderFailure({ message }, context.env)),
): Promise<number> {
  const interrupt = onInterrupt();
  try {
    return await work(interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    say("interrupted by the user");
    return exitStatus.failure;
  } finally {
    interrupt.stop();
  }
}

/** The first signal cancels what runs, with this reason; a second one ends the process at once. */
export function onInterrupt(reason?: Error): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const abort = () => {
    if (controller.signal.aborted) process.exit(exitStatus.failure);
    controller.abort(reason);
  };
  for (const name of signals) process.on(name, abort);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of signals) process.off(name, abort);
    },
  };
}
