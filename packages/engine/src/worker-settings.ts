import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { WorkerSettings } from "@drvkit/goal";
import { parsePublicKey, parseSecretKey, type SecretKey } from "@drvkit/narinfo";
import { EngineSetupError } from "./error.js";
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
    secretKeys: settings["secret-key-files"].map(readSecretKey),
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
    sandbox: settings.sandbox === "relaxed" ? "relaxed" : settings.sandbox === "true",
    sandboxFallback: settings["sandbox-fallback"],
    experimentalFeatures: new Set(settings["experimental-features"]),
  };
}

function readSecretKey(file: string): SecretKey {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new EngineSetupError("ERR_SECRET_KEY", `cannot read the secret key file '${file}'`, {
      hint: "`secret-key-files` names files that `drv key generate` has made",
      cause,
    });
  }
  return parseSecretKey(text.trim());
}
