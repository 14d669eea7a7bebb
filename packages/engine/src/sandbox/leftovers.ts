import { lstat, mkdir, readdir, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { removeTree } from "@drvkit/sandbox-native";
import { hasCode } from "../error.js";

/** Where one build works on this machine. */
export interface BuildPlaces {
  /** `BUILDS/nix-PID-N`: the build directory is in it. */
  readonly tempDir: string;
  /** Beside the store's objects, so that outputs can be renamed out of it. */
  readonly chrootDir: string;
  /** `BUILDS/nix-PID-N.chroot`: a link to `chrootDir` as long as it may exist. */
  readonly marker: string;
}

/** Where builds of a store have their directories. */
export function buildsDirOf(stateDir: string): string {
  return join(stateDir, "builds");
}

/** Notes where a build will work, before anything is made there. */
export async function claimPlaces(buildsDir: string, name: string, chrootDir: string): Promise<BuildPlaces> {
  await mkdir(buildsDir, { recursive: true, mode: 0o755 });
  const places = { tempDir: join(buildsDir, name), chrootDir, marker: join(buildsDir, `${name}.chroot`) };
  await symlink(chrootDir, places.marker);
  return places;
}

/** Removes the root of a build and the note of it. */
export async function removeChroot({ chrootDir, marker }: BuildPlaces): Promise<void> {
  await removeTree(chrootDir);
  await rm(marker, { force: true });
}

/** Removes what builds of processes that are gone left: they were killed before they could. */
export async function sweepDeadBuilds(buildsDir: string): Promise<void> {
  for (const name of await readdir(buildsDir).catch(nothingThere)) {
    const pid = /^nix-(\d+)-\d+(?:\.chroot)?$/u.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const path = join(buildsDir, name);
    if (name.endsWith(".chroot") && (await lstat(path)).isSymbolicLink())
      await removeTree(await readlink(path));
    await removeTree(path);
  }
}

function nothingThere(error: unknown): readonly string[] {
  if (hasCode(error, "ENOENT")) return [];
  throw error;
}

/** All processes that use one store share their process ids. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
}
