import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { ActivityIds, type Event, InternalJson, printLogMessageJson } from "@drvkit/goal";
import { EngineSetupError } from "./error.js";

type Tell = (event: Event) => void;

/** One for all runs of the process, so that no two activities in a file have one id. */
const ids = new ActivityIds(process.pid);

/**
 * Runs what emits events, which are also appended to the file, as messages of Nix's logger without `@nix `, one per line. Runs
 * that go on at the same time mix their lines, never within one. That the run is over is told when the file has everything;
 * that it could not be written is told once, and before.
 *
 * @throws EngineSetupError `ERR_JSON_LOG` before anything runs.
 */
export async function withJsonLog<T>(path: string, tell: Tell, run: (emit: Tell) => Promise<T>): Promise<T> {
  const log = new JsonLog(path, await openToAppend(path));
  let finished: Event | undefined;
  const warn = ({ atMs }: Event) => {
    const text = log.takeProblem();
    if (text !== undefined) tell({ type: "message", atMs, level: "warn", text });
  };
  try {
    return await run((event) => {
      log.follow(event);
      warn(event);
      if (event.type === "run-finished") finished = event;
      else tell(event);
    });
  } finally {
    await log.close();
    if (finished !== undefined) {
      warn(finished);
      tell(finished);
    }
  }
}

/** The file, for one run. */
class JsonLog {
  readonly #logger = new InternalJson(ids);
  readonly #stream;
  #failure: Error | undefined;
  #taken = false;

  constructor(
    private readonly path: string,
    file: FileHandle,
  ) {
    this.#stream = file.createWriteStream();
    this.#stream.on("error", (error) => {
      this.#failure ??= error;
    });
  }

  follow(event: Event): void {
    if (this.#failure !== undefined) return;
    const lines = this.#logger.messages(event).map((message) => `${printLogMessageJson(message)}\n`);
    if (lines.length > 0) this.#stream.write(lines.join(""));
  }

  /** Why nothing is written any more; once. */
  takeProblem(): string | undefined {
    if (this.#failure === undefined || this.#taken) return undefined;
    this.#taken = true;
    return `cannot write '${this.path}', the 'json-log-path': ${this.#failure.message}; its messages end here`;
  }

  /** Everything that was said has been written, as far as it could be. */
  async close(): Promise<void> {
    if (this.#stream.closed) return;
    const closed = once(this.#stream, "close").catch(() => undefined);
    this.#stream.end();
    await closed;
  }
}

async function openToAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, "a");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineSetupError("ERR_JSON_LOG", `cannot open '${path}' to append to it: ${reason}`, {
      hint: "setting `json-log-path` names a file in a folder that is there; empty: none",
      cause,
    });
  }
}
