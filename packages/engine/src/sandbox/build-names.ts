import { mkdir, readdir, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type FileLock, lockFile, removeTrees } from "@drvkit/sandbox-native";
import { EngineSetupError, hasCode } from "../error.js";
import {
  type BuildPlaces,
  type BuildsPlaces,
  forgetParent,
  isOf,
  parentLink,
  placesOf,
} from "./builds-places.js";

/**
 * Names of the directories of builds. They contain the name of a lock file, one for all builds of this process: as long
 * as it is held nobody sweeps what is named after it, and without the file there is nothing to sweep.
 */
export class BuildNames {
  #claim: Promise<Claim> | undefined;
  #count = 0;
  #leftSomething = false;

  constructor(private readonly places: BuildsPlaces) {}

  /** The hash part begins the name of the root, so that whoever collects garbage sees whose it is. */
  async next(hashPart: string): Promise<BuildPlaces> {
    const { run } = await this.#claimed();
    this.#count += 1;
    return placesOf(this.places, { run, count: `${this.#count}`, hashPart });
  }

  /** The next build tries again what failed. */
  #claimed(): Promise<Claim> {
    this.#claim ??= claimRun(this.places).catch((error: unknown) => {
      this.#claim = undefined;
      throw error;
    });
    return this.#claim;
  }

  /** Removes what is left of a build. */
  async remove({ chrootDir, tempDir }: BuildPlaces): Promise<void> {
    try {
      await removeTrees([chrootDir, tempDir]);
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  /** Something of a build could not be removed: the lock file stays, so that it is swept once this process is gone. */
  leave(): void {
    this.#leftSomething = true;
  }

  /** When no build runs any more. A later use starts again. */
  async close(): Promise<void> {
    const claim = await this.#claim;
    this.#claim = undefined;
    if (claim === undefined) return;
    if (this.#leftSomething) return claim.lock.release();
    await forgetParent(this.places.buildsDir, claim.run);
    claim.lock.releaseAndDelete();
  }
}

interface Claim {
  readonly run: string;
  readonly lock: FileLock;
}

/** A name that nothing has, that of a kept or a killed build neither. */
async function claimRun({ buildsDir, tempParent }: BuildsPlaces): Promise<Claim> {
  const directories = [...new Set([buildsDir, tempParent])];
  for (const directory of directories) await makeParent(directory);
  for (;;) {
    const run = `${process.pid}-${Math.floor(Math.random() * 1_000_000)}`;
    const taken = (await Promise.all(directories.map((directory) => readdir(directory)))).flat();
    if (taken.some((name) => name === `nix-${run}.lock` || isOf(run, name))) continue;
    const lock = await lockFile(join(buildsDir, `nix-${run}.lock`), { wait: false });
    if (lock === undefined) continue;
    try {
      if (tempParent !== buildsDir) await symlink(tempParent, parentLink(buildsDir, run));
      return { run, lock };
    } catch (error) {
      lock.releaseAndDelete();
      throw error;
    }
  }
}

async function makeParent(directory: string): Promise<void> {
  try {
    await makeDirectories(directory);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EngineSetupError(
      "ERR_BUILD_DIR",
      `cannot make the directory '${directory}' for builds: ${reason}`,
      {
        hint: "check 'build-dir', and who may write to the store's state",
        cause,
      },
    );
  }
}

/** Node's own tries for ever where a name stays absent though what it is in is there, as below `/proc`. */
async function makeDirectories(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o755 });
  try {
    await make();
  } catch (error) {
    if (hasCode(error, "EEXIST") && (await stat(path)).isDirectory()) return;
    if (!hasCode(error, "ENOENT") || dirname(path) === path) throw error;
    await makeDirectories(dirname(path));
    await make().catch((again: unknown) => {
      if (!hasCode(again, "EEXIST")) throw again; // another process was first
    });
  }
}
