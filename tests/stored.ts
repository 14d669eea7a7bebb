import { hashTree } from "@drvkit/sandbox-native";
import { openStore } from "@drvkit/store-lmdb";

/** Valid paths of a store whose files do not have the hash that is recorded of them: none, whatever happened. */
export async function damagedPaths(root: string): Promise<readonly string[]> {
  await using store = await openStore({ root, readOnly: true });
  const damaged: string[] = [];
  for (const path of await store.queryAllValidPaths()) {
    const info = await store.queryPathInfo(path);
    const { digest } = await hashTree(store.realPathOf(path));
    if (info === undefined || !Buffer.from(digest).equals(info.narHash.digest)) damaged.push(path);
  }
  return damaged;
}
