import type { EventBody } from "./context.js";
import { type GoalCounters, noBytes, type SubstitutionCounters, type TransferBytes } from "./counters.js";
import type { Run } from "./run.js";

const nobody: ReadonlySet<Run> = new Set();

/**
 * The runs that a goal works for, and so do those that it waits for. Whoever comes later is told what it missed. What a
 * goal says of itself counts in each of them.
 */
export class Audience implements SubstitutionCounters {
  /** Never changed, so that goals share it: nearly all of them work for the same runs. */
  #runs: ReadonlySet<Run> = nobody;
  /** The last event of each type, as far as it still tells where the goal is. */
  #said: readonly EventBody[] = [];
  #below: readonly Audience[] = [];
  /** Of a path or a realisation: more than that of each that waits for it. */
  #depth = 0;
  #expected = false;
  #running = 0;
  #expectedBytes = noBytes;

  /** `counted`: among which goals of a run this one counts. */
  constructor(private readonly counted?: "builds" | "substitutions") {}

  get runs(): ReadonlySet<Run> {
    return this.#runs;
  }

  /** What works for `above` includes this goal from now on. */
  join(above: Audience): void {
    if (this.#runs === nobody && this.#below.length === 0) {
      this.#runs = above.#runs;
      this.#depth = above.#depth + 1;
    } else if (this.#runs !== above.#runs) for (const run of above.#runs) this.add(run);
  }

  /** With everything below it. A stack of its own: graphs are deep. */
  add(run: Run): void {
    const open: Audience[] = [this];
    for (let each = open.pop(); each !== undefined; each = open.pop()) {
      if (each.#runs.has(run)) continue;
      each.#runs = new Set([...each.#runs, run]);
      each.#catchUp(run);
      for (const below of each.#below) open.push(below);
    }
  }

  /**
   * Whether the goal can wait for that one, which it cannot if that one waits for it. Depths answer without a look at
   * everything below: only where they have to grow something can lead back.
   */
  canWaitFor(other: Audience): boolean {
    const open: { readonly audience: Audience; readonly depth: number }[] = [
      { audience: other, depth: this.#depth + 1 },
    ];
    let isFree = true;
    for (let each = open.pop(); each !== undefined; each = open.pop()) {
      const { audience, depth } = each;
      if (audience === this)
        isFree = false; // the others still get their depths
      else if (audience.#depth < depth) {
        audience.#depth = depth;
        for (const below of audience.#below) open.push({ audience: below, depth: depth + 1 });
      }
    }
    return isFree;
  }

  /** The goal waits for these now. */
  waitFor(below: readonly Audience[]): void {
    this.#below = below;
  }

  emit(body: EventBody): void {
    this.emitOnce(body);
    this.#keep(body);
  }

  /** Of a goal that is over before anybody else can come to it. */
  emitOnce(body: EventBody): void {
    for (const run of this.#runs) run.emit(body);
  }

  expect(): void {
    this.#expected = true;
    this.#count((counters) => counters.expect());
  }

  start(): void {
    this.#running += 1;
    this.#count((counters) => counters.start());
  }

  stop(): void {
    this.#running -= 1;
    this.#count((counters) => counters.stop());
  }

  end(outcome: "done" | "failed" | "dropped"): void {
    this.#count((counters) => counters.end(outcome));
  }

  expectBytes({ downloadBytes, narBytes }: TransferBytes): void {
    const before = this.#expectedBytes;
    this.#expectedBytes = {
      downloadBytes: Math.max(downloadBytes, before.downloadBytes),
      narBytes: Math.max(narBytes, before.narBytes),
    };
    const more = {
      downloadBytes: this.#expectedBytes.downloadBytes - before.downloadBytes,
      narBytes: this.#expectedBytes.narBytes - before.narBytes,
    };
    for (const run of this.#runs) run.transfers.expect(more);
  }

  doneBytes(bytes: TransferBytes): void {
    for (const run of this.#runs) run.transfers.done(bytes);
  }

  /** The goal has ended: nobody can come to it any more, only to what waits for it, and should know of a failure. */
  dismiss(): void {
    this.#below = [];
    this.#expected = false;
    const isKept = ({ type }: EventBody) => type === "goal-created" || type === "goal-done";
    this.#said = this.#said.some(isFailed) ? this.#said.filter(isKept) : [];
  }

  #count(count: (counters: GoalCounters) => void): void {
    if (this.counted !== undefined) for (const run of this.#runs) count(run[this.counted]);
  }

  #keep(body: EventBody): void {
    const ends = endedBy[body.type];
    if (ends === undefined) return;
    // An array that grows takes more than it needs.
    const others = this.#said.some(({ type }) => type === ends)
      ? this.#said.filter(({ type }) => type !== ends)
      : this.#said;
    this.#said = body.type === ends ? [...others, body] : others;
  }

  #catchUp(run: Run): void {
    for (const body of this.#said) {
      if (body.type === "goal-done") run.note(body.result);
      run.emit(body);
    }
    if (this.counted === undefined) return;
    if (this.#expected) run[this.counted].expect();
    for (let running = 0; running < this.#running; running += 1) run[this.counted].start();
    if (this.#expectedBytes !== noBytes) run.transfers.expect(this.#expectedBytes);
  }
}

/** Events that are told again to a run that comes later, and those that end what they say. */
const endedBy: Readonly<Partial<Record<EventBody["type"], EventBody["type"]>>> = {
  "goal-created": "goal-created",
  "goal-stage": "goal-stage",
  "goal-waits": "goal-waits",
  "goal-done": "goal-done",
  "substitution-created": "substitution-created",
  "substitution-stage": "substitution-stage",
  "substitution-started": "substitution-started",
  "substitution-finished": "substitution-started",
  "realisation-created": "realisation-created",
  "realisation-stage": "realisation-stage",
  "derivation-resolved": "derivation-resolved",
  "build-started": "build-started",
  "build-finished": "build-started",
};

function isFailed(body: EventBody): boolean {
  return body.type === "goal-done" && "errorMessage" in body.result;
}
