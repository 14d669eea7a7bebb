import { setImmediate } from "node:timers/promises";
import type { BuildSpec } from "@drvkit/goal";
import { beginSandbox, type ControlGroup, type SandboxBeginning } from "@drvkit/sandbox-native";
import type { Settings } from "../settings/table.js";
import { type BuildIds, takeBuildIds } from "./build-ids.js";
import type { ControlGroups } from "./control-groups.js";

/** A sandbox that waits for its build, with the ids and the group that it was begun with. */
export interface Begun {
  readonly ids: BuildIds;
  readonly group: ControlGroup | undefined;
  readonly sandbox: SandboxBeginning;
}

/** As far as there is something of it. */
type Unfinished = Pick<Begun, "ids"> & Partial<Begun>;

/** How a build is isolated. */
type BuildKind = Pick<BuildSpec, "isolation" | "network" | "idRange">;

/** How long one waits for a build: it sees the mounts of the machine as they were, and its ids are nobody else's. */
const stayMs = 1000;

/**
 * Begins the next sandbox while a builder runs: the next build then starts in half of the time. From the second build on, for most runs
 * have one.
 */
export class BegunSandboxes {
  readonly #isUseful: boolean;
  #builds = 0;
  #next: Promise<Begun | undefined> | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(
    private readonly settings: Settings,
    private readonly groups: ControlGroups,
  ) {
    // Members of a group are few, and other processes may wait for one.
    this.#isUseful = process.geteuid?.() !== 0 || settings["build-users-group"] === "";
  }

  /** The one that is begun, for a build that can use it; whoever takes it answers for all of it. */
  async take(build: BuildKind): Promise<Begun | undefined> {
    return suits(build) ? this.#takeNext() : undefined;
  }

  /** The builder of such a build runs, and another build may follow. */
  started(build: BuildKind): void {
    if (suits(build)) this.#builds += 1;
    this.#beginNext(build);
  }

  /** It has ended, which may be long after: what was begun then does not wait so long. */
  ended(build: BuildKind): void {
    this.#beginNext(build);
  }

  #beginNext(build: BuildKind): void {
    if (!suits(build) || !this.#isUseful || this.#builds < 2 || this.#next !== undefined) return;
    // What else follows from that comes first.
    this.#next = setImmediate().then(() => this.#begin());
    this.#expiry = setTimeout(() => void this.end(), stayMs).unref();
  }

  /** Ends the one that is begun; settles when none is left. */
  end(): Promise<void> {
    const next = this.#takeNext();
    this.#ended = this.#ended.then(async () => {
      const begun = await next;
      if (begun !== undefined) await endBegun(begun);
    });
    return this.#ended;
  }

  async #takeNext(): Promise<Begun | undefined> {
    clearTimeout(this.#expiry);
    const next = this.#next;
    this.#next = undefined;
    return next;
  }

  /** What cannot be had ahead of time is nobody's error: the next build is told why, if it cannot have it either. */
  async #begin(): Promise<Begun | undefined> {
    let taken: Unfinished | undefined;
    try {
      const ids = await takeBuildIds(this.settings, { idRange: false, isolation: "sandbox" });
      if (ids === undefined) return undefined;
      taken = { ids };
      const group = await this.groups.make(ids, false);
      taken = { ids, group };
      const sandbox = await beginSandbox({
        network: "private",
        hostUid: ids.uid,
        hostGid: ids.gid,
        groupsMustGo: this.settings["require-drop-supplementary-groups"],
        ...(group === undefined ? {} : { cgroup: group.path }),
      });
      return { ids, group, sandbox };
    } catch {
      if (taken !== undefined) await endBegun(taken);
      return undefined;
    }
  }
}

/** What most builds are. */
function suits({ isolation, network, idRange }: BuildKind): boolean {
  return isolation === "sandbox" && network === "private" && !idRange;
}

/** Gives back all of one; a group that cannot be removed is removed by the next sweep. */
export async function endBegun({ ids, group, sandbox }: Unfinished): Promise<void> {
  await sandbox?.end().catch(() => undefined);
  await group?.remove().catch(() => undefined);
  ids.release();
}
