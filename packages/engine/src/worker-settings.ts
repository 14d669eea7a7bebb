import { availableParallelism } from "node:os";
import type { WorkerSettings } from "@drvkit/goal";
import { parsePublicKey } from "@drvkit/narinfo";
import type { Settings } from "./settings/table.js";

/** What goals need of the settings, in their units. */
export function workerSettings(settings: Settings): WorkerSettings {
  return {
    maxJobs: settings["max-jobs"],
    cores: settings.cores === 0 ? availableParallelism() : settings.cores,
    substitute: settings.substitute,
    fallback: settings.fallback,
    alwaysAllowSubstitutes: settings["always-allow-substitutes"],
    maxSubstitutionJobs: settings["max-substitution-jobs"],
    requireSignatures: settings["require-sigs"],
    trustedPublicKeys: settings["trusted-public-keys"].map((text) => parsePublicKey(text)),
    keepGoing: settings["keep-going"],
    keepFailed: settings["keep-failed"],
    timeoutSeconds: settings.timeout,
    maxSilentTimeSeconds: settings["max-silent-time"],
    maxBuildLogSizeBytes: settings["max-build-log-size"],
    logLines: settings["log-lines"],
    pollIntervalMs: settings["build-poll-interval"] * 1000,
    system: settings.system,
    extraPlatforms: settings["extra-platforms"],
    systemFeatures: new Set(settings["system-features"]),
    experimentalFeatures: new Set(settings["experimental-features"]),
  };
}
