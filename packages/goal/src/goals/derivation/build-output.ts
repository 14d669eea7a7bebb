import { setImmediate as breathe } from "node:timers/promises";
import { readBuilderLine } from "../../log/json-messages.js";
import { Lines } from "../../log/lines.js";
import { Tail } from "../../log/tail.js";
import type { LogWriter } from "../../ports/log.js";
import type { GoalContext } from "../../worker/context.js";
import { BuilderActivities } from "./builder-activities.js";
import { followMessage } from "./hook-messages.js";

/** After so many bytes whoever reads the events has its turn: lines may be short and many. */
const bytesAtOnce = 16 * 1024;

/** What a build writes, wherever it runs: bytes for its log, lines for whoever watches, the last of them for a failure. */
export class BuildOutput {
  readonly #tail: Tail;
  readonly #lines: Lines;
  readonly #activities = new BuilderActivities();
  #sizeBytes = 0;

  constructor(
    private readonly log: LogWriter,
    private readonly cx: GoalContext,
  ) {
    this.#tail = new Tail(cx.settings.logLines);
    this.#lines = new Lines((line) => this.#follow(line));
  }

  /** Why the build must end, if it has written too much: then these bytes are not logged. */
  async write(bytes: Uint8Array): Promise<string | undefined> {
    const limit = this.cx.settings.maxBuildLogSizeBytes;
    this.#sizeBytes += bytes.length;
    if (limit > 0 && this.#sizeBytes > limit)
      return `${this.cx.name} killed after writing more than ${limit} bytes of log output`;
    await Promise.all([this.log.write(bytes), this.#tell(bytes)]);
    return undefined;
  }

  async #tell(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; start += bytesAtOnce) {
      if (start > 0) await breathe();
      this.#lines.write(bytes.subarray(start, start + bytesAtOnce));
    }
  }

  /** The last lines. A line without its end is one. */
  end(): readonly string[] {
    this.#lines.end();
    return this.#tail.lines();
  }

  #follow(line: string): void {
    const { cx } = this;
    const read = readBuilderLine(line);
    if (read.type === "swallowed") return;
    if (read.type === "phase") {
      cx.emit({ type: "build-phase", goal: cx.key, phase: read.phase });
      return;
    }
    if (read.type === "message") {
      if (this.#activities.isFollowed(read.message)) followMessage(read.message, cx);
      return;
    }
    if (read.type === "malformed")
      cx.emit({
        type: "message",
        goal: cx.key,
        level: "warn",
        text: `bad JSON log message from builder: ${read.reason}`,
      });
    this.#tail.add(line);
    cx.emit({ type: "build-line", goal: cx.key, line });
  }
}
