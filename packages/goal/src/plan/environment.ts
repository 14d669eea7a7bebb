import {
  bytesOf,
  compareBytes,
  type Derivation,
  type DerivationOptions,
  derivationType,
  encodeNixBase32,
  hashBytes,
  isFixed,
  isSandboxed,
  type StoreDir,
} from "@drvkit/drv-parser";
import { type Rewrites, rewriteBytes } from "./rewrites.js";

/** What the environment depends on besides the derivation. */
export interface EnvironmentInputs {
  readonly storeDir: StoreDir;
  /** Build directory as seen inside. */
  readonly buildDir: string;
  readonly cores: number;
  readonly rewrites: Rewrites;
  readonly impureEnv: (name: string) => string | undefined;
}

type Entry = readonly [name: Uint8Array, value: Uint8Array];

/** File name of a variable that is passed as a file: its name may be anything, the file's may not. */
export function passedFileName(variable: string): string {
  return `.attr-${encodeNixBase32(hashBytes("sha256", bytesOf(variable)).digest)}`;
}

/**
 * The environment of a builder, sorted by name. Later entries win: a derivation may choose PATH, but not TMPDIR.
 *
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `initEnv`
 */
export function builderEnvironment(
  drv: Derivation,
  options: DerivationOptions,
  inputs: EnvironmentInputs,
): readonly Entry[] {
  const type = derivationType(drv);
  const byName = new Map<string, Entry>();
  const set = (name: Uint8Array, value: Uint8Array) => byName.set(latin1(name), [name, value]);
  const setText = (name: string, value: string) => set(bytesOf(name), bytesOf(value));

  setText("PATH", "/path-not-set");
  setText("HOME", "/homeless-shelter");
  setText("NIX_STORE", inputs.storeDir);
  setText("NIX_BUILD_CORES", String(inputs.cores));
  if (options.structuredAttrs !== undefined) {
    setText("NIX_ATTRS_SH_FILE", `${inputs.buildDir}/.attrs.sh`);
    setText("NIX_ATTRS_JSON_FILE", `${inputs.buildDir}/.attrs.json`);
  } else {
    const asFile = new Map(options.passAsFile.map((name) => [latin1(bytesOf(name)), name]));
    for (const [name, value] of drv.env.entries()) {
      const passed = asFile.get(latin1(name));
      if (passed === undefined) set(name, value);
      else setText(`${passed}Path`, `${inputs.buildDir}/${passedFileName(passed)}`);
    }
  }
  for (const name of ["NIX_BUILD_TOP", "TMPDIR", "TEMPDIR", "TMP", "TEMP", "PWD"])
    setText(name, inputs.buildDir);
  if (isFixed(type)) setText("NIX_OUTPUT_CHECKED", "1");
  if (!isSandboxed(type))
    for (const name of options.impureEnvVars) setText(name, inputs.impureEnv(name) ?? "");
  setText("NIX_LOG_FD", "2");
  setText("TERM", "xterm-256color");

  return [...byName.values()]
    .map((entry) => rewriteEntry(entry, inputs.rewrites))
    .sort(([a], [b]) => compareBytes(a, b));
}

/** `name=value` is rewritten as a whole; a name never holds the equals sign that ends it. */
function rewriteEntry([name, value]: Entry, rewrites: Rewrites): Entry {
  return [rewriteBytes(name, rewrites), rewriteBytes(value, rewrites)];
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
