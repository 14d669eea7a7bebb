import { unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { hasCode } from "../error.js";
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

/** Leads to where a run makes its directories, if that is not beside it: who sweeps may have other settings. */
export function parentLink(buildsDir: string, run: string): string {
  return join(buildsDir, `nix-${run}.parent`);
}

export async function forgetParent(buildsDir: string, run: string): Promise<void> {
  await unlink(parentLink(buildsDir, run)).catch(ignoreAbsence);
}

export function placesOf(
  { tempParent, realStoreDir }: Pick<BuildsPlaces, "tempParent" | "realStoreDir">,
  { run, count, hashPart }: { readonly run: string; readonly count: string; readonly hashPart: string },
): BuildPlaces {
  return {
    tempDir: join(tempParent, `nix-${run}-${count}-${hashPart}`),
    chrootDir: join(realStoreDir, `${hashPart}-${run}-${count}.chroot`),
  };
}

export function isOf(run: string, name: string): boolean {
  return name.startsWith(`nix-${run}-`);
}

/** For reading what may be absent. */
export function ignoreAbsence(error: unknown): undefined {
  if (!hasCode(error, "ENOENT")) throw error;
}

/** For listing it. */
export function nothingThere(error: unknown): readonly string[] {
  ignoreAbsence(error);
  return [];
}
