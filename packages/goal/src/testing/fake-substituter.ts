import type { StorePath } from "@drvkit/drv-parser";
import { type DrvOutput, printDrvOutput, type Realisation } from "@drvkit/narinfo";
import type { SubstitutableInfo, SubstituterPort } from "../ports/substituter.js";
import { archiveOf, type FakeTree } from "./fake-tree.js";
import { pathInfoOf } from "./path-info.js";

/** What a fake substituter does when it is asked for a path. */
type Behaviour = "answers" | "throws" | "gone" | "broken" | "lies";

interface Offered {
  readonly info: SubstitutableInfo;
  readonly archive: Uint8Array;
}

/** A substituter in memory: a plain object as anybody could write it, with ways to fail. */
export class FakeSubstituter implements SubstituterPort {
  readonly uri: string;
  readonly priority: number;
  readonly trusted: boolean;
  /** Paths that were asked for, and those whose archives were taken, in order. */
  readonly asked: StorePath[] = [];
  readonly taken: StorePath[] = [];
  /** How it behaves for every path, and for single ones. */
  behaviour: Behaviour = "answers";
  readonly behaviours = new Map<StorePath, Behaviour>();
  /** Called before an archive is given: a place to hold it back. */
  beforeArchive: (path: StorePath) => Promise<void> = async () => undefined;
  readonly #realisations = new Map<string, Realisation>();
  readonly #offered = new Map<StorePath, Offered>();

  constructor(
    options: { readonly uri?: string; readonly priority?: number; readonly trusted?: boolean } = {},
  ) {
    this.uri = options.uri ?? "fake://cache";
    this.priority = options.priority ?? 0;
    this.trusted = options.trusted ?? true;
  }

  /** Offers a tree under a path; what it says of it from now on. */
  offer(path: StorePath, tree: FakeTree, more: Partial<SubstitutableInfo> = {}): SubstitutableInfo {
    const archive = archiveOf(tree);
    const info: SubstitutableInfo = { ...pathInfoOf(path, archive), ...more };
    this.#offered.set(path, { info, archive });
    return info;
  }

  async queryPathInfo(path: StorePath): Promise<SubstitutableInfo | undefined> {
    this.asked.push(path);
    if (this.#behaviourFor(path) === "throws") throw new Error("connection refused");
    return this.#offered.get(path)?.info;
  }

  /** Says that an output has this path. */
  offerRealisation(realisation: Realisation, as: DrvOutput = realisation.id): void {
    this.#realisations.set(printDrvOutput(as), realisation);
  }

  async queryRealisation(id: DrvOutput): Promise<Realisation | undefined> {
    if (this.behaviour === "throws") throw new Error("connection refused");
    return this.#realisations.get(printDrvOutput(id));
  }

  async *archive({ path }: SubstitutableInfo): AsyncGenerator<Uint8Array, void, undefined> {
    this.taken.push(path);
    await this.beforeArchive(path);
    const behaviour = this.#behaviourFor(path);
    if (behaviour === "gone") throw Object.assign(new Error("404"), { code: "ERR_SUBSTITUTE_GONE" });
    const archive = this.#offered.get(path)?.archive ?? new Uint8Array();
    if (behaviour === "lies") yield archiveOf("something else");
    else if (behaviour === "broken") yield archive.subarray(0, archive.length / 2);
    else yield archive;
  }

  #behaviourFor(path: StorePath): Behaviour {
    return this.behaviours.get(path) ?? this.behaviour;
  }
}
