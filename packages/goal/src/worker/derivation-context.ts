import { type BasicDerivation, compareText, type Derivation, type StorePath } from "@drvkit/drv-parser";
import type { BuildMode } from "../settings.js";
import { GoalCommon, type GoalIdentity, type WorkerParts } from "./common-context.js";
import type { GoalContext } from "./context.js";
import type { GoalCounters } from "./counters.js";
import type { OutputSelection, WantedOutputs } from "./wanted.js";

/** What the goal of a derivation is there for. */
interface DerivationRequest {
  readonly drvPath: StorePath;
  readonly wanted: WantedOutputs;
  readonly mode: BuildMode;
  /** Where it was handed over. */
  readonly derivation: BasicDerivation | undefined;
}

/** What the goal of a derivation works with. */
export class DerivationContext extends GoalCommon implements GoalContext {
  readonly drvPath: StorePath;
  readonly wanted: WantedOutputs;
  readonly mode: BuildMode;
  readonly counters: GoalCounters;
  readonly #handedOver: BasicDerivation | undefined;

  constructor(
    parts: WorkerParts,
    goal: GoalIdentity,
    { drvPath, wanted, mode, derivation }: DerivationRequest,
    private readonly read: () => Promise<Derivation>,
  ) {
    super(parts, goal, "build");
    this.drvPath = drvPath;
    this.wanted = wanted;
    this.mode = mode;
    this.counters = goal.audience;
    this.#handedOver = derivation;
  }

  get isInMemory(): boolean {
    return this.#handedOver !== undefined;
  }

  /** With the outputs that were asked for first, whatever is wanted later. */
  get name(): string {
    if (this.#handedOver === undefined)
      return `building of '${this.drvPath}!${printSelection(this.wanted.first)}' from .drv file`;
    const names = [...this.#handedOver.outputs.keys()].sort(compareText).join(",");
    return `building of '${this.drvPath}!${names}' from in-memory derivation`;
  }

  derivation(): Promise<Derivation> {
    return this.read();
  }
}

function printSelection(names: OutputSelection): string {
  return names === "all" ? "*" : [...names].sort(compareText).join(",");
}
