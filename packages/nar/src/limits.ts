/** What an archive may hold. Lengths count bytes. */
export interface NarLimits {
  /** Nodes above one another, the root included. Nix: src/libutil/archive.cc, `narMaxDepth`. */
  readonly depth: number;
  readonly nameBytes: number;
  readonly targetBytes: number;
  /** Contents of one file. */
  readonly fileBytes: number;
  /** The whole archive. */
  readonly archiveBytes: number;
}

/** What Nix and Linux allow; lengths have to be exact in a double. */
export const defaultNarLimits: NarLimits = {
  depth: 64,
  nameBytes: 255,
  targetBytes: 4095,
  fileBytes: Number.MAX_SAFE_INTEGER,
  archiveBytes: Number.MAX_SAFE_INTEGER,
};
