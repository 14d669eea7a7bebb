import type { Derivation, DerivationOutput } from "../derivation/derivation.js";
import type { ReadDerivation } from "../modulo.js";
import type { OutputName } from "../store-path/name.js";
import type { StorePath } from "../store-path/store-path.js";
import { compareDerivations } from "./compare.js";
import { matchInputs } from "./match.js";

/** Something in which two derivations differ; what only one of them has is `undefined` on the other side. */
export type DerivationDifference =
  | { readonly kind: "platform"; readonly a: string; readonly b: string }
  | { readonly kind: "builder"; readonly a: Uint8Array; readonly b: Uint8Array }
  | { readonly kind: "args"; readonly a: readonly Uint8Array[]; readonly b: readonly Uint8Array[] }
  | {
      readonly kind: "variable";
      readonly name: Uint8Array;
      readonly a: Uint8Array | undefined;
      readonly b: Uint8Array | undefined;
    }
  | {
      readonly kind: "output";
      readonly name: OutputName;
      readonly a: DerivationOutput | undefined;
      readonly b: DerivationOutput | undefined;
    }
  | { readonly kind: "source"; readonly a: StorePath | undefined; readonly b: StorePath | undefined }
  | { readonly kind: "input"; readonly a: StorePath | undefined; readonly b: StorePath | undefined }
  | {
      readonly kind: "wantedOutputs";
      readonly of: StorePath;
      readonly a: ReadonlySet<OutputName>;
      readonly b: ReadonlySet<OutputName>;
    };

/** Two derivations that correspond to one another and are not the same. */
export interface DiffStep {
  readonly a: StorePath;
  readonly b: StorePath;
  /** In what they differ of their own: what only follows from their inputs is not repeated. */
  readonly differences: readonly DerivationDifference[];
  /** Input derivations that correspond and differ; each pair has a step of its own before this one. */
  readonly inputs: readonly { readonly a: StorePath; readonly b: StorePath }[];
  /** Whether their output paths differ, so that what uses them is built anew. */
  readonly outputsDiffer: boolean;
}

/**
 * What makes two derivations differ: a step for each pair of corresponding derivations that are not the same, causes
 * before what follows from them, the two themselves last. Each pair is looked at once, however often it is used, with a
 * stack of our own: graphs are deep.
 *
 * @throws what `read` throws.
 */
export function diffDerivations(a: StorePath, b: StorePath, read: ReadDerivation): readonly DiffStep[] {
  const steps: DiffStep[] = [];
  const seen = new Set<string>();
  const stack: Frame[] = [];
  const enter = (left: StorePath, right: StorePath) => {
    const key = `${left} ${right}`;
    if (left === right || seen.has(key)) return;
    seen.add(key);
    stack.push(frameOf(left, right, read));
  };
  enter(a, b);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.step.inputs[top.next];
    top.next += 1;
    if (next !== undefined) enter(next.a, next.b);
    else {
      stack.pop();
      steps.push(top.step);
    }
  }
  return steps;
}

interface Frame {
  readonly step: DiffStep;
  next: number;
}

function frameOf(a: StorePath, b: StorePath, read: ReadDerivation): Frame {
  const [left, right] = [read(a), read(b)];
  const matches = matchInputs(left, right);
  const differences = compareDerivations({ path: a, drv: left }, { path: b, drv: right }, matches, read);
  const inputs = matches.inputs.filter((pair) => pair.a !== pair.b);
  return { step: { a, b, differences, inputs, outputsDiffer: outputsDiffer(left, right) }, next: 0 };
}

/** Paths that are not known differ whenever the derivations do. */
function outputsDiffer(a: Derivation, b: Derivation): boolean {
  if (a.outputs.size !== b.outputs.size) return true;
  return [...a.outputs].some(([name, output]) => {
    const other = b.outputs.get(name);
    return other === undefined || !("path" in output) || !("path" in other) || output.path !== other.path;
  });
}
