import type { Event } from "../../src/index.js";
import { KeyHeap } from "../../src/worker/heap.js";
import type { Scenario } from "./scenario.js";

type Pool = Extract<Event, { type: "slot" }>["pool"];

/** What holds for every run, whatever comes of it. Throws with what does not. */
export function checkEvents(events: readonly Event[], scenario: Scenario): void {
  checkSlots(events, "build", scenario.settings.maxJobs, scenario);
  checkSlots(events, "substitution", scenario.settings.maxSubstitutionJobs, scenario);
  checkProgress(events);
  checkEnds(events, scenario);
}

/** Never more than there are; a grant goes to the smallest key that waits. */
function checkSlots(events: readonly Event[], pool: Pool, size: number, scenario: Scenario): void {
  const [waiting, held] = [new Set<string>(), new Set<string>()];
  const inOrder = new KeyHeap<string, string>();
  for (const event of events) {
    if (event.type !== "slot" || event.pool !== pool) continue;
    const { goal, change } = event;
    if (change === "waiting") {
      waiting.add(goal);
      inOrder.add(goal, goal);
    }
    if (change === "granted" && isUndisturbed(scenario)) {
      const first = inOrder.take();
      require(first === goal, `${goal} gets a slot before ${first}`);
    }
    if (change === "released") require(held.delete(goal), `${goal} gives back what it does not have`);
    if (change !== "granted") continue;
    require(waiting.delete(goal), `${goal} gets a slot that it did not wait for`);
    held.add(goal);
    require(held.size <= size, `${held.size} of ${size} slots of the pool ${pool}`);
  }
  require(held.size === 0, `slots are still held: ${[...held].join(" ")}`);
}

/** Whether nothing ends early. Goals that leave while they wait do not say so. */
export function isUndisturbed({ settings, interruptMs }: Scenario): boolean {
  return settings.keepGoing && interruptMs === undefined;
}

function checkProgress(events: readonly Event[]): void {
  const last = { builds: [0, 0, 0], substitutions: [0, 0, 0] };
  for (const event of events) {
    if (event.type !== "progress") continue;
    for (const kind of ["builds", "substitutions"] as const) {
      const { done, expected, failed, running } = event[kind];
      const now = [done, expected, failed];
      require(now.every((figure, at) => figure >= (last[kind][at] ?? 0)), `figures of ${kind} run backwards`);
      require(done + failed <= expected && running >= 0, `figures of ${kind} do not add up`);
      last[kind] = now;
    }
  }
}

/** Each goal ends, once; nothing follows the end of the run. */
function checkEnds(events: readonly Event[], scenario: Scenario): void {
  const open = new Map<string, number>();
  for (const event of events) {
    if (event.type === "goal-created" || event.type === "substitution-created")
      open.set(event.goal, (open.get(event.goal) ?? 0) + 1);
    if (event.type === "goal-done" || event.type === "substitution-done")
      open.set(event.goal, (open.get(event.goal) ?? 0) - 1);
  }
  for (const [goal, count] of open)
    require(count === 0 || (count > 0 && !isUndisturbed(scenario)), `${goal} has ${count} ends too few`);
  require(events.at(-1)?.type === "run-finished", "the run did not finish last");
}

export function require(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
