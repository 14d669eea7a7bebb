import {
  bytesOf,
  computeDerivationPath,
  computeHashModulo,
  computeOutputPaths,
  type Derivation,
  type DerivationOutline,
  Environment,
  hashBytes,
  makeOutputName,
  makeStorePath,
  outlineOf,
  outputPathsOf,
  printDerivation,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import { type PathInfo, printDrvOutput, type Realisation } from "@drvkit/narinfo";
import type { StorePort } from "../ports/store.js";
import { archiveOf } from "./fake-tree.js";
import { pathInfoOf } from "./path-info.js";

/** A fresh, empty store, and a way to put files where it expects them. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: StorePort;
  writeFile(path: string, content: Uint8Array): Promise<void>;
  /** Permission bits of what is at `path`. Without it nothing is proved of the mode and the end of temporary directories. */
  modeOf?(path: string): Promise<number | undefined>;
}

/** One sentence that holds of every store, and the proof. */
export interface ContractCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/**
 * What goals rely on of a store, as cases for any test runner:
 * `for (const { name, run } of storeContract(make)) test(name, run)`.
 */
export function storeContract(make: () => Promise<StoreUnderTest>): readonly ContractCase[] {
  const of = (name: string, prove: (under: StoreUnderTest) => Promise<void>): ContractCase => ({
    name,
    run: async () => {
      await using under = await make();
      await prove(under);
    },
  });
  return [...validity, ...closures, ...derivations, ...realisations, ...archives, ...locking].map(
    ([name, prove]) => of(name, prove),
  );
}

type Case = readonly [name: string, prove: (under: StoreUnderTest) => Promise<void>];

const validity: readonly Case[] = [
  [
    "knows nothing of a path that was never registered",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      equal(await store.queryPathInfo(a.path), undefined);
      equal([...(await store.queryValidPaths([a.path]))], []);
    },
  ],
  [
    "registers several paths that refer to each other in one direction, in any order",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      await store.registerValidPaths([c, b, a]);
      const valid = await store.queryValidPaths([a.path, b.path, c.path, unknown(store.storeDir)]);
      equal([...valid].sort(), [a.path, b.path, c.path].sort());
    },
  ],
  [
    "keeps every field of an info",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      const deriver = makeStorePath(store.storeDir, `${"1".repeat(32)}-a.drv`);
      const info = { ...a, deriver, ultimate: true, signatures: ["key:sig"] };
      await store.registerValidPaths([info]);
      equal(printInfo(await store.queryPathInfo(a.path)), printInfo(info));
    },
  ],
  [
    "lets a path refer to itself",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      await store.registerValidPaths([{ ...a, references: new Set([a.path]) }]);
      equal([...((await store.queryPathInfo(a.path))?.references ?? [])], [a.path]);
    },
  ],
  [
    "registers nothing when one reference is neither valid nor registered with it",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      await refuses("ERR_STORE_NOT_VALID", () => store.registerValidPaths([a, c]));
      equal([...(await store.queryValidPaths([a.path, b.path, c.path]))], []);
    },
  ],
  [
    "registers nothing when references run in a circle",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      const circle = { ...a, references: new Set([c.path]) };
      await refuses("ERR_STORE_CYCLE", () => store.registerValidPaths([circle, b, c]));
      equal([...(await store.queryValidPaths([a.path, b.path, c.path]))], []);
    },
  ],
  [
    "keeps the time of the first registration",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      await store.registerValidPaths([{ ...a, registrationTimeSeconds: 100 }]);
      await store.registerValidPaths([{ ...a, registrationTimeSeconds: 200, ultimate: true }]);
      const info = await store.queryPathInfo(a.path);
      equal([info?.registrationTimeSeconds, info?.ultimate], [100, true]);
    },
  ],
  [
    "registers nothing without complaint",
    async ({ store }) => {
      await store.registerValidPaths([]);
    },
  ],
];

const closures: readonly Case[] = [
  [
    "answers a closure in byte order, starts included, each member once",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      await store.registerValidPaths([a, b, c]);
      equal(await store.queryClosure([c.path, a.path]), [a.path, b.path, c.path].sort());
      equal(await store.queryClosure([b.path]), [a.path, b.path].sort());
      equal(await store.queryClosure([]), []);
    },
  ],
  [
    "refuses the closure of a path that is not valid",
    async ({ store }) => {
      await refuses("ERR_STORE_NOT_VALID", () => store.queryClosure([unknown(store.storeDir)]));
    },
  ],
];

const derivations: readonly Case[] = [
  [
    "reads a derivation that is valid",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      equal(printDerivation(await under.store.readDerivation(drvPath)), printDerivation(drv));
    },
  ],
  [
    "knows the outputs of a derivation that is valid, though they are not",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const known = await under.store.queryDerivationOutputs(drvPath);
      equal([...known], [...outputPathsOf(drv)]);
      equal([...(await under.store.queryValidPaths(known.values()))], []);
    },
  ],
  [
    "tells which of the known outputs are valid",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const { store } = under;
      const paths = outputPathsOf(drv);
      await store.addDerivationTempRoots([drvPath, unknown(store.storeDir)]);
      const before = await store.queryKnownOutputs(drvPath);
      equal([[...(before?.paths ?? [])], [...(before?.valid ?? [])]], [[...paths], []]);
      const path = [...paths.values()][0] as StorePath;
      await store.registerValidPaths([{ ...objects(store.storeDir).a, path }]);
      equal([...((await store.queryKnownOutputs(drvPath))?.valid ?? [])], [path]);
      equal(await store.queryKnownOutputs(unknown(store.storeDir)), undefined);
    },
  ],
  [
    "outlines derivations that are valid as their files do",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const outlines = await under.store.queryDerivationOutlines([drvPath, unknown(under.store.storeDir)]);
      equal([...outlines.keys()], [drvPath]);
      equal(printOutline(outlines.get(drvPath)), printOutline(outlineOf(drvPath, drv)));
    },
  ],
  [
    "refuses to read a derivation that is not valid, or to tell its outputs",
    async ({ store }) => {
      const drvPath = makeStorePath(store.storeDir, `${"2".repeat(32)}-absent.drv`);
      await refuses("ERR_STORE_NOT_VALID", () => store.readDerivation(drvPath));
      await refuses("ERR_STORE_NOT_VALID", () => store.queryDerivationOutputs(drvPath));
    },
  ],
];

const realisations: readonly Case[] = [
  [
    "writes a derivation",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const other = {
        ...drv,
        name: "other",
        inputDrvs: new Map([[drvPath, new Set([makeOutputName("out")])]]),
      };
      const floating = { kind: "floating", method: "nar", algorithm: "sha256" } as const;
      const added = { ...other, outputs: new Map([[makeOutputName("out"), floating]]) };
      const path = await under.store.addDerivation(added);
      equal(path, computeDerivationPath(under.store.storeDir, added));
      equal(printDerivation(await under.store.readDerivation(path)), printDerivation(added));
      equal([...(await required(under.store, path)).references], [drvPath]);
      equal([...(await under.store.queryDerivationOutputs(path))], []);
    },
  ],
  [
    "knows what the realisations of a derivation are named by",
    async (under) => {
      const { drvPath, drv } = await registerDerivation(under);
      const unread = () => {
        throw new Error("the derivation has no inputs");
      };
      equal(
        [...(await under.store.queryOutputHashes(drvPath))],
        [...computeHashModulo(drv, true, unread).hashes],
      );
      await refuses("ERR_STORE_NOT_VALID", () =>
        under.store.queryOutputHashes(makeStorePath(under.store.storeDir, `${"2".repeat(32)}-absent.drv`)),
      );
    },
  ],
  [
    "keeps realisations of what is valid, and the signatures of all who say the same",
    async ({ store }) => {
      const { a, b } = objects(store.storeDir);
      await store.registerValidPaths([a, b]);
      const [lib, app] = [realisationOf("lib", a.path), realisationOf("app", b.path)];
      equal(await store.queryRealisation(lib.id), undefined);
      await store.registerRealisation(lib);
      const signed = { ...lib, signatures: ["key:c2ln"] };
      await store.registerRealisation(signed);
      equal(await store.queryRealisation(lib.id), signed);
      const dependent = { ...app, dependentRealisations: new Map([[printDrvOutput(lib.id), a.path]]) };
      await store.registerRealisation(dependent);
      equal(
        [...((await store.queryRealisation(app.id))?.dependentRealisations ?? [])],
        [[printDrvOutput(lib.id), a.path]],
      );
    },
  ],
  [
    "refuses realisations of other paths, of what is not valid, and on what is not known",
    async ({ store }) => {
      const { a, b } = objects(store.storeDir);
      await store.registerValidPaths([a, b]);
      const lib = realisationOf("lib", a.path);
      await refuses("ERR_STORE_NOT_VALID", () =>
        store.registerRealisation({ ...lib, outPath: unknown(store.storeDir) }),
      );
      const needy = {
        ...lib,
        dependentRealisations: new Map([[printDrvOutput(realisationOf("x", b.path).id), b.path]]),
      };
      await refuses("ERR_STORE_REALISATION", () => store.registerRealisation(needy));
      equal(await store.queryRealisation(lib.id), undefined);
      await store.registerRealisation(lib);
      await refuses("ERR_REALISATION_CONFLICT", () => store.registerRealisation({ ...lib, outPath: b.path }));
      equal(await store.queryRealisation(lib.id), lib);
    },
  ],
];

const archives: readonly Case[] = [
  [
    "adds an object from its archive, in whatever pieces it comes",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      await store.addFromArchive(info, inPieces(archive, 7), unaborted());
      equal(
        printInfo({ ...(await required(store, info.path)), registrationTimeSeconds: 0 }),
        printInfo(info),
      );
      await store.addFromArchive(info, inPieces(archive, 1000), unaborted());
    },
  ],
  [
    "adds nothing of an archive that is not what was said",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      const other = archiveOf({ type: "directory", entries: { other: "x" } });
      const wrongSize = { ...info, narSizeBytes: info.narSizeBytes + 8 };
      await refuses("ERR_STORE_HASH_MISMATCH", () =>
        store.addFromArchive(info, inPieces(other, 50), unaborted()),
      );
      await refuses("ERR_STORE_HASH_MISMATCH", () =>
        store.addFromArchive(wrongSize, inPieces(archive, 50), unaborted()),
      );
      equal([...(await store.queryValidPaths([info.path]))], []);
    },
  ],
  [
    "puts an object in the place of what is not any more what was registered",
    async ({ store, writeFile }) => {
      const { info, archive } = archived(store.storeDir);
      const other = archiveOf("other");
      const before = pathInfoOf(info.path, other);
      await store.addFromArchive(before, inPieces(other, 50), unaborted());
      await writeFile(store.realPathOf(info.path), bytesOf("damaged"));
      await refuses("ERR_STORE_HASH_MISMATCH", () =>
        store.addFromArchive(info, inPieces(other, 50), { ...unaborted(), repair: true }),
      );
      equal((await required(store, info.path)).narSizeBytes, before.narSizeBytes);
      await store.addFromArchive(info, inPieces(archive, 50), { ...unaborted(), repair: true });
      equal(
        printInfo({ ...(await required(store, info.path)), registrationTimeSeconds: 0 }),
        printInfo(info),
      );
    },
  ],
  [
    "adds nothing whose references are not valid",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      const needy = { ...info, references: new Set([unknown(store.storeDir)]) };
      await refuses("ERR_STORE_NOT_VALID", () =>
        store.addFromArchive(needy, inPieces(archive, 50), unaborted()),
      );
      equal([...(await store.queryValidPaths([info.path]))], []);
    },
  ],
  [
    "throws what the archive throws, and the reason of the signal",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      const broken = async function* () {
        yield archive.subarray(0, 100);
        throw Object.assign(new Error("broken"), { code: "ERR_BROKEN" });
      };
      await refuses("ERR_BROKEN", () => store.addFromArchive(info, broken(), unaborted()));
      const aborted = AbortSignal.abort(Object.assign(new Error("enough"), { code: "ERR_ENOUGH" }));
      await refuses("ERR_ENOUGH", () =>
        store.addFromArchive(info, inPieces(archive, 50), { signal: aborted }),
      );
      equal([...(await store.queryValidPaths([info.path]))], []);
    },
  ],
];

const locking: readonly Case[] = [
  [
    "gives a lock to one at a time",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      const first = await store.tryLockOutputs([a.path]);
      equal(await store.tryLockOutputs([a.path]), undefined);
      await first?.[Symbol.asyncDispose]();
      const second = await store.tryLockOutputs([a.path]);
      equal(second === undefined, false);
      await second?.[Symbol.asyncDispose]();
    },
  ],
  [
    "gives all locks of a set or none",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      const held = await store.tryLockOutputs([b.path]);
      equal(await store.tryLockOutputs([a.path, b.path, c.path]), undefined);
      const others = await store.tryLockOutputs([a.path, c.path]);
      equal(others === undefined, false);
      await others?.[Symbol.asyncDispose]();
      await held?.[Symbol.asyncDispose]();
    },
  ],
  [
    "gives a lock again after its file was deleted",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      const first = await store.tryLockOutputs([a.path]);
      first?.deleteOnRelease();
      await first?.[Symbol.asyncDispose]();
      const second = await store.tryLockOutputs([a.path]);
      equal(second === undefined, false);
      await second?.[Symbol.asyncDispose]();
    },
  ],
  [
    "makes temporary directories that are never the same",
    async ({ store }) => {
      await using first = await store.makeTempDir();
      await using second = await store.makeTempDir();
      equal(first.path === second.path, false);
    },
  ],
  [
    "makes temporary directories private, and removes them with what is in them",
    async ({ store, writeFile, modeOf }) => {
      const temp = await store.makeTempDir();
      await writeFile(`${temp.path}/x`, bytesOf("x"));
      const before = await modeOf?.(temp.path);
      await temp[Symbol.asyncDispose]();
      if (modeOf === undefined) return;
      equal([before, await modeOf(temp.path), await modeOf(`${temp.path}/x`)], [0o700, undefined, undefined]);
    },
  ],
  [
    "protects paths that are not valid yet, and says where their files belong",
    async ({ store }) => {
      const { a, b } = objects(store.storeDir);
      await store.addTempRoots([a.path, b.path]);
      await store.addTempRoots([b.path]);
      equal(store.realPathOf(a.path) === store.realPathOf(b.path), false);
    },
  ],
];

/** `c` refers to `b`, `b` to `a`. */
function objects(storeDir: StoreDir): { readonly a: PathInfo; readonly b: PathInfo; readonly c: PathInfo } {
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

function realisationOf(name: string, outPath: StorePath): Realisation {
  const id = {
    type: "hash",
    hash: hashBytes("sha256", bytesOf(name)),
    outputName: makeOutputName("out"),
  } as const;
  return { id, outPath, signatures: [], dependentRealisations: new Map() };
}

/** An object of some files, and its archive. */
function archived(storeDir: StoreDir): { readonly info: PathInfo; readonly archive: Uint8Array } {
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

async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

function unaborted(): { readonly signal: AbortSignal } {
  return { signal: new AbortController().signal };
}

async function required(store: StorePort, path: StorePath): Promise<PathInfo> {
  const info = await store.queryPathInfo(path);
  if (info === undefined) throw new Error(`'${path}' is not valid`);
  return info;
}

function unknown(storeDir: StoreDir): StorePath {
  return makeStorePath(storeDir, `${"d".repeat(32)}-unknown`);
}

async function registerDerivation({ store, writeFile }: StoreUnderTest) {
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

function printOutline(outline: DerivationOutline | undefined): unknown {
  const inputs = outline?.inputs.map(({ drvPath, outputs }) => [drvPath, [...outputs]]);
  return [outline?.outputs, inputs, outline?.allowSubstitutes];
}

function printInfo(info: PathInfo | undefined): unknown {
  return info === undefined ? undefined : { ...info, references: [...info.references].sort() };
}

/** Deep equality as far as the cases above need it. */
function equal(actual: unknown, expected: unknown): void {
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

async function refuses(code: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === code) return;
    throw error;
  }
  throw new Error(`expected a refusal with code ${code}`);
}
