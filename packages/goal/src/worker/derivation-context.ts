import { type BasicDerivation, compareText, type Derivation, type StorePath } from "@drvkit/drv-parser";
import type { BuildResult } from "../result/build-result.js";
import type { BuildMode } from "../settings.js";
import type { Audience } from "./audience.js";
import { GoalCommon, type SlotPool, type WorkerParts } from "./common-context.js";
import type { GoalContext } from "./context.js";
import type { GoalCounters } from "./counters.js";
import type { DerivationCache } from "./derivation-cache.js";
import type { GoalKey } from "./goal-key.js";
import { Goal, type GoalOwner } from "./goals.js";
import type { OutputSelection, WantedOutputs } from "./wanted.js";

/** The goal of a derivation: what is wanted of it may grow. */
export class DerivationGoal extends Goal<BuildResult> {
  constructor(
    key: GoalKey,
    audience: Audience,
    owner: GoalOwner,
    readonly request: DerivationRequest,
  ) {
    super(key, audience, owner);
  }

  override done(result: BuildResult): void {
    for (const run of this.audience.runs) run.note(result);
    this.audience.emit({ type: "goal-done", goal: this.key, result });
    super.done(result);
  }
}

/** What the goal of a derivation is there for. */
export interface DerivationRequest {
  readonly drvPath: StorePath;
  readonly wanted: WantedOutputs;
  readonly mode: BuildMode;
  /** Where it was handed over. */
  readonly derivation: BasicDerivation | undefined;
}

/** What the goal of a derivation works with. */
export class DerivationContext extends GoalCommon<DerivationGoal> implements GoalContext {
  constructor(
    parts: WorkerParts,
    goal: DerivationGoal,
    private readonly derivations: DerivationCache,
  ) {
    super(parts, goal);
  }

  get drvPath(): StorePath {
    return this.goal.request.drvPath;
  }

  get wanted(): WantedOutputs {
    return this.goal.request.wanted;
  }

  get mode(): BuildMode {
    return this.goal.request.mode;
  }

  get counters(): GoalCounters {
    return this.goal.audience;
  }

  protected override get pool(): SlotPool {
    return "build";
  }

  get isInMemory(): boolean {
    return this.goal.request.derivation !== undefined;
  }

  /** With the outputs that were asked for first, whatever is wanted later. */
  get name(): string {
    const { derivation } = this.goal.request;
    if (derivation === undefined)
      return `building of '${this.drvPath}!${printSelection(this.wanted.first)}' from .drv file`;
    const names = [...derivation.outputs.keys()].sort(compareText).join(",");
    return `building of '${this.drvPath}!${names}' from in-memory derivation`;
  }

  async derivation(): Promise<Derivation> {
    return this.goal.request.derivation ?? this.derivations.get(this.drvPath);
  }
}

function printSelection(names: OutputSelection): string {
  return names === "all" ? "*" : [...names].sort(compareText).join(",");
}
