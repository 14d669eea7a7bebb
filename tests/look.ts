import { lstatSync } from "node:fs";

/** What somebody who touched a file would have changed, but for its content and who linked to it. */
export function look(path: string) {
  const { mode, uid, gid, mtimeMs } = lstatSync(path);
  return { path, mode, uid, gid, mtimeMs };
}
