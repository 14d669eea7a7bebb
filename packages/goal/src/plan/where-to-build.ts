import {
  type Derivation,
  type DerivationOptions,
  derivationType,
  hasKnownOutputPaths,
  isPure,
  isSandboxed,
  type StorePath,
} from "@drvkit/drv-parser";
import { GoalError } from "../error.js";
import type { Isolation } from "../ports/sandbox.js";
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
  if (options.noChroot && settings.sandbox === true)
    throw new GoalError(
      "ERR_GOAL_ATTRIBUTE",
      `derivation '${drvPath}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'`,
      { hint: "'sandbox = relaxed' allows it" },
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
 * Whether a build is isolated. One that asks not to be is so all the same where the store's directory is elsewhere on this
 * machine than builders are told.
 *
 * @throws {@link GoalError} `ERR_GOAL_FEATURE` for what needs isolation and has none.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `tryLocalBuild`
 */
export function isolationOf(
  { drv, options }: Demands,
  { sandbox }: WorkerSettings,
  canBeUnconfined: boolean,
): Isolation {
  const isWanted = sandbox === "relaxed" ? isSandboxed(derivationType(drv)) && !options.noChroot : sandbox;
  if (isWanted || !canBeUnconfined) return "sandbox";
  if (options.requiredSystemFeatures.has("uid-range"))
    throw new GoalError("ERR_GOAL_FEATURE", "feature 'uid-range' is only supported in sandboxed builds");
  return "none";
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
