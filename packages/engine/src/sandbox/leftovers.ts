import { lstat, mkdir, readdir, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type FileLock, lockFile, removeTree } from "@drvkit/sandbox-native";
import { hasCode } from "../error.js";

/** Where one build works on this machine. */
export interface BuildPlaces {
  /** `BUILDS/nix-PID-N`: the build directory is in it. */
  readonly tempDir: string;
  /** Beside the store's objects, so that outputs can be renamed out of it. */
  readonly chrootDir: string;
  /** `BUILDS/nix-PID-N.chroot`: a link to `chrootDir` as long as it may exist. */
  readonly marker: string;
  /** Of `BUILDS/nix-PID-N.lock`: as long as it is held nobody sweeps; without the file there is nothing to sweep. */
  readonly lock: FileLock;
}

/** Where builds of a store have their directories. */
export function buildsDirOf(stateDir: string): string {
  return join(stateDir, "builds");
}

/** Notes where a build will work, before anything is made there; `undefined` when the name is in use. */
export async function claimPlaces(
  buildsDir: string,
  name: string,
  chrootDir: string,
): Promise<BuildPlaces | undefined> {
  await mkdir(buildsDir, { recursive: true, mode: 0o755 });
  const [tempDir, marker] = [join(buildsDir, name), join(buildsDir, `${name}.chroot`)];
  // What a kept or a killed build left under this name keeps its lock file, or the want of one.
  if ((await exists(tempDir)) || (await exists(marker))) return undefined;
  const lock = await lockFile(`${tempDir}.lock`, { wait: false });
  if (lock === undefined) return undefined;
  try {
    await symlink(chrootDir, marker);
  } catch (error) {
    lock.releaseAndDelete();
    throw error;
  }
  return { tempDir, chrootDir, marker, lock };
}

/** Removes the root of a build and the note of it. */
export async function removeChroot({ chrootDir, marker }: Pick<BuildPlaces, "chrootDir" | "marker">) {
  await removeTree(chrootDir);
  await rm(marker, { force: true });
}

/**
 * Removes what builds of processes that are gone left: they were killed before they could. A process is gone when
 * nobody holds the lock; process ids say nothing, as they are used again and differ between containers.
 *
 * @returns what could not be removed and why; the next sweep tries it again.
 */
export async function sweepDeadBuilds(buildsDir: string): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const file of await readdir(buildsDir).catch(nothingThere)) {
    if (!/^nix-\d+-\d+\.lock$/u.test(file)) continue;
    try {
      await sweepIfDead(join(buildsDir, file.slice(0, -".lock".length)));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      warnings.push(`cannot remove what a killed build left in '${buildsDir}': ${reason}`);
    }
  }
  return warnings;
}

async function sweepIfDead(tempDir: string): Promise<void> {
  const lock = await lockFile(`${tempDir}.lock`, { wait: false });
  if (lock === undefined) return;
  try {
    const marker = `${tempDir}.chroot`;
    if (await exists(marker)) await removeChroot({ chrootDir: await readlink(marker), marker });
    await removeTree(tempDir);
  } catch (error) {
    lock.release();
    throw error;
  }
  lock.releaseAndDelete();
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(ignoreAbsence)) !== undefined;
}

function ignoreAbsence(error: unknown): undefined {
  if (!hasCode(error, "ENOENT")) throw error;
}

function nothingThere(error: unknown): readonly string[] {
  ignoreAbsence(error);
  return [];
}
