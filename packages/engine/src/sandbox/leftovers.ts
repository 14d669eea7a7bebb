import { lstat, mkdir, readdir, readlink, stat, symlink, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type FileLock, lockFile, removeTree } from "@drvkit/sandbox-native";
import { EngineSetupError, hasCode } from "../error.js";
import type { Settings } from "../settings/table.js";

/** The directories where builds of one store work on this machine. */
export interface BuildsPlaces {
  /** Where the lock files are. */
  readonly buildsDir: string;
  /** Where the directories of builds are made, possibly with those of other stores. */
  readonly tempParent: string;
  readonly realStoreDir: string;
}

/** Where one build works on this machine. Neither directory exists yet. */
export interface BuildPlaces {
  /** `BUILDS/nix-RUN-N-HASHPART`: the build directory is in it. Made first and removed last. */
  readonly tempDir: string;
  /** `STORE/HASHPART-RUN-N.chroot`: beside the store's objects, so that outputs can be renamed out of it. */
  readonly chrootDir: string;
}

/** Where builds of a store have their directories. */
export function buildsPlacesOf(
  { stateDir, realStoreDir }: { readonly stateDir: string; readonly realStoreDir: string },
  settings: Pick<Settings, "build-dir">,
): BuildsPlaces {
  const buildsDir = join(stateDir, "builds");
  const elsewhere = settings["build-dir"];
  return { buildsDir, tempParent: elsewhere === "" ? buildsDir : resolve(elsewhere), realStoreDir };
}

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
      await removeTree(chrootDir);
      await removeTree(tempDir);
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

/** Leads to where a run makes its directories, if that is not beside it: who sweeps may have other settings. */
function parentLink(buildsDir: string, run: string): string {
  return join(buildsDir, `nix-${run}.parent`);
}

async function forgetParent(buildsDir: string, run: string): Promise<void> {
  await unlink(parentLink(buildsDir, run)).catch(ignoreAbsence);
}

function placesOf(
  { tempParent, realStoreDir }: Pick<BuildsPlaces, "tempParent" | "realStoreDir">,
  { run, count, hashPart }: { readonly run: string; readonly count: string; readonly hashPart: string },
): BuildPlaces {
  return {
    tempDir: join(tempParent, `nix-${run}-${count}-${hashPart}`),
    chrootDir: join(realStoreDir, `${hashPart}-${run}-${count}.chroot`),
  };
}

function isOf(run: string, name: string): boolean {
  return name.startsWith(`nix-${run}-`);
}

/**
 * Removes what builds of processes that are gone left: they were killed before they could. A process is gone when
 * nobody holds the lock; process ids say nothing, as they are used again and differ between containers.
 *
 * @returns what could not be removed and why; the next sweep tries it again.
 */
export async function sweepDeadBuilds(places: BuildsPlaces): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const file of await readdir(places.buildsDir).catch(nothingThere)) {
    const run = /^nix-(\d+-\d+)\.lock$/u.exec(file)?.[1];
    if (run === undefined) continue;
    try {
      await sweepIfDead(places, run);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      warnings.push(`cannot remove what a killed build left in '${places.buildsDir}': ${reason}`);
    }
  }
  return warnings;
}

async function sweepIfDead({ buildsDir, realStoreDir }: BuildsPlaces, run: string): Promise<void> {
  const lock = await lockFile(join(buildsDir, `nix-${run}.lock`), { wait: false });
  if (lock === undefined) return;
  try {
    await sweepParent({ tempParent: buildsDir, realStoreDir }, run);
    const elsewhere = await readlink(parentLink(buildsDir, run)).catch(ignoreAbsence);
    if (elsewhere !== undefined) {
      await sweepParent({ tempParent: elsewhere, realStoreDir }, run);
      await sweepRoots(realStoreDir, run); // of those whose directory somebody else removed
      await forgetParent(buildsDir, run);
    }
  } catch (error) {
    lock.release();
    throw error;
  }
  lock.releaseAndDelete();
}

async function sweepParent(
  places: Pick<BuildsPlaces, "tempParent" | "realStoreDir">,
  run: string,
): Promise<void> {
  for (const name of await readdir(places.tempParent).catch(nothingThere)) {
    const [, count, hashPart] = /^nix-\d+-\d+-(\d+)-([a-z0-9]+)$/u.exec(name) ?? [];
    if (!isOf(run, name) || count === undefined || hashPart === undefined) continue;
    const { chrootDir, tempDir } = placesOf(places, { run, count, hashPart });
    await removeTree(chrootDir);
    if (!(await isKept(tempDir))) await removeTree(tempDir);
  }
}

async function sweepRoots(realStoreDir: string, run: string): Promise<void> {
  for (const name of await readdir(realStoreDir).catch(nothingThere))
    if (/^[a-z0-9]+-(\d+-\d+)-\d+\.chroot$/u.exec(name)?.[1] === run)
      await removeTree(join(realStoreDir, name));
}

/** The directory of a build is open to nobody but us until it is decided that the build directory stays. */
async function isKept(tempDir: string): Promise<boolean> {
  const found = await lstat(tempDir).catch(ignoreAbsence);
  return found !== undefined && (found.mode & 0o077) !== 0;
}

function ignoreAbsence(error: unknown): undefined {
  if (!hasCode(error, "ENOENT")) throw error;
}

function nothingThere(error: unknown): readonly string[] {
  ignoreAbsence(error);
  return [];
}
