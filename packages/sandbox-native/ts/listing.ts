import { type Outcome, unwrap } from "./error.js";
import { loadAddon } from "./platform.js";

/** What an entry of a directory is. */
export type EntryType = "regular" | "directory" | "symlink" | "other";

/** One entry of a directory, not followed when it is a link. */
export interface ListedEntry {
  /** Empty for the top of a tree. */
  readonly name: Uint8Array;
  readonly type: EntryType;
  /**
   * Mode, size, times of modification and of change, inode and device, 48 bytes. The same stamp means the same file, unchanged as far as
   * the clock of its file system can tell.
   */
  readonly stamp: Uint8Array;
  /** The later of the two times, nanoseconds since the epoch. */
  readonly changedNs: bigint;
}

interface ListingAddon {
  listDirectory(
    top: string,
    below: Uint8Array,
  ): Promise<Outcome<{ readonly names: Uint8Array; readonly stamps: Uint8Array }>>;
  stampTop(path: string): Outcome<Uint8Array | null>;
}

const stampBytes = 48;

/**
 * What is in the directory at `below` (bytes, without a leading slash; empty for the top) of the tree at `top`, in byte order. No link
 * below the top is followed.
 *
 * @throws SandboxError `ERR_TREE_DEPTH` for more than 64 levels; `ERR_TREE_IO`, also when it is no directory.
 */
export async function listDirectory(top: string, below: Uint8Array): Promise<readonly ListedEntry[]> {
  const { names, stamps } = unwrap(await (loadAddon() as ListingAddon).listDirectory(top, below));
  const entries: ListedEntry[] = [];
  let start = 0;
  while (start < names.length) {
    const end = names.indexOf(0, start);
    const at = entries.length * stampBytes;
    entries.push(makeEntry(names.subarray(start, end), stamps.subarray(at, at + stampBytes)));
    start = end + 1;
  }
  return entries;
}

/**
 * The top of a tree as an entry without a name; `undefined` when nothing is there.
 *
 * @throws SandboxError `ERR_TREE_IO`
 */
export function statEntry(path: string): ListedEntry | undefined {
  const stamp = unwrap((loadAddon() as ListingAddon).stampTop(path));
  return stamp === null ? undefined : makeEntry(new Uint8Array(), stamp);
}

function makeEntry(name: Uint8Array, stamp: Uint8Array): ListedEntry {
  const fields = new DataView(stamp.buffer, stamp.byteOffset, stamp.byteLength);
  const [modifiedNs, changedNs] = [fields.getBigInt64(16, true), fields.getBigInt64(24, true)];
  return {
    name,
    type: entryTypes.get(fields.getUint32(0, true) & typeMask) ?? "other",
    stamp,
    // biome-ignore lint/complexity/useMathMinMax: these are bigints
    changedNs: modifiedNs > changedNs ? modifiedNs : changedNs,
  };
}

/** `st_mode` of Linux. */
const typeMask = 0o170000;
const entryTypes = new Map<number, EntryType>([
  [0o100000, "regular"],
  [0o040000, "directory"],
  [0o120000, "symlink"],
]);
