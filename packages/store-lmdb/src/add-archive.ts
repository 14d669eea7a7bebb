import { join } from "node:path";
import {
  type ContentAddress,
  type Hash,
  hashesEqual,
  hashPartOf,
  printHash,
  type StorePath,
} from "@drvkit/drv-parser";
import { isContentAddressed, type PathInfo } from "@drvkit/narinfo";
import { type AddContext, Content, install } from "./add.js";
import { StoreError } from "./error.js";
import { canonicaliseTree, hashTreeModulo, restoreTree } from "./files.js";

/** How an archive is taken in. */
export interface AddFromArchiveOptions {
  /** Ends the work with its reason; nothing is added then. */
  readonly signal?: AbortSignal | undefined;
  /** Takes the place of an object that is valid already. */
  readonly repair?: boolean;
  /** The caller holds the lock of its path. */
  readonly isLocked?: boolean;
}

/**
 * Adds an object from its archive: unpacked in a private directory, compared with what is said of it, made canonical, moved
 * by one rename, registered. A content address from which the path does not follow counts as none.
 */
export async function addFromArchive(
  cx: AddContext,
  info: PathInfo,
  archive: AsyncIterable<Uint8Array>,
  { signal, repair = false, isLocked = false }: AddFromArchiveOptions,
): Promise<PathInfo> {
  await cx.addTempRoot(info.path);
  const known = await cx.queryPathInfo(info.path);
  if (known !== undefined && !repair) return known;
  await using temp = await cx.makeTempDir();
  const tree = join(temp.path, "x");
  await restoreTree(archive, tree, { signal });
  const content = new Content(tree, { signal });
  await compareArchive(info, content);
  const { ca, ...rest } = info;
  const address = ca !== undefined && isContentAddressed(info) ? ca : undefined;
  if (address !== undefined) await compareAddress(info, address, content, signal);
  await canonicaliseTree(tree, { signal });
  return await install(
    cx,
    content,
    { ...rest, ...(address === undefined ? {} : { ca: address }) },
    { repair, isLocked },
  );
}

/** An archive has one form only: what was unpacked from it has its hash and size again. */
async function compareArchive(info: PathInfo, content: Content): Promise<void> {
  const { digest, sizeBytes } = await content.nar();
  const got: Hash = { algorithm: "sha256", digest };
  if (!hashesEqual(got, info.narHash))
    throw mismatch(info, printHash(info.narHash, "sri"), printHash(got, "sri"));
  if (sizeBytes !== info.narSizeBytes)
    throw mismatch(info, `${info.narSizeBytes} bytes`, `${sizeBytes} bytes`);
}

async function compareAddress(
  info: PathInfo,
  { method, hash }: ContentAddress,
  content: Content,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (method === "git")
    throw new StoreError(
      "ERR_STORE_PATH_MISMATCH",
      `path '${info.path}' is hashed as git does, which is not supported`,
      {
        hint: "obtain it from somewhere that signs it",
        path: info.path,
      },
    );
  const got = info.references.has(info.path)
    ? await hashModuloSelf(content.tree, info.path, signal)
    : (await content.address(method, hash.algorithm)).hash;
  if (!hashesEqual(got, hash)) throw mismatch(info, printHash(hash, "sri"), printHash(got, "sri"));
}

/** Only sha256 leads to the path of an object that refers to itself. */
async function hashModuloSelf(tree: string, path: StorePath, signal: AbortSignal | undefined): Promise<Hash> {
  return { algorithm: "sha256", digest: await hashTreeModulo(tree, hashPartOf(path), { signal }) };
}

function mismatch(info: PathInfo, specified: string, got: string): StoreError {
  return new StoreError(
    "ERR_STORE_HASH_MISMATCH",
    `hash mismatch importing path '${info.path}';\n  specified: ${specified}\n  got:       ${got}`,
    { hint: "what came is not what was announced: it was damaged or changed on the way", path: info.path },
  );
}
