/** A regular file begins; its contents follow in {@link NarContents} events, none if it is empty. */
export interface NarRegular {
  readonly type: "regular";
  /** Name in the directory around it; empty at the root. */
  readonly name: Uint8Array;
  readonly executable: boolean;
  readonly sizeBytes: number;
}

/** A piece of the contents of the file at hand, never empty. */
export interface NarContents {
  readonly type: "contents";
  /** A view: it shares the memory of the chunk that it came in. */
  readonly bytes: Uint8Array;
}

/** A symbolic link. */
export interface NarSymlink {
  readonly type: "symlink";
  /** Name in the directory around it; empty at the root. */
  readonly name: Uint8Array;
  readonly target: Uint8Array;
}

/** A directory begins; its entries follow. */
export interface NarDirectory {
  readonly type: "directory";
  /** Name in the directory around it; empty at the root. */
  readonly name: Uint8Array;
}

/** The directory at hand ends. */
export interface NarDirectoryEnd {
  readonly type: "directoryEnd";
}

/** What an archive is printed from. */
export type NarSourceEvent = NarRegular | NarContents | NarSymlink | NarDirectory | NarDirectoryEnd;

/** What an archive is read as: files also tell at which byte of the archive their contents begin. */
export type NarEvent =
  | (NarRegular & { readonly offset: number })
  | NarContents
  | NarSymlink
  | NarDirectory
  | NarDirectoryEnd;
