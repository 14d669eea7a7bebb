import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type ContentAddress,
  computeContentAddressedPath,
  computeTextPath,
  type HashAlgorithm,
  hashBytes,
  isDerivationPath,
  namePartOf,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { fileError, StoreError } from "./error.js";
import {
  canonicaliseTree,
  copyCanonicalTree,
  hashFile,
  hashTree,
  removeTree,
  replaceTree,
  statTree,
  type TreeHash,
} from "./files.js";
import type { OutputLocks } from "./locks.js";

/** What adding needs of an open store. */
export interface AddContext {
  readonly storeDir: StoreDir;
  readonly realStoreDir: string;
  realPathOf(path: StorePath): string;
  queryPathInfo(path: StorePath): Promise<PathInfo | undefined>;
  addTempRoot(path: StorePath): Promise<void>;
  makeTempDir(): Promise<TempDir>;
  lockOutputs(targets: readonly StorePath[]): Promise<OutputLocks>;
  registerValidPaths(infos: readonly PathInfo[]): Promise<void>;
}

/** A private directory that goes when it is disposed of. */
export type TempDir = { readonly path: string } & AsyncDisposable;

/** How a source becomes a content address. */
export interface AddOptions {
  /** `nar`: the tree as it is. `flat`: the bytes of a regular file. */
  readonly method?: "nar" | "flat";
  /** `sha256` unless given. */
  readonly algorithm?: HashAlgorithm;
  /**
   * Paths below the top that are copied, directories among them, each ended by a zero byte; nothing else is looked at. Everything unless
   * given.
   */
  readonly keep?: Uint8Array;
  /** Ends the work with its reason; nothing is added then. */
  readonly signal?: AbortSignal;
}

/** One member of a closure that is brought in from files. */
export interface ImportedObject {
  /** The path that it must turn out to have. */
  readonly path: StorePath;
  /** Where its tree lies now. */
  readonly sourcePath: string;
  readonly references: Iterable<StorePath>;
  readonly deriver?: StorePath;
}

/** A fresh directory `tmp-<pid>-<random>` in the store, for nobody else. */
export async function makeTempDir(realStoreDir: string): Promise<TempDir> {
  const path = join(
    realStoreDir,
    `tmp-${process.pid}-${Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex")}`,
  );
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    throw fileError(error, path);
  }
  return { path, [Symbol.asyncDispose]: () => removeTree(path) };
}

/** Adds a text object; `references` are what its path is computed with. */
export async function addText(
  cx: AddContext,
  name: string,
  content: { readonly bytes: Uint8Array; readonly references: Iterable<StorePath> },
): Promise<PathInfo> {
  const references = new Set(content.references);
  const path = computeTextPath(cx.storeDir, name, content.bytes, references);
  await cx.addTempRoot(path);
  const known = await cx.queryPathInfo(path);
  if (known !== undefined) return known;
  await using temp = await cx.makeTempDir();
  const tree = join(temp.path, "x");
  await writeNew(tree, content.bytes);
  const ca: ContentAddress = { method: "text", hash: hashBytes("sha256", content.bytes) };
  return await install(cx, new Content(tree), { path, references, ca });
}

/** Adds a copy of the tree at `sourcePath`; what is hashed is the copy, whatever happens to the source meanwhile. */
export async function addTree(
  cx: AddContext,
  name: string,
  sourcePath: string,
  { method = "nar", algorithm = "sha256", ...options }: AddOptions,
): Promise<PathInfo> {
  await using temp = await cx.makeTempDir();
  const content = await copyInto(temp, sourcePath, options);
  const ca = await content.address(method, algorithm);
  const path = computeContentAddressedPath(cx.storeDir, name, ca);
  return await install(cx, content, { path, references: new Set(), ca });
}

/**
 * Adds one object whose path is known, after its content has led to that path: as a text, a flat file or an archive.
 *
 * @throws `ERR_STORE_PATH_MISMATCH` when none of these does.
 */
export async function importObject(cx: AddContext, object: ImportedObject): Promise<PathInfo> {
  const { path, deriver } = object;
  await cx.addTempRoot(path);
  const known = await cx.queryPathInfo(path);
  if (known !== undefined) return known;
  await using temp = await cx.makeTempDir();
  const content = await copyInto(temp, object.sourcePath);
  const references = new Set(object.references);
  const ca = await contentAddressFor(cx.storeDir, path, { content, references });
  return await install(cx, content, { path, references, ca, ...(deriver !== undefined && { deriver }) });
}

async function contentAddressFor(
  storeDir: StoreDir,
  path: StorePath,
  given: { readonly content: Content; readonly references: ReadonlySet<StorePath> },
): Promise<ContentAddress> {
  const { content, references } = given;
  for (const method of await methodsFor(path, content.tree)) {
    // Neither way may an object refer to itself: its hash would have to leave its own name out.
    if (references.has(path) || (method === "flat" && references.size > 0)) continue;
    const ca = await content.address(method, "sha256");
    if (computeContentAddressedPath(storeDir, namePartOf(path), ca, { references }) === path) return ca;
  }
  throw new StoreError(
    "ERR_STORE_PATH_MISMATCH",
    `path '${path}' does not follow from the content given for it`,
    {
      hint: "the file was changed, its references are other ones, or it is the output of a build and can only be built",
      path,
    },
  );
}

/** A finished tree in a private directory, hashed at most once in each way. */
export class Content {
  readonly tree: string;
  readonly #signal: AbortSignal | undefined;
  #nar: TreeHash | Promise<TreeHash> | undefined;

  constructor(
    tree: string,
    options: { readonly signal?: AbortSignal | undefined; readonly nar?: TreeHash } = {},
  ) {
    this.tree = tree;
    this.#signal = options.signal;
    this.#nar = options.nar;
  }

  /** sha256 of the archive. */
  async nar(): Promise<TreeHash> {
    this.#nar ??= hashTree(this.tree, "sha256", { signal: this.#signal });
    return this.#nar;
  }

  async address(method: ContentAddress["method"], algorithm: HashAlgorithm): Promise<ContentAddress> {
    const { digest } = await this.#hash(method, algorithm);
    return { method, hash: { algorithm, digest } };
  }

  #hash(
    method: ContentAddress["method"],
    algorithm: HashAlgorithm,
  ): Promise<{ readonly digest: Uint8Array }> {
    const options = { signal: this.#signal };
    if (method !== "nar") return hashFile(this.tree, algorithm, options);
    return algorithm === "sha256" ? this.nar() : hashTree(this.tree, algorithm, options);
  }
}

async function methodsFor(path: StorePath, tree: string): Promise<readonly ContentAddress["method"][]> {
  const stat = await statTree(tree);
  const plainFile = stat?.type === "regular" && (stat.mode & 0o100) === 0;
  if (isDerivationPath(path)) return plainFile ? ["text"] : [];
  return plainFile ? ["nar", "text", "flat"] : ["nar"];
}

async function copyInto(
  temp: TempDir,
  source: string,
  options: { readonly keep?: Uint8Array; readonly signal?: AbortSignal } = {},
): Promise<Content> {
  const tree = join(temp.path, "x");
  const nar = await copyCanonicalTree(source, tree, options);
  return new Content(tree, { ...options, nar });
}

async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes, { flag: "wx", mode: 0o444 });
  await canonicaliseTree(path, {});
}

/** Moves a finished tree to its place by one rename and registers it; done at once if another process was first. */
export async function install(
  cx: AddContext,
  content: Content,
  object: Pick<PathInfo, "path" | "references" | "ca" | "deriver"> & Partial<Pick<PathInfo, "signatures">>,
  { repair = false, isLocked = false }: { readonly repair?: boolean; readonly isLocked?: boolean } = {},
): Promise<PathInfo> {
  const { path } = object;
  await cx.addTempRoot(path);
  await using locks = isLocked ? undefined : await cx.lockOutputs([path]);
  const known = await cx.queryPathInfo(path);
  if (known !== undefined && !repair) {
    locks?.deleteOnRelease();
    return known;
  }
  const { digest, sizeBytes } = await content.nar();
  const info: PathInfo = {
    ...object,
    narHash: { algorithm: "sha256", digest },
    narSizeBytes: sizeBytes,
    registrationTimeSeconds: Math.floor(Date.now() / 1000),
    ultimate: false,
    signatures: object.signatures ?? [],
  };
  const place = cx.realPathOf(path);
  // What lies there without being valid is what an interrupted process left. It goes with the private directory.
  await replaceTree(content.tree, place);
  try {
    await cx.registerValidPaths([info]);
  } catch (error) {
    if (known === undefined) await removeTree(place);
    else await replaceTree(content.tree, place);
    throw error;
  } finally {
    locks?.deleteOnRelease();
  }
  return info;
}
