import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { lockFile, removeTree } from "@drvkit/sandbox-native";
import {
  type BuildsPlaces,
  forgetParent,
  ignoreAbsence,
  isOf,
  nothingThere,
  parentLink,
  placesOf,
} from "./builds-places.js";

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
