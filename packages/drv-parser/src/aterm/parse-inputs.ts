import { textOf } from "../bytes/text.js";
import { type DynamicInput, deepestNesting } from "../derivation/derivation.js";
import { DrvError } from "../error.js";
import { makeOutputName, type OutputName } from "../store-path/name.js";
import type { StoreDir } from "../store-path/store-dir.js";
import { isDerivationPath, parseStorePath, type StorePath } from "../store-path/store-path.js";
import type { Cursor } from "./cursor.js";
import { Order } from "./order.js";

/** Input derivations as a derivation has them. */
interface Inputs {
  readonly inputDrvs: ReadonlyMap<StorePath, ReadonlySet<OutputName>>;
  readonly dynamicInputs?: ReadonlyMap<StorePath, ReadonlyMap<OutputName, DynamicInput>>;
}

/** The input derivations; with nested ones only in the form with a version. */
export function parseInputs(cursor: Cursor, storeDir: StoreDir, versioned: boolean): Inputs {
  const inputDrvs = new Map<StorePath, ReadonlySet<OutputName>>();
  const dynamicInputs = new Map<StorePath, ReadonlyMap<OutputName, DynamicInput>>();
  const order = new Order(cursor);
  cursor.list(() => {
    const start = cursor.at;
    cursor.takeByte(0x28);
    const pathBytes = cursor.string();
    order.next(pathBytes, start);
    const path = parseStorePath(storeDir, textOf(pathBytes));
    if (!isDerivationPath(path))
      throw new DrvError("ERR_DRV_INPUT", `input '${path}' is not a derivation`, {
        hint: "its name must end in '.drv'",
      });
    cursor.takeByte(0x2c);
    const { outputs, dynamicOutputs } = versioned
      ? parseNode(cursor, 1)
      : { outputs: parseNames(cursor), dynamicOutputs: undefined };
    cursor.takeByte(0x29);
    inputDrvs.set(path, outputs);
    dynamicInputs.delete(path);
    if (dynamicOutputs !== undefined && dynamicOutputs.size > 0) dynamicInputs.set(path, dynamicOutputs);
  });
  if (versioned && dynamicInputs.size === 0) cursor.irregularity(0, "a version without nested inputs");
  return dynamicInputs.size === 0 ? { inputDrvs } : { inputDrvs, dynamicInputs };
}

/** Names of outputs, or those and what is wanted of outputs that are derivations. */
function parseNode(cursor: Cursor, depth: number): DynamicInput {
  if (depth > deepestNesting) cursor.fail(`at most ${deepestNesting} levels`);
  const start = cursor.at;
  if (cursor.peek() !== 0x28) {
    const outputs = parseNames(cursor);
    if (outputs.size === 0) cursor.fail("an output name", start + 1);
    return { outputs, dynamicOutputs: new Map() };
  }
  cursor.takeByte(0x28);
  const outputs = parseNames(cursor);
  cursor.takeByte(0x2c);
  const dynamicOutputs = new Map<OutputName, DynamicInput>();
  const order = new Order(cursor);
  const childrenStart = cursor.at;
  cursor.list(() => {
    const at = cursor.at;
    cursor.takeByte(0x28);
    const name = cursor.string();
    order.next(name, at);
    cursor.takeByte(0x2c);
    dynamicOutputs.set(makeOutputName(textOf(name)), parseNode(cursor, depth + 1));
    cursor.takeByte(0x29);
  });
  cursor.takeByte(0x29);
  if (dynamicOutputs.size === 0) {
    if (outputs.size === 0) cursor.fail("an output name", childrenStart + 1);
    cursor.irregularity(childrenStart, "nested inputs without any");
  }
  return { outputs, dynamicOutputs };
}

function parseNames(cursor: Cursor): ReadonlySet<OutputName> {
  const names = new Set<OutputName>();
  const order = new Order(cursor);
  cursor.list(() => {
    const at = cursor.at;
    const name = cursor.string();
    order.next(name, at);
    names.add(makeOutputName(textOf(name)));
  });
  return names;
}
