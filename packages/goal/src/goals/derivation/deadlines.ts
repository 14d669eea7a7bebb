import type { ClockPort } from "../../ports/clock.js";
import type { WorkerSettings } from "../../settings.js";

/** Timers of Node hold no more, about 24.8 days; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

/** The two limits of a running builder, kept as absolute times: the nearest is waited for. */
export class Deadlines {
  readonly #startedMs: number;
  #heardMs: number;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(
    private readonly clock: ClockPort,
    private readonly settings: Pick<WorkerSettings, "timeoutSeconds" | "maxSilentTimeSeconds">,
    private readonly expired: (message: string) => void,
  ) {
    this.#startedMs = clock.monotonicMs();
    this.#heardMs = this.#startedMs;
    this.#wait();
  }

  /** The builder said something. The timer runs on: it looks again when it fires. */
  heard(): void {
    this.#heardMs = this.clock.monotonicMs();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #wait(): void {
    const { timeoutSeconds, maxSilentTimeSeconds } = this.settings;
    const ends = [
      ...(maxSilentTimeSeconds > 0 ? [this.#heardMs + maxSilentTimeSeconds * 1000] : []),
      ...(timeoutSeconds > 0 ? [this.#startedMs + timeoutSeconds * 1000] : []),
    ];
    if (ends.length === 0 || this.#stopped) return;
    const left = Math.min(...ends) - this.clock.monotonicMs();
    this.#cancel = this.clock.after(Math.min(Math.max(0, left), longestTimerMs), () => this.#look());
  }

  #look(): void {
    if (this.#stopped) return;
    const now = this.clock.monotonicMs();
    const { timeoutSeconds, maxSilentTimeSeconds } = this.settings;
    if (maxSilentTimeSeconds > 0 && now - this.#heardMs >= maxSilentTimeSeconds * 1000)
      this.expired(`timed out after ${maxSilentTimeSeconds} seconds of silence`);
    else if (timeoutSeconds > 0 && now - this.#startedMs >= timeoutSeconds * 1000)
      this.expired(`timed out after ${timeoutSeconds} seconds`);
    else this.#wait();
  }
}
