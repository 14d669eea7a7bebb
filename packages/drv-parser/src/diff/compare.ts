import { replaceAll } from "../bytes/replace.js";
import { compareBytes, compareText } from "../bytes/text.js";
import type { Derivation, DerivationOutput } from "../derivation/derivation.js";
import { hashesEqual } from "../hash/hash.js";
import type { ReadDerivation } from "../modulo.js";
import { outputPlaceholder, upstreamPlaceholder } from "../placeholder.js";
import type { OutputName } from "../store-path/name.js";
import { derivationNameOf, namePartOf, type StorePath } from "../store-path/store-path.js";
import type { DerivationDifference } from "./diff.js";
import type { Matches, Pair } from "./match.js";

/** A derivation and where it lies. */
interface Located {
  readonly path: StorePath;
  readonly drv: Derivation;
}

/** What differs between two derivations, aside from paths of what corresponds in them. */
export function compareDerivations(
  a: Located,
  b: Located,
  matches: Matches,
  read: ReadDerivation,
): readonly DerivationDifference[] {
  const [inA, inB] = [neutralNames(a, "a", matches, read), neutralNames(b, "b", matches, read)];
  return [
    ...(a.drv.platform === b.drv.platform
      ? []
      : [{ kind: "platform", a: a.drv.platform, b: b.drv.platform } as const]),
    ...compareCommands(a.drv, b.drv, inA, inB),
    ...compareVariables(a.drv, b.drv, inA, inB),
    ...compareOutputs(a.drv, b.drv),
    ...compareInputs(a.drv, b.drv, matches),
  ];
}

/** Store paths and placeholders by names that are the same on both sides where they mean the same. */
type Neutral = ReadonlyMap<string, string>;

function neutralNames({ drv }: Located, side: keyof Pair, matches: Matches, read: ReadDerivation): Neutral {
  const names = new Map<string, string>();
  for (const [name, output] of drv.outputs) {
    if ("path" in output) names.set(output.path, `<output ${name}>`);
    names.set(outputPlaceholder(name), `<output ${name}>`);
  }
  for (const pair of matches.sources) names.set(pair[side], `<source ${namePartOf(pair[side])}>`);
  for (const pair of matches.inputs) {
    const path = pair[side];
    const of = derivationNameOf(path);
    names.set(path, `<derivation ${of}>`);
    // The same on both sides: its paths are equal, and there is nothing to read.
    if (pair.a === pair.b) continue;
    for (const [name, output] of read(path).outputs) {
      if ("path" in output) names.set(output.path, `<output ${name} of ${of}>`);
      names.set(upstreamPlaceholder(path, name), `<output ${name} of ${of}>`);
    }
  }
  return names;
}

function* compareCommands(
  a: Derivation,
  b: Derivation,
  inA: Neutral,
  inB: Neutral,
): Generator<DerivationDifference, void, undefined> {
  if (!equal(a.builder, b.builder, inA, inB)) yield { kind: "builder", a: a.builder, b: b.builder };
  const sameArgs =
    a.args.length === b.args.length &&
    a.args.every((arg, index) => equal(arg, b.args[index] as Uint8Array, inA, inB));
  if (!sameArgs) yield { kind: "args", a: a.args, b: b.args };
}

/** Both are in the order of names: one walk finds what only one of them has. */
function* compareVariables(
  a: Derivation,
  b: Derivation,
  inA: Neutral,
  inB: Neutral,
): Generator<DerivationDifference, void, undefined> {
  const [left, right] = [[...a.env.entries()], [...b.env.entries()]];
  let [i, j] = [0, 0];
  for (;;) {
    const [l, r] = [left[i], right[j]];
    if (l === undefined && r === undefined) return;
    const order = l === undefined ? 1 : r === undefined ? -1 : compareBytes(l[0], r[0]);
    if (order < 0 && l !== undefined) yield { kind: "variable", name: l[0], a: l[1], b: undefined };
    else if (order > 0 && r !== undefined) yield { kind: "variable", name: r[0], a: undefined, b: r[1] };
    else if (l !== undefined && r !== undefined && !equal(l[1], r[1], inA, inB))
      yield { kind: "variable", name: l[0], a: l[1], b: r[1] };
    if (order <= 0) i += 1;
    if (order >= 0) j += 1;
  }
}

/** Paths follow from everything else and do not count. */
function* compareOutputs(a: Derivation, b: Derivation): Generator<DerivationDifference, void, undefined> {
  const names = [...new Set([...a.outputs.keys(), ...b.outputs.keys()])].sort(compareText);
  for (const name of names) {
    const [left, right] = [a.outputs.get(name), b.outputs.get(name)];
    if (!isSameKind(left, right)) yield { kind: "output", name, a: left, b: right };
  }
}

function isSameKind(a: DerivationOutput | undefined, b: DerivationOutput | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  const [left, right] = [a.kind === "deferred", b.kind === "deferred"];
  if (left || right) return (left || a.kind === "inputAddressed") && (right || b.kind === "inputAddressed");
  if (a.kind === "fixed" && b.kind === "fixed")
    return a.ca.method === b.ca.method && hashesEqual(a.ca.hash, b.ca.hash);
  if ("method" in a && "method" in b)
    return a.kind === b.kind && a.method === b.method && a.algorithm === b.algorithm;
  return a.kind === b.kind;
}

function* compareInputs(
  a: Derivation,
  b: Derivation,
  { inputs, sources, onlyA, onlyB }: Matches,
): Generator<DerivationDifference, void, undefined> {
  for (const pair of sources) if (pair.a !== pair.b) yield { kind: "source", ...pair };
  for (const path of onlyA.sources) yield { kind: "source", a: path, b: undefined };
  for (const path of onlyB.sources) yield { kind: "source", a: undefined, b: path };
  for (const path of onlyA.inputs) yield { kind: "input", a: path, b: undefined };
  for (const path of onlyB.inputs) yield { kind: "input", a: undefined, b: path };
  for (const pair of inputs) {
    const [left, right] = [wanted(a, pair.a), wanted(b, pair.b)];
    if (left.size !== right.size || [...left].some((name) => !right.has(name)))
      yield { kind: "wantedOutputs", of: pair.b, a: left, b: right };
  }
}

function wanted(drv: Derivation, input: StorePath): ReadonlySet<OutputName> {
  return drv.inputDrvs.get(input) ?? new Set();
}

function equal(a: Uint8Array, b: Uint8Array, inA: Neutral, inB: Neutral): boolean {
  if (compareBytes(a, b) === 0) return true;
  return compareBytes(replaceAll(a, inA), replaceAll(b, inB)) === 0;
}
