import { hashPartOf, type StoreDir, type StorePath } from "@drvkit/drv-parser";
import type { BuildSpec, RunningBuild, SandboxPort } from "@drvkit/goal";
import { type ControlGroup, startSandbox, type UnconfinedSpec } from "@drvkit/sandbox-native";
import type { Settings } from "../settings/table.js";
import { type Begun, BegunSandboxes, endBegun } from "./begun.js";
import { type BindPlaces, Binds } from "./binds.js";
import { type BuildIds, takeBuildIds } from "./build-ids.js";
import { BuildNames } from "./build-names.js";
import { checkParents } from "./build-parents.js";
import { type BuildPlaces, buildsPlacesOf } from "./builds-places.js";
import { ControlGroups } from "./control-groups.js";
import { LocalBuild } from "./local-build.js";
import { networkProgram } from "./network.js";
import { runPreBuildHook } from "./pre-build-hook.js";
import { startWithoutSandbox } from "./unconfined.js";

/** Where things lie on this machine. */
export interface SandboxPlaces extends BindPlaces {
  readonly storeDir: StoreDir;
  readonly stateDir: string;
  readonly realStoreDir: string;
}

/** The sandbox port of `goal` on this machine: store paths become bind mounts, ids are allocated, left-overs removed. */
export class LocalSandbox implements SandboxPort {
  readonly buildDirInside: string;
  readonly #tempParent: string;
  readonly #names: BuildNames;
  readonly #binds: Binds;
  readonly #groups: ControlGroups;
  readonly #begun: BegunSandboxes;
  /** Places of builds that are not isolated, by the build directory that their builders were told. */
  readonly #unconfined = new Map<string, BuildPlaces>();

  constructor(
    private readonly places: SandboxPlaces,
    private readonly settings: Settings,
    private readonly env: NodeJS.ProcessEnv,
  ) {
    const builds = buildsPlacesOf(places, settings);
    this.#tempParent = builds.tempParent;
    this.#names = new BuildNames(builds);
    this.#binds = new Binds(places, settings);
    this.#groups = new ControlGroups(places, settings);
    this.#begun = new BegunSandboxes(settings, this.#groups);
    this.buildDirInside = settings["sandbox-build-dir"];
  }

  async unconfinedBuildDir(drvPath: StorePath): Promise<string> {
    const places = await this.#names.next(hashPartOf(drvPath));
    this.#unconfined.set(places.tempDir, places);
    return places.tempDir;
  }

  async start(spec: BuildSpec, signal: AbortSignal): Promise<RunningBuild | undefined> {
    signal.throwIfAborted();
    const begun = await this.#begun.take(spec);
    const ids = begun?.ids ?? (await this.#takeIds(spec));
    if (ids === undefined) return undefined;
    try {
      return await this.#startAs(ids, spec, signal, begun);
    } catch (error) {
      if (begun === undefined) ids.release();
      else await endBegun(begun);
      throw error;
    }
  }

  /** Those that are kept for a later build are for this one, if there are no others. */
  async #takeIds(spec: BuildSpec): Promise<BuildIds | undefined> {
    const ids = await takeBuildIds(this.settings, spec);
    if (ids !== undefined) return ids;
    await this.#begun.end();
    return takeBuildIds(this.settings, spec);
  }

  async #startAs(
    ids: BuildIds,
    spec: BuildSpec,
    signal: AbortSignal,
    begun: Begun | undefined,
  ): Promise<RunningBuild> {
    const places = this.#unconfined.get(spec.buildDir) ?? (await this.#names.next(hashPartOf(spec.drvPath)));
    this.#unconfined.delete(spec.buildDir);
    let group = begun?.group;
    try {
      if (ids.allocated) checkParents(this.#tempParent, spec.isolation);
      if (begun === undefined) group = await this.#groups.make(ids, spec.idRange);
      const common = this.#commonSpec(spec, ids, places, group);
      const { storeDir, realStoreDir } = this.places;
      const child =
        spec.isolation === "none"
          ? await startWithoutSandbox(common, { realStoreDir, isShared: ids.allocated })
          : await startSandbox(
              { ...common, ...(await this.#sandboxSpec(spec, places, signal)) },
              begun?.sandbox,
            );
      const hostTools = this.settings["host-tools"];
      const ended = () => this.#begun.ended(spec);
      const site = { spec, ids, places, names: this.#names, group, storeDir, realStoreDir, hostTools, ended };
      const build = new LocalBuild(child, site);
      if (!signal.aborted) {
        this.#begun.started(spec);
        return build;
      }
      await build.close({ keepBuildDir: false });
    } catch (error) {
      // The next sweep tries again; why the build did not start counts.
      await group?.remove().catch(() => undefined);
      await this.#names.remove(places).catch(() => undefined);
      throw error;
    }
    throw signal.reason;
  }

  /** When no build runs any more. */
  async close(): Promise<void> {
    await this.#begun.end();
    await this.#names.close();
  }

  #commonSpec(
    spec: BuildSpec,
    ids: BuildIds,
    { tempDir }: BuildPlaces,
    group: ControlGroup | undefined,
  ): UnconfinedSpec {
    const { settings } = this;
    const separator = Buffer.from("=");
    // Whoever has no rights in a namespace of its own may have a filter only without gaining any.
    const needsNoNewPrivileges = spec.isolation === "none" && !ids.allocated && settings["filter-syscalls"];
    return {
      builder: spec.builder,
      argv: spec.argv,
      env: spec.env.map(([name, value]) => Buffer.concat([name, separator, value])),
      tempDir,
      files: spec.files,
      hostUid: ids.uid,
      hostGid: ids.gid,
      personality32: has32Bits(spec.platform),
      linux26: settings["impersonate-linux-26"] && /^(i686|x86_64)-linux$/u.test(spec.platform),
      groupsMustGo: settings["require-drop-supplementary-groups"],
      filterCalls: settings["filter-syscalls"],
      newPrivileges: settings["allow-new-privileges"] && !needsNoNewPrivileges,
      ...(group === undefined ? {} : { cgroup: group.path }),
    };
  }

  async #sandboxSpec(spec: BuildSpec, { chrootDir }: BuildPlaces, signal: AbortSignal) {
    const { settings } = this;
    const hook = settings["pre-build-hook"];
    const { drvPath } = spec;
    const extra =
      hook === "" || spec.isInMemory
        ? []
        : await runPreBuildHook(hook, { drvPath, chrootDir, env: this.env, signal });
    const program = spec.network === "host" ? await networkProgram(settings, this.env) : undefined;
    return {
      chrootDir,
      storeDir: this.places.storeDir,
      buildDir: spec.buildDir,
      binds: await this.#binds.of(spec, extra),
      ...(program === undefined
        ? { network: spec.network }
        : { network: "program" as const, networkProgram: program }),
      idRange: spec.idRange,
      devShmSize: settings["sandbox-dev-shm-size"],
      kvm: settings["system-features"].includes("kvm"),
    };
  }
}

/** On a machine of 64 bits. */
function has32Bits(platform: string): boolean {
  const narrow: Readonly<Record<string, readonly string[]>> = {
    x64: ["i686-linux"],
    arm64: ["armv7l-linux", "armv6l-linux", "armv5tel-linux"],
  };
  return narrow[process.arch]?.includes(platform) ?? false;
}
