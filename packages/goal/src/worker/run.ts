import type { StorePath } from "@drvkit/drv-parser";
import type { Event } from "../event.js";
import type { ClockPort } from "../ports/clock.js";
import type { BuildResult } from "../result/build-result.js";
import { flag, noFlags, type RunFlags } from "../result/exit-status.js";
import type { EventBody } from "./context.js";
import { Counters, Transfers } from "./counters.js";

/** One call that goals work for: what it is told of them, and what it remembers. */
export class Run {
  readonly flags: RunFlags = noFlags();
  readonly builds: Counters;
  readonly substitutions: Counters;
  readonly transfers: Transfers;
  /** Builds that failed: whoever asks for them later in this run is told, nothing is built twice. */
  readonly #failed = new Map<StorePath, BuildResult>();
  readonly #startedMs: number;
  /** Nothing is to be worked for it any more; it is still told of what ends. */
  isLeaving = false;
  #isOver = false;

  constructor(
    private readonly tell: (event: Event) => void,
    private readonly clock: ClockPort,
  ) {
    this.#startedMs = clock.monotonicMs();
    const progress = () =>
      this.emit({
        type: "progress",
        builds: this.builds.figures,
        substitutions: this.substitutions.figures,
        transfers: this.transfers.figures,
      });
    this.builds = new Counters(progress);
    this.substitutions = new Counters(progress);
    this.transfers = new Transfers(progress);
  }

  emit(body: EventBody): void {
    if (this.#isOver) return;
    const atMs = this.clock.monotonicMs() - this.#startedMs;
    // Of lines there are many, and a copy by hand takes a fraction of the time.
    if (body.type === "build-line") this.tell({ type: body.type, goal: body.goal, line: body.line, atMs });
    else this.tell({ ...body, atMs } as Event);
  }

  /** A derivation goal ended so. */
  note(result: BuildResult): void {
    flag(this.flags, result.status);
    if ("errorMessage" in result && result.timesBuilt > 0) this.#failed.set(result.drvPath, result);
  }

  failureOf(drvPath: StorePath): BuildResult | undefined {
    return this.#failed.get(drvPath);
  }

  /** It is told nothing from now on. */
  end(): void {
    this.#isOver = true;
  }
}
