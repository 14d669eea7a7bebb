import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import type { Isolation } from "@drvkit/goal";
import { EngineSetupError } from "../error.js";

/** `st_mode` of Linux: the sticky bit, by which only the owner of an entry may rename or delete it. */
const [writableByOthers, sticky] = [0o002, 0o1000];

/**
 * Refuses a directory for builds that somebody else could put another one in the place of, for builds that run under a user id of
 * their own. It must exist. Without isolation the directory of a build is the builder's, which may then put a link in its place
 * wherever it may write.
 *
 * @throws EngineSetupError `ERR_BUILD_DIR`
 * @see Nix: src/libstore/unix/build/derivation-builder.cc, `checkNotWorldWritable`
 */
export function checkParents(buildsDir: string, isolation: Isolation): void {
  for (let path = buildsDir; ; path = dirname(path)) {
    const stat = lstatSync(path);
    const isKept = (stat.mode & sticky) !== 0 && (isolation === "sandbox" || path !== buildsDir);
    const isOpen = (stat.mode & writableByOthers) !== 0 && !isKept;
    if (isOpen || !stat.isDirectory())
      throw new EngineSetupError(
        "ERR_BUILD_DIR",
        `Path "${path}" is world-writable or a symlink. That's not allowed for security.`,
        { hint: "take the write permission of others away, or put the store elsewhere" },
      );
    if (path === dirname(path)) return;
  }
}
