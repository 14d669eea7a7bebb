import type { PublicKey, SecretKey } from "@drvkit/narinfo";

/** What steers goals. Names and defaults of Nix, in our units. */
export interface WorkerSettings {
  /** Builds at the same time; 0: none here. */
  readonly maxJobs: number;
  /** Value of NIX_BUILD_CORES. */
  readonly cores: number;
  /** Whether substituters are asked at all. */
  readonly substitute: boolean;
  /** Whether a derivation is built when a substituter that offered its outputs failed. */
  readonly fallback: boolean;
  /** Whether derivations that say `allowSubstitutes = false` are substituted all the same. */
  readonly alwaysAllowSubstitutes: boolean;
  /** Paths obtained at the same time; at least one. */
  readonly maxSubstitutionJobs: number;
  /** Whether what comes from elsewhere needs a signature, unless its path follows from its content. */
  readonly requireSignatures: boolean;
  readonly trustedPublicKeys: readonly PublicKey[];
  /** Keys that sign what is built. */
  readonly secretKeys: readonly SecretKey[];
  readonly keepGoing: boolean;
  readonly keepFailed: boolean;
  /** 0: no limit. */
  readonly timeoutSeconds: number;
  /** 0: no limit. */
  readonly maxSilentTimeSeconds: number;
  /** 0: no limit. */
  readonly maxBuildLogSizeBytes: number;
  readonly logLines: number;
  readonly pollIntervalMs: number;
  readonly system: string;
  readonly extraPlatforms: readonly string[];
  readonly systemFeatures: ReadonlySet<string>;
  /** Whether builds are isolated; `relaxed`: but those that ask not to be, and those that are not pure. */
  readonly sandbox: boolean | "relaxed";
  /** Whether a build goes on without isolation where it cannot be had. */
  readonly sandboxFallback: boolean;
  readonly experimentalFeatures: ReadonlySet<string>;
}

export const defaultWorkerSettings: WorkerSettings = {
  maxJobs: 1,
  cores: 1,
  substitute: true,
  fallback: false,
  alwaysAllowSubstitutes: false,
  maxSubstitutionJobs: 16,
  requireSignatures: true,
  trustedPublicKeys: [],
  secretKeys: [],
  keepGoing: false,
  keepFailed: false,
  timeoutSeconds: 0,
  maxSilentTimeSeconds: 0,
  maxBuildLogSizeBytes: 0,
  logLines: 10,
  pollIntervalMs: 5000,
  system: "x86_64-linux",
  extraPlatforms: [],
  systemFeatures: new Set(["nixos-test", "benchmark", "big-parallel"]),
  sandbox: true,
  sandboxFallback: false,
  experimentalFeatures: new Set(),
};

/**
 * How a run builds: `check` builds valid outputs again and compares; `repair` replaces what is not any more what was
 * registered.
 */
export type BuildMode = "normal" | "check" | "repair";
