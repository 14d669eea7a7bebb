import { tryParseLogMessage } from "../log/messages.js";
import type { HookBuild } from "../ports/build-hook.js";
import type { ClockPort } from "../ports/clock.js";
import type { ExitStatus } from "../ports/sandbox.js";
import type { HookLines } from "./hook-lines.js";
import type { HookProcess } from "./hook-process.js";
import { encodeHookValues } from "./wire.js";

/** What a hook has from SIGTERM to SIGKILL. */
const killTimeoutMs = 500;

/** A hook that has accepted, to its end, which is that of its output. */
export async function buildByHook(
  { process, lines }: { readonly process: HookProcess; readonly lines: HookLines },
  request: HookBuild,
  clock: ClockPort,
): Promise<ExitStatus> {
  const { signal } = request;
  let stopWaiting = () => {};
  const end = () => {
    process.kill("SIGTERM");
    stopWaiting = clock.after(killTimeoutMs, () => process.kill("SIGKILL"));
  };
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    await process.write(
      encodeHookValues([request.inputs, request.outputs].map((each) => new Set<string>(each))),
    );
    process.closeInput();
    await Promise.all([copyLog(process, request), tellLines(lines, request).then(() => process.endLog())]);
    process.kill("SIGKILL"); // what it has left behind; one that has ended keeps its status
    return await process.ended;
  } finally {
    signal.removeEventListener("abort", end);
    stopWaiting();
    await process.close();
  }
}

/** What the builder writes. */
async function copyLog(process: HookProcess, { write }: HookBuild): Promise<void> {
  for await (const bytes of process.log) await write(bytes);
}

/** What is no message is for nobody, as in Nix. */
async function tellLines(lines: HookLines, { tell }: HookBuild): Promise<void> {
  for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
    const message = tryParseLogMessage(line);
    if (message !== undefined) tell(message);
  }
}
