import {
  bytesOf,
  computeDerivationPath,
  computeOutputPaths,
  type Derivation,
  type DerivationOutline,
  Environment,
  hashBytes,
  makeOutputName,
  makeStorePath,
  printDerivation,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo, Realisation } from "@drvkit/narinfo";
import type { StorePort } from "../../ports/store.js";
import { archiveOf } from "../fake-tree.js";
import { pathInfoOf } from "../path-info.js";

/** A fresh, empty store, and a way to put files where it expects them. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: StorePort;
  writeFile(path: string, content: Uint8Array): Promise<void>;
  /** Permission bits of what is at `path`. Without it nothing is proved of the mode and the end of temporary directories. */
  modeOf?(path: string): Promise<number | undefined>;
}

/** What holds, and the proof. */
export type Case = readonly [name: string, prove: (under: StoreUnderTest) => Promise<void>];

/** `c` refers to `b`, `b` to `a`. */
export function objects(storeDir: StoreDir): {
  readonly a: PathInfo;
  readonly b: PathInfo;
  readonly c: PathInfo;
} {
  const object = (name: string, digit: string, references: readonly StorePath[]): PathInfo => ({
    path: makeStorePath(storeDir, `${digit.repeat(32)}-${name}`),
    narHash: hashBytes("sha256", bytesOf(name)),
    narSizeBytes: 120,
    references: new Set(references),
    registrationTimeSeconds: 1,
    ultimate: false,
    signatures: [],
  });
  const a = object("a", "b", []);
  const b = object("b", "a", [a.path]);
  return { a, b, c: object("c", "c", [b.path]) };
}

export function realisationOf(name: string, outPath: StorePath): Realisation {
  const id = {
    type: "hash",
    hash: hashBytes("sha256", bytesOf(name)),
    outputName: makeOutputName("out"),
  } as const;
  return { id, outPath, signatures: [], dependentRealisations: new Map() };
}

/** An object of some files, and its archive. */
export function archived(storeDir: StoreDir): { readonly info: PathInfo; readonly archive: Uint8Array } {
  const archive = archiveOf({
    type: "directory",
    entries: {
      bin: {
        type: "directory",
        entries: { run: { type: "regular", content: bytesOf("#!"), executable: true } },
      },
      link: { type: "symlink", target: "bin/run" },
      text: "text\n",
    },
  });
  const path = makeStorePath(storeDir, `${"f".repeat(32)}-archived`);
  const info = pathInfoOf(path, archive, { signatures: ["key:sig"] });
  return { info, archive };
}

export async function* inPieces(
  bytes: Uint8Array,
  length: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

export function unaborted(): { readonly signal: AbortSignal } {
  return { signal: new AbortController().signal };
}

export async function required(store: StorePort, path: StorePath): Promise<PathInfo> {
  const info = await store.queryPathInfo(path);
  if (info === undefined) throw new Error(`'${path}' is not valid`);
  return info;
}

export function unknown(storeDir: StoreDir): StorePath {
  return makeStorePath(storeDir, `${"d".repeat(32)}-unknown`);
}

export async function registerDerivation({ store, writeFile }: StoreUnderTest) {
  const out = makeOutputName("out");
  const plain: Derivation = {
    name: "contract",
    outputs: new Map([[out, { kind: "deferred" }]]),
    inputDrvs: new Map(),
    inputSrcs: new Set(),
    platform: "x86_64-linux",
    builder: bytesOf("/bin/sh"),
    args: [],
    env: Environment.from([[bytesOf("out"), bytesOf("")]]),
  };
  const unread = () => {
    throw new Error("the derivation has no inputs");
  };
  const path = computeOutputPaths(plain, unread, { storeDir: store.storeDir }).get(out) as StorePath;
  const drv: Derivation = {
    ...plain,
    outputs: new Map([[out, { kind: "inputAddressed", path }]]),
    env: plain.env.with("out", bytesOf(path)),
  };
  const drvPath = computeDerivationPath(store.storeDir, drv);
  await writeFile(store.realPathOf(drvPath), printDerivation(drv));
  await store.registerValidPaths([{ ...objects(store.storeDir).a, path: drvPath }]);
  return { drvPath, drv };
}

export function printOutline(outline: DerivationOutline | undefined): unknown {
  const inputs = outline?.inputs.map(({ drvPath, outputs }) => [drvPath, [...outputs]]);
  return [outline?.outputs, inputs, outline?.allowSubstitutes];
}

export function printInfo(info: PathInfo | undefined): unknown {
  return info === undefined ? undefined : { ...info, references: [...info.references].sort() };
}

/** Deep equality as far as the cases above need it. */
export function equal(actual: unknown, expected: unknown): void {
  const [a, b] = [print(actual), print(expected)];
  if (a !== b) throw new Error(`expected ${b}, got ${a}`);
}

function print(value: unknown): string {
  return String(
    JSON.stringify(value, (_key, each: unknown) => {
      if (each instanceof Uint8Array) return [...each];
      if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
      return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
    }),
  );
}

export async function refuses(code: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === code) return;
    throw error;
  }
  throw new Error(`expected a refusal with code ${code}`);
}
