import {
  type Derivation,
  type DerivationOptions,
  derivationType,
  hasKnownOutputPaths,
  isPure,
  type StorePath,
} from "@drvkit/drv-parser";
import { GoalError } from "../error.js";
import type { BuildMode, WorkerSettings } from "../settings.js";

/** What is asked of a machine. */
export interface Demands {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly options: DerivationOptions;
}

/**
 * Refuses a derivation that this machine cannot build.
 *
 * @throws {@link GoalError} `ERR_BUILD_REJECTED` listing every reason; `ERR_GOAL_ATTRIBUTE` for `__noChroot`.
 * @see Nix: src/libstore/build/derivation-building-goal.cc, `reasonToString`
 */
export function requireBuildable(demands: Demands, settings: WorkerSettings): void {
  const { drvPath, options } = demands;
  if (options.noChroot)
    throw new GoalError(
      "ERR_GOAL_ATTRIBUTE",
      `derivation '${drvPath}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'`,
      { hint: "builds always run in the sandbox here" },
    );
  const reasons = [
    ...(settings.maxJobs === 0
      ? [
          "Reason: local builds are disabled (max-jobs = 0)",
          "Hint: set 'max-jobs' to a non-zero value to enable local builds, or configure remote builders via 'builders'",
        ]
      : []),
    ...misfits(demands, settings),
  ];
  if (reasons.length > 0)
    throw new GoalError("ERR_BUILD_REJECTED", [`Cannot build '${drvPath}'.`, ...reasons].join("\n"));

  const builtin = builtinOf(demands.drv);
  if (builtin !== undefined)
    throw new GoalError("ERR_BUILD_REJECTED", `unsupported builtin builder '${builtin}'`, {
      hint: "this version has no builtin builders",
    });
}

/**
 * Whether a build hook is to be asked: not about what is best built here and can be, and not about what must be compared
 * with what is here.
 */
export function isForHook(demands: Demands, settings: WorkerSettings, mode: BuildMode): boolean {
  if (mode !== "normal" || !isPure(derivationType(demands.drv))) return false;
  const isForHere = demands.options.preferLocalBuild && misfits(demands, settings).length === 0;
  return settings.maxJobs === 0 || !isForHere;
}

/** What a machine must be able to do; features named for other machines than this one, too. */
export function requiredFeatures({ drv, options }: Demands): ReadonlySet<string> {
  const features = options.requiredSystemFeatures;
  return hasKnownOutputPaths(derivationType(drv)) ? features : new Set([...features, "ca-derivations"]);
}

/** Why it is not for a machine of this kind. */
function misfits({ drv, options }: Demands, settings: WorkerSettings): readonly string[] {
  const available = availableFeatures(settings);
  return [
    ...(drv.platform === settings.system ||
    settings.extraPlatforms.includes(drv.platform) ||
    builtinOf(drv) !== undefined
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
}

function builtinOf(drv: Derivation): string | undefined {
  return /^builtin:(.*)$/su.exec(new TextDecoder().decode(drv.builder))?.[1];
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
