import { chmodSync } from "node:fs";
import { join } from "node:path";
import { hashPartOf, type StoreDir, type StorePath } from "@drvkit/drv-parser";
import type { BuildSpec, RunningBuild, SandboxEvent, SandboxPort } from "@drvkit/goal";
import {
  removeTree,
  type SandboxBind,
  type SandboxProcess,
  type SandboxSpec,
  startSandbox,
} from "@drvkit/sandbox-native";
import type { Settings } from "../settings/table.js";
import { allocateBuildIds, type BuildIds } from "./build-ids.js";
import { checkParents } from "./build-parents.js";
import { BuildNames, type BuildPlaces, buildsDirOf } from "./leftovers.js";
import { parseSandboxPaths } from "./sandbox-paths.js";
import { defaultShellPaths, hostToolPaths } from "./shell.js";

/** Where things lie on this machine. */
export interface SandboxPlaces {
  readonly storeDir: StoreDir;
  readonly stateDir: string;
  readonly realStoreDir: string;
  realPathOf(path: StorePath): string;
}

/** The sandbox port of `goal` on this machine: store paths become bind mounts, ids are allocated, left-overs removed. */
export class LocalSandbox implements SandboxPort {
  readonly buildDirInside: string;
  readonly #buildsDir: string;
  readonly #names: BuildNames;
  #configuredBinds: Promise<readonly SandboxBind[]> | undefined;

  constructor(
    private readonly places: SandboxPlaces,
    private readonly settings: Settings,
  ) {
    this.#buildsDir = buildsDirOf(places.stateDir);
    this.#names = new BuildNames({ buildsDir: this.#buildsDir, realStoreDir: places.realStoreDir });
    this.buildDirInside = settings["sandbox-build-dir"];
  }

  async start(spec: BuildSpec, signal: AbortSignal): Promise<RunningBuild | undefined> {
    signal.throwIfAborted();
    const ids = await allocateBuildIds({
      startId: this.settings["start-id"],
      idCount: this.settings["id-count"],
    });
    if (ids === undefined) return undefined;
    try {
      return await this.#startAs(ids, spec, signal);
    } catch (error) {
      ids.release();
      throw error;
    }
  }

  async #startAs(ids: BuildIds, spec: BuildSpec, signal: AbortSignal): Promise<RunningBuild> {
    const places = await this.#names.next(hashPartOf(spec.drvPath));
    try {
      if (ids.allocated) checkParents(this.#buildsDir);
      const child = await startSandbox(await this.#nativeSpec(spec, ids, places));
      const build = new LocalBuild(child, ids, {
        places,
        names: this.#names,
        storeDir: this.places.storeDir,
        hostTools: this.settings["host-tools"],
      });
      if (!signal.aborted) return build;
      await build.close({ keepBuildDir: false });
    } catch (error) {
      await this.#names.remove(places).catch(() => undefined); // the next sweep tries again; why the build did not start counts
      throw error;
    }
    throw signal.reason;
  }

  /** When no build runs any more. */
  close(): Promise<void> {
    return this.#names.close();
  }

  async #nativeSpec(spec: BuildSpec, ids: BuildIds, places: BuildPlaces): Promise<SandboxSpec> {
    const separator = Buffer.from("=");
    const inputs = spec.inputs.map((path) => ({
      source: this.places.realPathOf(path),
      target: path as string,
      writable: false,
      optional: false,
    }));
    return {
      builder: spec.builder,
      argv: spec.argv,
      env: spec.env.map(([name, value]) => Buffer.concat([name, separator, value])),
      chrootDir: places.chrootDir,
      storeDir: this.places.storeDir,
      tempDir: places.tempDir,
      buildDir: this.buildDirInside,
      files: spec.files,
      binds: [...(await this.#binds()), ...inputs],
      network: spec.network,
      hostUid: ids.uid,
      hostGid: ids.gid,
      personality32: spec.platform === "i686-linux" && process.arch === "x64",
      devShmSize: this.settings["sandbox-dev-shm-size"],
      kvm: this.settings["system-features"].includes("kvm"),
    };
  }

  #binds(): Promise<readonly SandboxBind[]> {
    this.#configuredBinds ??= configuredBinds(this.settings);
    return this.#configuredBinds;
  }
}

/** What appears inside besides the inputs; the default shell only when nothing configured gives one. */
async function configuredBinds(settings: Settings): Promise<readonly SandboxBind[]> {
  const configured = [...(settings["host-tools"] ? hostToolPaths : []), ...settings["sandbox-paths"]];
  const words = configured.length > 0 ? configured : await defaultShellPaths();
  return parseSandboxPaths(words, settings["sandbox-writable-paths"]);
}

/** What a build that runs belongs to. */
interface BuildSite {
  readonly places: BuildPlaces;
  readonly names: BuildNames;
  readonly storeDir: StoreDir;
  readonly hostTools: boolean;
}

class LocalBuild implements RunningBuild {
  readonly layers: readonly string[];
  readonly builderUid: number | undefined;
  readonly buildDir: string;
  readonly hostTools: boolean;
  readonly #events: AsyncIterator<SandboxEvent>;
  #closing: Promise<string | undefined> | undefined;

  constructor(
    private readonly child: SandboxProcess,
    private readonly ids: BuildIds,
    private readonly site: BuildSite,
  ) {
    this.hostTools = site.hostTools;
    this.layers = ids.allocated ? ["allocated-uid", ...child.layers] : child.layers;
    this.builderUid = ids.allocated ? ids.uid : undefined;
    this.buildDir = join(site.places.tempDir, "build");
    this.#events = child[Symbol.asyncIterator]();
  }

  /** A reader that stops early leaves the rest to `close`, which must see the end of the process. */
  [Symbol.asyncIterator](): AsyncIterator<SandboxEvent> {
    return { next: () => this.#events.next() };
  }

  scratchLocation(output: StorePath): string {
    const { places, storeDir } = this.site;
    return join(places.chrootDir, "store", output.slice(storeDir.length + 1));
  }

  kill(): void {
    this.child.kill();
  }

  close(options: { readonly keepBuildDir: boolean }): Promise<string | undefined> {
    this.#closing ??= this.#close(options.keepBuildDir);
    return this.#closing;
  }

  /** The build directory is closed to everybody before anything else, so that a failing removal leaves nothing usable. */
  async #close(keep: boolean): Promise<string | undefined> {
    const { places, names } = this.site;
    this.child.kill();
    while (!(await this.#events.next()).done);
    try {
      chmodSync(places.tempDir, 0o000);
      if (!keep) {
        await names.remove(places);
        return undefined;
      }
      await removeTree(places.chrootDir);
      chmodSync(places.tempDir, 0o755);
      chmodSync(this.buildDir, 0o755);
      return this.buildDir;
    } catch (error) {
      names.leave();
      throw error;
    } finally {
      this.ids.release();
    }
  }
}
