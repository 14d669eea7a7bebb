import type { StoreDir } from "@drvkit/drv-parser";
import { reasonOf } from "../error.js";
import type { SubstituterPort } from "../ports/substituter.js";
import type { WorkerSettings } from "../settings.js";
import type { Ports } from "./context.js";

/** A substituter with everything that it leaves open filled in. */
export interface Substituter {
  readonly port: SubstituterPort;
  readonly uri: string;
  readonly storeDir: StoreDir;
  readonly trusted: boolean;
}

/** The one that copies come from. Its word is worth what a signature or the content shows, as that of others. */
export function evalStoreAsSubstituter({ store, evalStore }: Pick<Ports, "store" | "evalStore">) {
  if (evalStore === undefined) return undefined;
  const { uri } = evalStore;
  return { port: evalStore, uri, storeDir: store.storeDir, trusted: false } satisfies Substituter;
}

/** Who is asked, and whether at all. */
interface Asked {
  readonly ports: {
    readonly store: { readonly storeDir: StoreDir };
    readonly substituters?: readonly SubstituterPort[];
  };
  readonly settings: Pick<WorkerSettings, "substitute">;
}

/** The substituters of a run, in the order in which they are asked. One that does not answer is asked once, not for every path. */
export class Substituters {
  readonly all: readonly Substituter[];
  readonly #dead = new Set<Substituter>();

  /** None where the settings say so. */
  constructor(
    { ports, settings }: Asked,
    private readonly warn: (text: string) => void,
  ) {
    const { storeDir } = ports.store;
    // Sorting is stable: of equal priorities the order stays in which they were given.
    this.all = (settings.substitute ? [...(ports.substituters ?? [])] : [])
      .sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0))
      .map((port) => ({
        port,
        uri: port.uri,
        storeDir: port.storeDir ?? storeDir,
        trusted: port.trusted ?? false,
      }));
  }

  /** Whether there is anybody to ask. */
  get areAny(): boolean {
    return this.all.length > 0;
  }

  isDead(substituter: Substituter): boolean {
    return this.#dead.has(substituter);
  }

  /** It threw when it was asked: nobody asks it again, and one warning says so. */
  bury(substituter: Substituter, error: unknown): void {
    if (this.#dead.has(substituter)) return;
    this.#dead.add(substituter);
    const reason = reasonOf(error);
    this.warn(`substituter '${substituter.uri}' is not asked any more: ${reason}`);
  }
}
