import {
  type ContentAddress,
  compareText,
  computeContentAddressedPath,
  type Hash,
  namePartOf,
  printContentAddress,
  printHash,
  type StorePath,
  storeDirOf,
} from "@drvkit/drv-parser";

/**
 * What is known about one store object besides its files.
 *
 * @see Nix: src/libstore/path-info.hh, `ValidPathInfo`
 */
export interface PathInfo {
  readonly path: StorePath;
  /** sha256 of the archive of the object. */
  readonly narHash: Hash;
  /** Length of that archive; 0 means unknown, in very old data only. */
  readonly narSizeBytes: number;
  /** May contain the path itself. */
  readonly references: ReadonlySet<StorePath>;
  /** The derivation that made it: advisory, possibly not valid or never present. */
  readonly deriver?: StorePath;
  /** Seconds since the epoch; 0 when registering means "now". */
  readonly registrationTimeSeconds: number;
  /** Built here, hence trusted without a signature. Cleared on every copy between stores. */
  readonly ultimate: boolean;
  /** `<key name>:<base64>` each. */
  readonly signatures: readonly string[];
  /** An assertion about how the path came from its content; {@link isContentAddressed} verifies it. */
  readonly ca?: ContentAddress;
  /** Absent: nothing besides its inputs, or nobody knows. Cleared on every copy between stores, as `ultimate` is. */
  readonly builderSaw?: BuilderSaw;
}

/** What of the machine a builder could use besides its inputs: the tools that are installed, or all of it. */
export type BuilderSaw = "hostTools" | "machine";

/** JSON form of a {@link PathInfo}; the path is the key under which it stands. */
export interface PathInfoJson {
  /** SRI text. */
  readonly narHash: string;
  readonly narSize: number;
  /** Full paths in byte order. */
  readonly references: readonly string[];
  readonly deriver: string | null;
  readonly ca: string | null;
  /** In byte order, each once. */
  readonly signatures: readonly string[];
  readonly registrationTime: number;
  readonly ultimate: boolean;
  readonly builderSaw?: BuilderSaw;
}

/**
 * The JSON form of `info`, the same for equal infos whatever the order of their sets.
 *
 * @see Nix: src/libstore/path-info.cc, `UnkeyedValidPathInfo::toJSON`, version 1
 */
export function pathInfoToJson(info: PathInfo): PathInfoJson {
  return {
    narHash: printHash(info.narHash, "sri"),
    narSize: info.narSizeBytes,
    references: [...info.references].sort(compareText),
    deriver: info.deriver ?? null,
    ca: info.ca === undefined ? null : printContentAddress(info.ca),
    signatures: [...new Set(info.signatures)].sort(compareText),
    registrationTime: info.registrationTimeSeconds,
    ultimate: info.ultimate,
    ...(info.builderSaw === undefined ? {} : { builderSaw: info.builderSaw }),
  };
}

/**
 * Whether `info` carries a content address from which its path follows. An address that leads elsewhere, or that the
 * references rule out, counts as none.
 *
 * @see Nix: src/libstore/path-info.cc, `ValidPathInfo::isContentAddressed`
 */
export function isContentAddressed(info: PathInfo): boolean {
  if (info.ca === undefined) return false;
  const self = info.references.has(info.path);
  const others = [...info.references].filter((reference) => reference !== info.path);
  if (!mayReferTo(info.ca, others.length, self)) return false;
  const storeDir = storeDirOf(info.path);
  const computed = computeContentAddressedPath(storeDir, namePartOf(info.path), info.ca, {
    references: others,
    self,
  });
  return computed === info.path;
}

/** Text objects cannot contain their own path; only archives hashed with sha256 have references in their path. */
function mayReferTo(ca: ContentAddress, others: number, self: boolean): boolean {
  switch (ca.method) {
    case "text":
      return !self;
    case "nar":
      return ca.hash.algorithm === "sha256" || (others === 0 && !self);
    case "flat":
    case "git":
      return others === 0 && !self;
  }
}
