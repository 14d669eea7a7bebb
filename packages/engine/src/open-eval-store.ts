import { resolve } from "node:path";
import { type LmdbStore, type OpenOptions, openStore } from "@drvkit/store-lmdb";
import { hasCode } from "./error.js";

/**
 * The evaluation store of an engine: `store` itself where both have one root. It has the same store directory, as what is
 * made from its derivations has paths below it. One that may not be written is opened for reading: nothing can be
 * evaluated into it then, and its owner's next garbage collection does not know of the build.
 *
 * @throws the errors of `openStore`.
 */
export async function openEvalStore(
  root: string,
  store: LmdbStore,
  how: Required<Pick<OpenOptions, "readOnly" | "onWarning">>,
): Promise<LmdbStore> {
  const options = { root: resolve(root), storeDir: store.storeDir, onWarning: how.onWarning };
  const readOnly = how.readOnly || options.root === "/";
  const opened = await openStore({ ...options, readOnly }).catch((error: unknown) => {
    if (readOnly || !hasCode(error, "ERR_STORE_READ_ONLY")) throw error;
    return openStore({ ...options, readOnly: true });
  });
  if (opened.root !== store.root) return opened;
  await opened.close();
  return store;
}
