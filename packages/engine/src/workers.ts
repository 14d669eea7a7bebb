import {
  type BuildMode,
  type GoalRequest,
  type GoalWorker,
  makeWorker,
  type RunOutcome,
  type WatchOptions,
  type WorkerOptions,
} from "@drvkit/goal";

/** Builds of one engine that go on at the same time in the same mode share their goals and slots. */
export class Workers {
  readonly #busy = new Map<BuildMode, { readonly worker: GoalWorker; runs: number }>();

  /** `options`: asked for with the first build; settings may be wrong. */
  constructor(private readonly options: () => Omit<WorkerOptions, "mode">) {}

  /** A worker lives as long as it has something to do: the next one asks the world anew. */
  async run(mode: BuildMode, requests: readonly GoalRequest[], watch: WatchOptions): Promise<RunOutcome> {
    const busy = this.#busy.get(mode) ?? { worker: makeWorker({ ...this.options(), mode }), runs: 0 };
    this.#busy.set(mode, busy);
    busy.runs += 1;
    try {
      return await busy.worker.run(requests, watch);
    } finally {
      busy.runs -= 1;
      if (busy.runs === 0) this.#busy.delete(mode);
    }
  }
}
