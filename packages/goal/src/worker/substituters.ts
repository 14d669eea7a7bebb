import type { StoreDir } from "@drvkit/drv-parser";
import type { SubstituterPort } from "../ports/substituter.js";

/** A substituter with everything that it leaves open filled in. */
export interface Substituter {
  readonly port: SubstituterPort;
  readonly uri: string;
  readonly storeDir: StoreDir;
  readonly trusted: boolean;
}

/** The substituters of a run, in the order in which they are asked. One that does not answer is asked once, not for every path. */
export class Substituters {
  readonly all: readonly Substituter[];
  readonly #dead = new Set<Substituter>();

  constructor(
    ports: readonly SubstituterPort[],
    storeDir: StoreDir,
    private readonly warn: (text: string) => void,
  ) {
    // Sorting is stable: of equal priorities the order stays in which they were given.
    this.all = [...ports]
      .sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0))
      .map((port) => ({
        port,
        uri: port.uri,
        storeDir: port.storeDir ?? storeDir,
        trusted: port.trusted ?? false,
      }));
  }

  isDead(substituter: Substituter): boolean {
    return this.#dead.has(substituter);
  }

  /** It threw when it was asked: nobody asks it again, and one warning says so. */
  bury(substituter: Substituter, error: unknown): void {
    if (this.#dead.has(substituter)) return;
    this.#dead.add(substituter);
    const reason = error instanceof Error ? error.message : String(error);
    this.warn(`substituter '${substituter.uri}' is not asked any more: ${reason}`);
  }
}
