import type { Event } from "../event.js";
import type { GoalKey } from "../worker/goal-key.js";

type EventOf<Type extends Event["type"]> = Extract<Event, { readonly type: Type }>;

/** How many, as a result of type 105 has it. */
export type Figures = readonly [done: number, expected: number, running: number, failed: number];

/**
 * Nix's counters, which differ from those of our `progress` events: a goal that ends is expected no more, whatever became
 * of it, and one counts from its creation on even if nothing has to be done.
 *
 * @see Nix: src/libstore/build/worker.cc, `updateProgress`
 */
export class NixFigures {
  readonly #builds = new Counter();
  readonly #substitutions = new Counter();
  #transfers: EventOf<"progress">["transfers"] | undefined;

  /** Whether Nix tells its figures now. */
  follow(event: Event): boolean {
    switch (event.type) {
      case "goal-created":
        this.#builds.expect(event.goal);
        return true;
      case "build-started":
        this.#builds.run(event.goal);
        return true;
      case "goal-done":
        this.#builds.end(event.goal, outcomeOf(event.result));
        return true;
      case "substitution-created":
        this.#substitutions.expect(event.goal);
        return false;
      case "substitution-stage":
        return event.to === "references";
      case "substitution-started":
        this.#substitutions.run(event.goal);
        return true;
      case "substitution-finished":
        if (event.outcome === "substituted") this.#substitutions.end(event.goal, "done");
        else this.#substitutions.rest(event.goal);
        return event.outcome === "substituted";
      case "substitution-done":
        return this.#endSubstitution(event);
      case "progress":
        this.#transfers = event.transfers;
        return false;
      default:
        return false;
    }
  }

  get builds(): Figures {
    return this.#builds.figures;
  }

  get substitutions(): Figures {
    return this.#substitutions.figures;
  }

  get expectedDownloadBytes(): number {
    return this.#transfers?.expectedDownloadBytes ?? 0;
  }

  get expectedNarBytes(): number {
    return this.#transfers?.expectedNarBytes ?? 0;
  }

  #endSubstitution({ goal, result }: EventOf<"substitution-done">): boolean {
    const hasFailed = result.exit === "failed" && result.status === "noSubstituters";
    this.#substitutions.end(goal, hasFailed ? "failed" : undefined);
    return hasFailed;
  }
}

type Outcome = "done" | "failed" | undefined;

function outcomeOf(result: EventOf<"goal-done">["result"]): Outcome {
  if ("outputs" in result) return result.status === "built" ? "done" : undefined;
  return result.status === "dependencyFailed" ? undefined : "failed";
}

class Counter {
  readonly #expected = new Set<GoalKey>();
  readonly #running = new Set<GoalKey>();
  #done = 0;
  #failed = 0;

  get figures(): Figures {
    return [this.#done, this.#expected.size + this.#done, this.#running.size, this.#failed];
  }

  expect(goal: GoalKey): void {
    this.#expected.add(goal);
  }

  run(goal: GoalKey): void {
    this.#running.add(goal);
  }

  rest(goal: GoalKey): void {
    this.#running.delete(goal);
  }

  /** Counts one end of a goal. */
  end(goal: GoalKey, outcome: Outcome): void {
    this.#expected.delete(goal);
    this.rest(goal);
    if (outcome === "done") this.#done += 1;
    if (outcome === "failed") this.#failed += 1;
  }
}
