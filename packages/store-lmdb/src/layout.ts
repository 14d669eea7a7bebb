import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { StoreError } from "./error.js";

/** Where the parts of a store lie on this machine. */
export interface Layout {
  readonly root: string;
  readonly realStoreDir: string;
  readonly stateDir: string;
  readonly logDir: string;
  readonly databaseDir: string;
}

/** The places below `root`, which need not exist yet; links on the way to it are followed, so that one store has one name. */
export async function computeLayout(root: string): Promise<Layout> {
  const real = await realPathOfMissing(resolve(root));
  const stateDir = join(real, "nix/var/nix");
  return {
    root: real,
    realStoreDir: join(real, "nix/store"),
    stateDir,
    logDir: join(real, "nix/var/log/nix"),
    databaseDir: join(stateDir, "drvkit/db"),
  };
}

/** `path` with the links in its existing part resolved. */
async function realPathOfMissing(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return join(await realPathOfMissing(dirname(path)), path.slice(dirname(path).length));
  }
}

/**
 * Refuses a place that is not ours: two databases over one store directory would disagree about what is valid. For
 * reading, a place with a database of ours is fine whatever else is there.
 *
 * @throws `ERR_STORE_FOREIGN`
 */
export function refuseForeign(layout: Layout, mode: "read" | "write"): void {
  if (mode === "read" && existsSync(join(layout.databaseDir, "data.mdb"))) return;
  if (existsSync(join(layout.stateDir, "db/schema"))) {
    throw new StoreError("ERR_STORE_FOREIGN", `store in '${layout.root}' belongs to an installed Nix`, {
      hint: "use a store of your own for building; '.drv' files of that one are imported when their paths are given",
      path: layout.root,
    });
  }
  if (mode === "write" && layout.root === "/") {
    throw new StoreError("ERR_STORE_FOREIGN", "store in '/' is the machine's own and is not written to", {
      hint: "use a store of your own: leave --store out, or give a directory",
      path: layout.root,
    });
  }
}

/** @throws `ERR_STORE_NETWORK_FS`: LMDB's memory map and locks need one machine. */
export function refuseNetwork(
  path: string,
  fileSystem: { readonly name: string; readonly network: boolean },
): void {
  if (!fileSystem.network) return;
  throw new StoreError(
    "ERR_STORE_NETWORK_FS",
    `store in '${path}' is on a network file system (${fileSystem.name})`,
    {
      hint: "put the store on a local file system, for example with DRVKIT_HOME",
      path,
    },
  );
}

/** The nearest ancestor that exists, `path` itself included. */
export function existingAncestor(path: string): string {
  let candidate = path;
  while (!existsSync(candidate) && candidate !== dirname(candidate)) candidate = dirname(candidate);
  return candidate;
}
