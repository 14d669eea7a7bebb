import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { EngineError } from "@drvkit/drv-parser";
import { type Event, printEvent } from "@drvkit/goal";
import type { CommandContext } from "./context.js";
import { renderWarning } from "./render/error.js";

/** Where events go as lines of JSON. */
export interface EventWriter {
  /** Resolves when there is room for the next one. */
  write(event: Event): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the file that `--events` names, `-` for standard output. A file that cannot be written any more is warned of once, and the build
 * goes on; a standard output that nobody reads ends the command, as everywhere.
 *
 * @throws EngineError `ERR_OUTPUT` when it cannot be opened.
 */
export async function openEventWriter(target: string, context: CommandContext): Promise<EventWriter> {
  if (target === "-") return new StreamWriter(process.stdout, async () => undefined);
  const stream = createWriteStream(target);
  await new Promise<void>((resolve, reject) => {
    stream.once("open", () => resolve());
    stream.once("error", (cause) =>
      reject(
        new EngineError("ERR_OUTPUT", `cannot write '${target}'`, {
          hint: "`--events` names a file in a folder that is there, or `-` for standard output",
          cause,
        }),
      ),
    );
  });
  stream.removeAllListeners("error");
  stream.on("error", (error) =>
    context.err(
      renderWarning(`cannot write '${target}': ${error.message}; its events end here`, context.env),
    ),
  );
  return new StreamWriter(stream, async () => {
    if (!stream.destroyed) await new Promise<void>((resolve) => stream.end(() => resolve()));
  });
}

class StreamWriter implements EventWriter {
  constructor(
    private readonly stream: Writable,
    readonly close: () => Promise<void>,
  ) {}

  async write(event: Event): Promise<void> {
    const { stream } = this;
    if (!stream.writable || stream.write(`${printEvent(event)}\n`)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const name of ["drain", "close", "error"]) stream.off(name, done);
        resolve();
      };
      for (const name of ["drain", "close", "error"]) stream.on(name, done);
    });
  }
}
