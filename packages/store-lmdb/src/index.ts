export type { AddOptions, ImportedObject, TempDir } from "./add.js";
export type { CacheTable, StoreCache } from "./cache.js";
export type { ClosureOptions } from "./closure.js";
export { StoreError, type StoreErrorCode } from "./error.js";
export type { LmdbStore } from "./lmdb-store.js";
export type { LockOptions, OutputLocks } from "./locks.js";
export { type OpenOptions, openStore } from "./open.js";
export type { KnownOutputs } from "./outlines.js";
