import type { Derivation, DerivationOptions, StorePath } from "@drvkit/drv-parser";
import { GoalError } from "../error.js";
import type { WorkerSettings } from "../settings.js";

/**
 * Refuses a derivation that this machine cannot build.
 *
 * @throws {@link GoalError} `ERR_BUILD_REJECTED` listing every reason; `ERR_GOAL_ATTRIBUTE` for `__noChroot`.
 * @see Nix: src/libstore/build/derivation-building-goal.cc, `reasonToString`
 */
export function requireBuildable(
  drvPath: StorePath,
  drv: Derivation,
  options: DerivationOptions,
  settings: WorkerSettings,
): void {
  if (options.noChroot)
    throw new GoalError(
      "ERR_GOAL_ATTRIBUTE",
      `derivation '${drvPath}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'`,
      { hint: "builds always run in the sandbox here" },
    );
  const available = availableFeatures(settings);
  const builtin = /^builtin:(.*)$/su.exec(new TextDecoder().decode(drv.builder))?.[1];
  const reasons = [
    ...(settings.maxJobs === 0
      ? [
          "Reason: local builds are disabled (max-jobs = 0)",
          "Hint: set 'max-jobs' to a non-zero value to enable local builds, or configure remote builders via 'builders'",
        ]
      : []),
    ...(drv.platform === settings.system ||
    settings.extraPlatforms.includes(drv.platform) ||
    builtin !== undefined
      ? []
      : [
          "Reason: platform mismatch",
          `Required system: '${drv.platform}'`,
          `Current system: '${settings.system}'`,
        ]),
    ...([...options.requiredSystemFeatures].every((feature) => available.has(feature))
      ? []
      : [
          "Reason: missing system features",
          `Required features: ${featureList(options.requiredSystemFeatures)}`,
          `Available features: ${featureList(available)}`,
        ]),
  ];
  if (reasons.length > 0)
    throw new GoalError("ERR_BUILD_REJECTED", [`Cannot build '${drvPath}'.`, ...reasons].join("\n"));

  if (builtin !== undefined)
    throw new GoalError("ERR_BUILD_REJECTED", `unsupported builtin builder '${builtin}'`, {
      hint: "this version has no builtin builders",
    });
}

/** Outputs whose paths are not known need no machine of a special kind, only the feature. */
function availableFeatures({ systemFeatures, experimentalFeatures }: WorkerSettings): ReadonlySet<string> {
  return experimentalFeatures.has("ca-derivations")
    ? new Set([...systemFeatures, "ca-derivations"])
    : systemFeatures;
}

function featureList(features: ReadonlySet<string>): string {
  return `{${[...features].sort().join(", ")}}`;
}
