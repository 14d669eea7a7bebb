import { GoalError } from "../error.js";
import type { HookQuestion } from "../ports/build-hook.js";

/** A machine that can build: one entry of the setting `builders`. */
export interface Machine {
  /** URI of its store. */
  readonly uri: string;
  readonly systems: ReadonlySet<string>;
  /** File of the private key. */
  readonly sshKey?: string;
  readonly maxJobs: number;
  /** At least 1. */
  readonly speedFactor: number;
  readonly supportedFeatures: ReadonlySet<string>;
  /** It builds only what asks for all of these. */
  readonly mandatoryFeatures: ReadonlySet<string>;
  /** Base 64. */
  readonly publicHostKey?: string;
}

/** What entries that say less than everything mean. */
export interface MachineDefaults {
  readonly system: string;
  /** Content of a file that an entry `@FILE` names; `undefined` where there is none. */
  readonly readFile: (path: string) => string | undefined;
}

/** Files may name files. */
const deepest = 16;

/**
 * The machines that the setting `builders` lists.
 *
 * @throws {@link GoalError} `ERR_HOOK_MACHINE` for an entry that cannot be read.
 * @see Nix: src/libstore/machines.cc, `parseBuilderLine`
 */
export function parseMachines(builders: string, defaults: MachineDefaults): readonly Machine[] {
  return entriesOf(builders, defaults, 0).map((entry) => parseMachine(entry, defaults.system));
}

/** The machine that is best for a derivation now: `busy` when those that could build it have no room, `none` when there is none. */
export function chooseMachine(
  machines: readonly Machine[],
  question: Pick<HookQuestion, "platform" | "requiredFeatures">,
  /** How many builds it has. */
  loadOf: (machine: Machine) => number,
): Machine | "busy" | "none" {
  const able = machines.filter((machine) => canBuild(machine, question));
  if (able.length === 0) return "none";
  const free = able
    .map((machine) => ({ machine, load: loadOf(machine) }))
    .filter(({ machine, load }) => load < machine.maxJobs);
  const [best] = free.sort(
    (a, b) =>
      a.load / a.machine.speedFactor - b.load / b.machine.speedFactor ||
      b.machine.speedFactor - a.machine.speedFactor ||
      a.load - b.load,
  );
  return best?.machine ?? "busy";
}

function canBuild(
  { systems, supportedFeatures, mandatoryFeatures }: Machine,
  { platform, requiredFeatures }: Pick<HookQuestion, "platform" | "requiredFeatures">,
): boolean {
  return (
    (systems.has(platform) || platform === "builtin") &&
    [...requiredFeatures].every((each) => supportedFeatures.has(each) || mandatoryFeatures.has(each)) &&
    [...mandatoryFeatures].every((each) => requiredFeatures.has(each))
  );
}

function entriesOf(text: string, defaults: MachineDefaults, depth: number): readonly string[] {
  if (depth > deepest) throw bad("files of machines name each other");
  return text
    .split("\n")
    .map((line) => line.replace(/#.*$/u, ""))
    .flatMap((line) => line.split(";"))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .flatMap((entry) => {
      if (!entry.startsWith("@")) return [entry];
      return entriesOf(defaults.readFile(entry.slice(1).trim()) ?? "", defaults, depth + 1);
    });
}

function parseMachine(entry: string, ownSystem: string): Machine {
  const fields = entry.split(/\s+/u).map((field) => (field === "-" ? undefined : field));
  const [uri, systems = ownSystem, sshKey, maxJobs, speedFactor, supported, mandatory, publicHostKey] =
    fields;
  if (uri === undefined) throw bad(`'${entry}' names no store`);
  if (fields.length > 8) throw bad(`'${entry}' has more than eight fields`);
  if (publicHostKey !== undefined && !/^[A-Za-z0-9+/]+=*$/u.test(publicHostKey))
    throw bad(`the public host key '${publicHostKey}' is not base 64`);
  return {
    uri: storeUri(uri),
    systems: listOf(systems),
    ...(sshKey === undefined ? {} : { sshKey }),
    maxJobs: numberOf(maxJobs, "number of jobs"),
    speedFactor: Math.max(1, numberOf(speedFactor, "speed factor")),
    supportedFeatures: listOf(supported),
    mandatoryFeatures: listOf(mandatory),
    ...(publicHostKey === undefined ? {} : { publicHostKey }),
  };
}

/** A plain name is that of a machine that is reached by ssh. */
function storeUri(text: string): string {
  const isUri = text.includes("/") || /^(?:auto|daemon|local|)(?:\?|$)/u.test(text);
  return isUri ? text : `ssh://${text}`;
}

function listOf(text: string | undefined): ReadonlySet<string> {
  return new Set((text ?? "").split(",").filter((word) => word !== ""));
}

function numberOf(text: string | undefined, what: string): number {
  if (text === undefined) return 1;
  const value = /^\d+$/u.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw bad(`the ${what} '${text}' is no whole decimal number`);
}

function bad(reason: string): GoalError {
  return new GoalError("ERR_HOOK_MACHINE", `bad machine specification: ${reason}`, {
    hint: "URI SYSTEMS SSH-KEY MAX-JOBS SPEED-FACTOR FEATURES MANDATORY-FEATURES HOST-KEY; `-` for a default",
  });
}
