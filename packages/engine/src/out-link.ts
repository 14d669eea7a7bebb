import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, lstat, mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type DerivedPath, encodeNixBase32, type OutputName, type StorePath } from "@drvkit/drv-parser";
import type { BuildResult } from "@drvkit/goal";
import type { LmdbStore } from "@drvkit/store-lmdb";
import { EngineSetupError, hasCode } from "./error.js";
import { readDerivation, type Stores } from "./stores.js";

/**
 * Refuses a build whose links have no place, before anything is built.
 *
 * @throws EngineSetupError `ERR_OUT_LINK`
 */
export async function checkLinks(
  stores: Stores,
  root: string,
  requests: readonly DerivedPath[],
): Promise<void> {
  for (const [index, request] of requests.entries()) {
    if (request.type === "opaque") continue;
    const { drvPath, outputs } = request;
    const names = outputs === "all" ? (await readDerivation(stores, drvPath)).outputs.keys() : outputs;
    for (const name of names) {
      const link = linkOf(root, index, name);
      await access(dirname(link), constants.W_OK).catch((error: unknown) => fail(link, error));
      await refuseForeign(stores.store, link);
    }
  }
}

function linkOf(root: string, index: number, output: OutputName): string {
  const base = index === 0 ? root : `${root}-${index + 1}`;
  return resolve(output === "out" ? base : `${base}-${output}`);
}

/**
 * Links `root` to the first result, `root-2` to the second and so on; outputs other than `out` get `-OUTPUT`. Each
 * link is registered as a GC root. Returns the links made. Failed results get none.
 *
 * The links lead to where the objects really are, so that they can be followed: a store with a root of its own has
 * nothing at `/nix/store`.
 *
 * @throws EngineSetupError `ERR_OUT_LINK`
 */
export async function linkResults(
  store: LmdbStore,
  root: string,
  results: readonly BuildResult[],
): Promise<readonly string[]> {
  const links: string[] = [];
  for (const [index, result] of results.entries()) {
    if (!("outputs" in result)) continue;
    for (const [output, path] of result.outputs) {
      const link = linkOf(root, index, output);
      await linkRoot(store, link, path).catch((error: unknown) => fail(link, error));
      links.push(link);
    }
  }
  return links;
}

/** @see Nix: src/libstore/gc.cc, `addPermRoot` and `addIndirectRoot` */
async function linkRoot(store: LmdbStore, link: string, path: StorePath): Promise<void> {
  await refuseForeign(store, link);
  await replaceLink(link, store.realPathOf(path));
  const auto = join(store.stateDir, "gcroots", "auto");
  await mkdir(auto, { recursive: true, mode: 0o755 });
  const name = encodeNixBase32(createHash("sha1").update(link).digest());
  await replaceLink(join(auto, name), link);
}

/** What lies at `link` may be replaced only if it is a link into this store. */
async function refuseForeign(store: LmdbStore, link: string): Promise<void> {
  try {
    if ((await lstat(link)).isSymbolicLink()) {
      const target = await readlink(link);
      if (target.startsWith(`${store.realStoreDir}/`) || target.startsWith(`${store.storeDir}/`)) return;
    }
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  throw new EngineSetupError("ERR_OUT_LINK", `cannot create symlink '${link}'; already exists`, {
    hint: "move it away, or choose another name with '--out-link' or none with '--no-link'",
  });
}

function fail(link: string, error: unknown): never {
  if (error instanceof EngineSetupError || !(error instanceof Error)) throw error;
  throw new EngineSetupError("ERR_OUT_LINK", `cannot create symlink '${link}': ${error.message}`, {
    hint: "its folder must exist and be yours to write: choose another with '--out-link' or none with '--no-link'",
    cause: error,
  });
}

async function replaceLink(link: string, target: string): Promise<void> {
  const temporary = `${link}.tmp-${process.pid}-${Math.random().toString(36).slice(2)}`;
  await symlink(target, temporary);
  try {
    await rename(temporary, link);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
