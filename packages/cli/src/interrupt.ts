import { exitStatus } from "./exit-status.js";

/** The first signal cancels the build, which kills the builders; a second one ends the process at once. */
export function onInterrupt(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const abort = () => {
    if (controller.signal.aborted) process.exit(exitStatus.failure);
    controller.abort();
  };
  for (const name of signals) process.on(name, abort);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of signals) process.off(name, abort);
    },
  };
}
