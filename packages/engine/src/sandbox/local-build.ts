import { chmodSync, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { StoreDir, StorePath } from "@drvkit/drv-parser";
import type { BuildSpec, BuildUsage, Isolation, RunningBuild, SandboxEvent, UidRange } from "@drvkit/goal";
import { type ControlGroup, removeTree, type SandboxProcess } from "@drvkit/sandbox-native";
import type { BuildIds } from "./build-ids.js";
import type { BuildNames } from "./build-names.js";
import type { BuildPlaces } from "./builds-places.js";

/** What a build that runs belongs to. */
export interface BuildSite {
  readonly spec: BuildSpec;
  readonly ids: BuildIds;
  readonly places: BuildPlaces;
  readonly names: BuildNames;
  readonly group: ControlGroup | undefined;
  readonly storeDir: StoreDir;
  readonly realStoreDir: string;
  readonly hostTools: boolean;
  /** Called when the builder has ended, whatever remains to be done. */
  readonly ended: () => void;
}

/** A builder that runs, in a sandbox or without one. */
export class LocalBuild implements RunningBuild {
  readonly layers: readonly string[];
  readonly builderUids: UidRange | undefined;
  readonly builderGid: number | undefined;
  readonly buildDir: string;
  readonly hostTools: boolean;
  readonly isolation: Isolation;
  readonly #events: AsyncIterator<SandboxEvent>;
  #closing: Promise<string | undefined> | undefined;

  constructor(
    private readonly child: SandboxProcess,
    private readonly site: BuildSite,
  ) {
    const { ids, places, spec } = site;
    this.hostTools = site.hostTools;
    this.isolation = spec.isolation;
    this.layers = child.layers;
    this.builderUids = ids.allocated ? { first: ids.uid, count: ids.count } : undefined;
    this.builderGid = ids.allocated ? ids.gid : undefined;
    this.buildDir = spec.isolation === "sandbox" ? join(places.tempDir, "build") : places.tempDir;
    this.#events = child[Symbol.asyncIterator]();
  }

  /** A reader that stops early leaves the rest to `close`, which must see the end of the process. */
  [Symbol.asyncIterator](): AsyncIterator<SandboxEvent> {
    return { next: () => this.#next() };
  }

  async #next(): Promise<IteratorResult<SandboxEvent>> {
    const next = await this.#events.next();
    if (next.done !== true && next.value.type === "exit") this.site.ended();
    return next;
  }

  scratchLocation(output: StorePath): string {
    const { places, storeDir, realStoreDir } = this.site;
    const name = output.slice(storeDir.length + 1);
    return this.isolation === "sandbox" ? join(places.chrootDir, "store", name) : join(realStoreDir, name);
  }

  usage(): BuildUsage | undefined {
    try {
      return this.site.group?.usage();
    } catch {
      return undefined; // the group is gone: nothing of a build depends on it
    }
  }

  /** Its own end is the end of all that it started; the group is emptied once that is known. */
  kill(): void {
    this.child.kill();
  }

  close(options: { readonly keepBuildDir: boolean }): Promise<string | undefined> {
    this.#closing ??= this.#close(options.keepBuildDir);
    return this.#closing;
  }

  /** The build directory is closed to everybody before anything else, so that a failing removal leaves nothing usable. */
  async #close(keep: boolean): Promise<string | undefined> {
    this.child.kill();
    while (!(await this.#events.next()).done);
    try {
      return await this.#tidy(keep);
    } finally {
      // What may still run under the ids keeps them.
      await this.site.group?.remove();
      if (this.isolation === "none" && this.builderUids !== undefined)
        await removeOwned(this.site.realStoreDir, this.builderUids);
      this.site.ids.release();
    }
  }

  async #tidy(keep: boolean): Promise<string | undefined> {
    const { places, names } = this.site;
    try {
      chmodSync(places.tempDir, 0o000);
      if (!keep) {
        await names.remove(places);
        return undefined;
      }
      await removeTree(places.chrootDir);
      chmodSync(places.tempDir, 0o755);
      if (this.buildDir !== places.tempDir) chmodSync(this.buildDir, 0o755);
      return this.buildDir;
    } catch (error) {
      names.leave();
      throw error;
    }
  }
}

/** What a builder that shared the store's directory made there besides its outputs, which are its own no more. */
async function removeOwned(realStoreDir: string, uids: UidRange): Promise<void> {
  for (const name of readdirSync(realStoreDir)) {
    const path = join(realStoreDir, name);
    const uid = lstatSync(path, { throwIfNoEntry: false })?.uid;
    if (uid === undefined || uid < uids.first || uid >= uids.first + uids.count) continue;
    await removeTree(path);
  }
}
