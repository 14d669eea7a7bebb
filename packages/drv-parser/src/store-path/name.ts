import { DrvError } from "../error.js";

/** Name part of a store path: what follows the dash. */
export type StorePathName = string & { readonly __brand: "StorePathName" };

/** Name of an output of a derivation. */
export type OutputName = string & { readonly __brand: "OutputName" };

const longestName = 211;
const legal = /^[0-9A-Za-z+\-._?=]+$/u;

/**
 * A name part for a path that is read: every legal character, 1 to 211 of them.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH`.
 */
export function checkName(text: string): StorePathName {
  if (text.length > 0 && text.length <= longestName && legal.test(text)) return text as StorePathName;
  throw new DrvError("ERR_STORE_PATH", `name '${text}' is not valid`, {
    hint: `use 1 to ${longestName} of the characters 0-9 a-z A-Z + - . _ ? =`,
  });
}

/**
 * A name part for a path that is made: not `.`, `..`, and neither followed by a dash.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH`.
 * @see Nix: src/libstore/path.cc, `checkName`
 */
export function makeName(text: string): StorePathName {
  const name = checkName(text);
  const first = text.split("-", 1)[0];
  if (first === "." || first === "..")
    throw new DrvError("ERR_STORE_PATH", `name '${text}' is not valid`, {
      hint: "a name must not be or begin with '.' or '..'",
    });
  return name;
}

/**
 * The output name that a text is.
 *
 * @throws {@link DrvError} `ERR_OUTPUT_NAME` unless it could be part of a store path's name.
 */
export function makeOutputName(text: string): OutputName {
  if (text === "out") return text as OutputName; // Nearly all are.
  if (text.length > 0 && text.length <= longestName && legal.test(text)) return text as OutputName;
  throw new DrvError("ERR_OUTPUT_NAME", `'${text}' is not an output name`, {
    hint: "use the characters 0-9 a-z A-Z + - . _ ? =",
  });
}

/**
 * Name part of an output's path: the derivation's name, with `-OUTPUT` unless the output is `out`.
 *
 * @throws {@link DrvError} `ERR_STORE_PATH` when that is too long or begins with a lone `.` or `..`.
 */
export function outputPathName(drvName: string, output: OutputName): StorePathName {
  return makeName(output === "out" ? drvName : `${drvName}-${output}`);
}
