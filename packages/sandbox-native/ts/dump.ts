import type { CancelFlag, Cancellable } from "./cancel.js";
import { loadAddon } from "./platform.js";
import { type BytePipe, type ByteStream, Bytes } from "./streams.js";
import type { ScanResult } from "./types.js";

/** What {@link dumpTree} does on the way. */
export interface DumpOptions extends Cancellable {
  /** Hash parts to look for while the archive is made, which is then hashed as well; an empty array for the hash alone. */
  readonly scanFor?: readonly string[] | undefined;
}

/** The archive of a tree. */
export interface TreeDump extends ByteStream {
  /** What `scanFor` asked for; `undefined` until the last byte was taken. */
  readonly scanned: ScanResult | undefined;
}

interface DumpAddon {
  dumpTree(path: string, hashParts: readonly string[] | undefined, cancel: CancelFlag): BytePipe;
}

/**
 * The archive (NAR) of a tree in chunks. Links are not followed, the top included.
 *
 * @throws SandboxError as `hashTree`, and `ERR_TREE_CHANGED` for a file that gets shorter meanwhile; the reason of the signal; both while it
 * is iterated.
 * @see Nix: src/libutil/archive.cc, `dumpPath`
 */
export function dumpTree(path: string, { scanFor, signal }: DumpOptions = {}): TreeDump {
  return new Dump(path, scanFor, signal === undefined ? [] : [signal]);
}

class Dump extends Bytes implements TreeDump {
  #pipe: BytePipe | undefined;

  constructor(path: string, scanFor: readonly string[] | undefined, signals: readonly AbortSignal[]) {
    const open = (cancel: CancelFlag) => {
      this.#pipe = (loadAddon() as DumpAddon).dumpTree(path, scanFor, cancel);
      return this.#pipe;
    };
    super({ open }, [], signals);
  }

  get scanned(): ScanResult | undefined {
    return this.#pipe?.scanned() ?? undefined;
  }
}
