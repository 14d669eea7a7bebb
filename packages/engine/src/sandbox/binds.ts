import { realpath } from "node:fs/promises";
import { posix } from "node:path";
import { baseNameOf, type StoreDir, type StorePath, splitStorePath } from "@drvkit/drv-parser";
import type { BuildSpec } from "@drvkit/goal";
import type { SandboxBind } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";
import type { Settings } from "../settings/table.js";
import { parseSandboxPaths } from "./sandbox-paths.js";
import { defaultShellPaths, hostToolPaths } from "./shell.js";

/** What binds need to know of the store. */
export interface BindPlaces {
  readonly storeDir: StoreDir;
  realPathOf(path: StorePath): string;
  queryValidPaths(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>>;
  queryClosure(paths: readonly StorePath[]): Promise<readonly StorePath[]>;
}

/**
 * What appears inside besides the skeleton; a later source of entries replaces what an earlier one has at the same target.
 *
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `startBuilder`
 */
export class Binds {
  #configured: Promise<readonly SandboxBind[]> | undefined;

  constructor(
    private readonly places: BindPlaces,
    private readonly settings: Settings,
  ) {}

  /** `extra`: words of sandbox paths for this build alone. */
  async of(spec: BuildSpec, extra: readonly string[]): Promise<readonly SandboxBind[]> {
    const byTarget = new Map<string, SandboxBind>();
    const add = (binds: readonly SandboxBind[]) => {
      for (const bind of binds) byTarget.set(bind.target, bind);
    };
    add(await this.#withClosures(await this.#configuredBinds()));
    add(this.#impureHostDeps(spec));
    if (extra.length > 0) add(await this.#withClosures(parseSandboxPaths(extra, [])));
    add(spec.inputs.map((path) => this.#object(path)));
    for (const output of spec.outputs) byTarget.delete(output);
    if (spec.network === "host") add(await this.#certificates(byTarget));
    return [...byTarget.values()];
  }

  /** What the settings say, read once; the next build tries again what failed. */
  #configuredBinds(): Promise<readonly SandboxBind[]> {
    this.#configured ??= this.#readSettings().catch((error: unknown) => {
      this.#configured = undefined;
      throw error;
    });
    return this.#configured;
  }

  async #readSettings(): Promise<readonly SandboxBind[]> {
    const { settings } = this;
    const configured = [...(settings["host-tools"] ? hostToolPaths : []), ...settings["sandbox-paths"]];
    // The default shell only when nothing configured gives one.
    const words = configured.length > 0 ? configured : await defaultShellPaths();
    return parseSandboxPaths(words, settings["sandbox-writable-paths"]);
  }

  /**
   * A source in the store is shown from where the store really is, and it and what it refers to at their own places, where nothing else
   * is then shown. Asked for each build: what is valid changes.
   */
  async #withClosures(binds: readonly SandboxBind[]): Promise<readonly SandboxBind[]> {
    const objects = new Map(binds.map((bind) => [bind, this.#objectOf(bind.source)]));
    const named = [...objects.values()].filter((path) => path !== undefined);
    if (named.length === 0) return binds;
    const valid = await this.places.queryValidPaths(named);
    const closure = await this.places.queryClosure([...valid]);
    const real = binds.map((bind) => {
      const object = objects.get(bind);
      if (object === undefined || !valid.has(object)) return bind;
      return { ...bind, source: this.places.realPathOf(object) + bind.source.slice(object.length) };
    });
    return [...real, ...closure.map((path) => this.#object(path))];
  }

  #object(path: StorePath): SandboxBind {
    return { source: this.places.realPathOf(path), target: path, writable: false, optional: false };
  }

  #objectOf(source: string): StorePath | undefined {
    const { storeDir } = this.places;
    if (!source.startsWith(`${storeDir}/`)) return undefined;
    try {
      return splitStorePath(storeDir, source).path;
    } catch {
      return undefined; // a file there that is no object
    }
  }

  #impureHostDeps({ drvPath, impureHostDeps }: BuildSpec): readonly SandboxBind[] {
    const allowed = this.settings["allowed-impure-host-deps"];
    return impureHostDeps.map((text) => {
      const path = canonical(text);
      if (!posix.isAbsolute(path) || !allowed.some((entry) => isBelow(path, canonical(entry))))
        throw new EngineSetupError(
          "ERR_IMPURE_HOST_DEP",
          `derivation '${drvPath}' requested impure path '${text}', but it was not in allowed-impure-host-deps`,
          { hint: `add it to 'allowed-impure-host-deps' if '${baseNameOf(drvPath)}' may see it` },
        );
      return { source: path, target: path, writable: false, optional: true };
    });
  }

  /** Certificates where programs look for them, unless something else is shown there. */
  async #certificates(shown: ReadonlyMap<string, SandboxBind>): Promise<readonly SandboxBind[]> {
    const target = "/etc/ssl/certs/ca-certificates.crt";
    if ([...shown.keys()].some((path) => isBelow(target, path))) return [];
    const named = this.settings["ssl-cert-file"];
    for (const place of named === "" ? certificatePlaces : [named]) {
      const source = await realpath(place).catch(() => undefined);
      if (source !== undefined) return [{ source, target, writable: false, optional: true }];
    }
    return [];
  }
}

const certificatePlaces = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/ssl/certs/ca-bundle.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
];

/** By its text alone: where links lead is nothing that a derivation is told. */
function canonical(path: string): string {
  return posix.normalize(path).replace(/(.)\/+$/u, "$1");
}

/** Whether a path is an entry or lies below it; both canonical. */
function isBelow(path: string, entry: string): boolean {
  return path === entry || path.startsWith(entry === "/" ? "/" : `${entry}/`);
}
