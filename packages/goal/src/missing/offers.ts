import type { StorePath } from "@drvkit/drv-parser";
import { ask } from "../goals/substitution/ask.js";
import type { SubstitutableInfo } from "../ports/substituter.js";
import type { PathRequest } from "../worker/context.js";
import { Substituters } from "../worker/substituters.js";
import type { QueryMissingOptions } from "./query-missing.js";

/** What substituters say, so many asked at a time. */
export class Offers {
  readonly #offers = new Map<StorePath, Promise<SubstitutableInfo | undefined>>();
  readonly #substituters: Substituters;
  readonly #gate: Gate;

  constructor(
    private readonly options: QueryMissingOptions,
    private readonly signal: AbortSignal,
  ) {
    this.#substituters = new Substituters(options, (text) => options.onWarning?.(text));
    this.#gate = new Gate(Math.max(1, options.settings.maxSubstitutionJobs));
  }

  /** Whether there is anybody to ask. */
  get areAny(): boolean {
    return this.#substituters.areAny;
  }

  /** What the first substituter says that has the path; each path is asked for once. */
  of(request: PathRequest): Promise<SubstitutableInfo | undefined> {
    const asked = this.#offers.get(request.path) ?? this.#gate.pass(() => this.#askAll(request));
    this.#offers.set(request.path, asked);
    return asked;
  }

  async #askAll(request: PathRequest): Promise<SubstitutableInfo | undefined> {
    const { ports, settings, onWarning } = this.options;
    for (const from of this.#substituters.all) {
      this.signal.throwIfAborted();
      const { info } = await ask(from, request, {
        ports,
        settings,
        substituters: this.#substituters,
        signal: this.signal,
        warn: (text) => onWarning?.(text),
      });
      if (info !== undefined) return info;
    }
    return undefined;
  }
}

/** Lets so many in at a time, in the order they came. */
class Gate {
  readonly #waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((enter) => this.#waiting.push(enter));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.free += 1;
      else next();
    }
  }
}
