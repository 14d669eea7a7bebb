import {
  type CanonicaliseOptions,
  type EvalStorePort,
  type LogCompression,
  makeFileLog,
  type Ports,
  type SandboxPort,
  systemClock,
  type TreesPort,
} from "@drvkit/goal";
import {
  canonicaliseAndScanTree,
  canonicaliseTree,
  compareTrees,
  compressBzip2,
  compressZstd,
  copyTree,
  dumpTree,
  freeBytes,
  hashFile,
  hashTree,
  hashTreeModulo,
  lockDescriptor,
  makeSeenInodes,
  moveTree,
  type CanonicaliseOptions as NativeCanonicaliseOptions,
  removeTree,
  replaceTree,
  rewriteTree,
  type SeenInodes,
  statTree,
} from "@drvkit/sandbox-native";
import type { LmdbStore } from "@drvkit/store-lmdb";
import { EngineSetupError } from "./error.js";
import type { LocalSandbox } from "./sandbox/local-sandbox.js";
import type { Settings } from "./settings/table.js";

/** The trees port of `goal`, by the native addon. */
export const nativeTrees = {
  stat: statTree,
  canonicalise: (path, options) => canonicaliseTree(path, withSeen(options)),
  makeSeenInodes,
  canonicaliseAndScan: (path, hashParts, options) =>
    canonicaliseAndScanTree(path, hashParts, withSeen(options)),
  async hash(path, method, algorithm, options) {
    const hash = method === "flat" ? hashFile : hashTree;
    const { digest } = await hash(path, algorithm, options);
    return { algorithm, digest };
  },
  compare: compareTrees,
  copy: (source, target, { signal }) => copyTree(source, target, { signal }),
  move: moveTree,
  replace: replaceTree,
  rewrite: rewriteTree,
  hashModulo: hashTreeModulo,
  remove: removeTree,
  freeBytes: async (path) => freeBytes(path),
} satisfies TreesPort;

/** Sets of inodes that `goal` gives are those of `makeSeenInodes` above. */
function withSeen({ seen, ...options }: CanonicaliseOptions): NativeCanonicaliseOptions {
  return { ...options, ...(seen === undefined ? {} : { seen: seen as SeenInodes }) };
}

/** A store in the place of the one that derivations are read from: its objects as they lie there. */
export function evalStorePort(store: LmdbStore): EvalStorePort {
  return {
    uri: store.root,
    queryPathInfo: (path) => store.queryPathInfo(path),
    queryValidPaths: (paths) => store.queryValidPaths(paths),
    queryClosure: (starts) => store.queryClosure(starts),
    readDerivation: (drvPath) => store.readDerivation(drvPath),
    queryDerivationOutputs: (drvPath) => store.queryDerivationOutputs(drvPath),
    queryOutputHashes: (drvPath) => store.queryOutputHashes(drvPath),
    queryDerivationOutlines: (drvPaths) => store.queryDerivationOutlines(drvPaths),
    addTempRoots: (paths) => store.addTempRoots(paths),
    archive: ({ path }, { signal }) => dumpTree(store.realPathOf(path), { signal }),
  };
}

/** The real ports of one open store: the proof that store and sandbox fit what goals ask for. */
export function composePorts(store: LmdbStore, settings: Settings, env: NodeJS.ProcessEnv = process.env) {
  return {
    store,
    trees: nativeTrees,
    sandbox: lazySandbox(store, settings, env),
    log: settings["keep-build-log"] ? fileLog(store.logDir, settings) : noLog,
    clock: systemClock,
    impureEnv: (name: string) => env[name],
  } satisfies Ports;
}

/** Plain while a build runs, and locked, so that it can be followed. */
function fileLog(logDir: string, settings: Settings): Ports["log"] {
  const lock = (fd: number) => void lockDescriptor(fd, "shared");
  if (!settings["compress-build-log"]) return makeFileLog({ logDir, lock });
  return makeFileLog({ logDir, lock, compression: logCompression(settings["build-log-compression"]) });
}

function logCompression(name: string): LogCompression {
  if (name === "bzip2") return { extension: ".bz2", compress: compressBzip2 };
  if (name === "zstd") return { extension: ".zst", compress: compressZstd };
  throw new EngineSetupError("ERR_SETTING", `setting 'build-log-compression' has invalid value '${name}'`, {
    hint: "give `bzip2` or `zstd`",
  });
}

/** Loaded with the first build: most runs have none. */
function lazySandbox(
  store: LmdbStore,
  settings: Settings,
  env: NodeJS.ProcessEnv,
): SandboxPort & { close(): Promise<void> } {
  let loaded: Promise<LocalSandbox> | undefined;
  const load = () => {
    loaded ??= import("./sandbox/local-sandbox.js").then(
      ({ LocalSandbox }) => new LocalSandbox(store, settings, env),
    );
    return loaded;
  };
  // Elsewhere than builders are told only a sandbox can show it.
  const canBeUnconfined = store.realStoreDir === store.storeDir;
  return {
    buildDirInside: settings["sandbox-build-dir"],
    unconfinedBuildDir: canBeUnconfined
      ? async (drvPath) => (await load()).unconfinedBuildDir(drvPath)
      : undefined,
    start: async (spec, signal) => (await load()).start(spec, signal),
    close: async () => (await loaded)?.close(),
  };
}

/** For `keep-build-log = false`: the setting asks for no file. */
const noLog: Ports["log"] = {
  open: async () => ({ write: async () => undefined, close: async () => undefined }),
};
