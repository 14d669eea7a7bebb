import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  type ControlGroup,
  type ControlGroupLimits,
  makeControlGroup,
  ownControlGroup,
  removeControlGroup,
} from "@drvkit/sandbox-native";
import { EngineSetupError, hasCode } from "../error.js";
import type { Settings } from "../settings/table.js";
import type { BuildIds } from "./build-ids.js";

/** Whose builds the groups are for. */
export interface GroupPlaces {
  readonly stateDir: string;
  /** Group that those of builds are made in; `undefined` where there is none. Default: that of this process. */
  readonly parent?: string | undefined;
}

/**
 * A control group for each build, in the group of this process, where that can be had.
 *
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `startBuilder`
 */
export class ControlGroups {
  readonly #parent: string | undefined;
  readonly #limits: ControlGroupLimits;
  readonly #wanted: Settings["use-cgroups"];
  #isRefused = false;
  #isSwept = false;
  /** Process ids differ between containers that share a group, so they are not enough. */
  readonly #name = `nix-build-pid-${process.pid}-${Math.floor(Math.random() * 1_000_000)}`;
  #count = 0;

  constructor(
    private readonly places: GroupPlaces,
    settings: Settings,
  ) {
    this.#parent = "parent" in places ? places.parent : ownControlGroup();
    this.#limits = limitsOf(settings);
    this.#wanted = settings["use-cgroups"];
  }

  /**
   * A group for a build; none where there need not be one and none can be had.
   *
   * @throws SandboxError `ERR_CGROUP`; {@link EngineSetupError} `ERR_SETTING` for limits without groups.
   */
  async make(ids: BuildIds, needed: boolean): Promise<ControlGroup | undefined> {
    const isLimited = Object.keys(this.#limits).length > 0;
    const isNeeded = needed || isLimited || this.#wanted === "true";
    if (this.#wanted === "false" && isLimited)
      throw new EngineSetupError("ERR_SETTING", "limits of builds need control groups, which are off", {
        hint: "set 'use-cgroups' to `auto`, or the limits to 0",
      });
    if (!isNeeded && (this.#wanted === "false" || this.#isRefused)) return undefined;
    if (this.#parent === undefined) {
      if (!isNeeded) return undefined;
      throw new EngineSetupError("ERR_SETTING", "cannot determine the cgroups file system", {
        hint: "limits, 'use-cgroups' and the feature 'uid-range' need cgroup v2 to be mounted",
      });
    }
    try {
      return await this.#make(this.#parent, ids, needed);
    } catch (error) {
      if (isNeeded || !hasCode(error, "ERR_CGROUP")) throw error;
      this.#isRefused = true;
      return undefined;
    }
  }

  /** Only who is root of a machine of its own has use for groups below it. */
  async #make(parent: string, ids: BuildIds, isDelegated: boolean): Promise<ControlGroup> {
    if (ids.allocated) {
      const name = `nix-build-uid-${ids.uid}`;
      await this.#removeRecorded(join(parent, name), ids.uid);
      return makeControlGroup(parent, name, { limits: this.#limits, ...(isDelegated ? { owner: ids } : {}) });
    }
    if (!this.#isSwept) sweep(parent);
    this.#isSwept = true;
    this.#count += 1;
    return makeControlGroup(parent, `${this.#name}-${this.#count}`, { limits: this.#limits });
  }

  /** What a run before left under this id may be elsewhere: it was started in another group. */
  async #removeRecorded(path: string, uid: number): Promise<void> {
    const folder = join(this.places.stateDir, "cgroups");
    const file = join(folder, `${uid}`);
    const recorded = readOrNothing(file);
    if (recorded === path) return;
    // Whoever else could write here may name no group of others.
    if (basename(recorded) === basename(path)) await removeControlGroup(recorded);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    rmSync(file, { force: true });
    writeFileSync(file, path, { flag: "wx" });
  }
}

function limitsOf(settings: Settings): ControlGroupLimits {
  const [memory, processes, cpus] = [
    settings["max-build-memory"],
    settings["max-build-processes"],
    settings["max-build-cpus"],
  ];
  return {
    ...(memory > 0 ? { memoryMaxBytes: memory } : {}),
    ...(processes > 0 ? { pidsMax: processes } : {}),
    ...(cpus > 0 ? { cpus } : {}),
  };
}

/** Removes groups of builds of processes that were killed: what was in them ended with these. One that is in use stays. */
function sweep(parent: string): void {
  for (const name of namesIn(parent)) {
    const pid = /^nix-build-pid-(\d+)-\d+-\d+$/u.exec(name)?.[1];
    if (pid === undefined || readOrNothing(`/proc/${pid}/stat`) !== "") continue;
    try {
      rmdirSync(join(parent, name));
    } catch {
      // Something runs in it, or it is somebody else's.
    }
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // whoever makes one there is told why it cannot be
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
