import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import { EngineSetupError } from "../error.js";

/** `st_mode` of Linux: the sticky bit, by which only the owner of an entry may rename or delete it. */
const [writableByOthers, sticky] = [0o002, 0o1000];

/**
 * Refuses a directory for builds that somebody else could put another one in the place of, for builds that run under a user id of
 * their own. It must exist.
 *
 * @throws EngineSetupError `ERR_BUILD_DIR`
 * @see Nix: src/libstore/unix/build/derivation-builder.cc, `checkNotWorldWritable`
 */
export function checkParents(buildsDir: string): void {
  for (let path = buildsDir; ; path = dirname(path)) {
    const stat = lstatSync(path);
    const isOpen = (stat.mode & writableByOthers) !== 0 && (stat.mode & sticky) === 0;
    if (isOpen || !stat.isDirectory())
      throw new EngineSetupError(
        "ERR_BUILD_DIR",
        `Path "${path}" is world-writable or a symlink. That's not allowed for security.`,
        { hint: "take the write permission of others away, or put the store elsewhere" },
      );
    if (path === dirname(path)) return;
  }
}
