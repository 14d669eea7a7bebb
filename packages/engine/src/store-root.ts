import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { EngineSetupError } from "./error.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the store is when nothing says so: `$DRVKIT_HOME`, root's `/var/lib/drvkit`, else the user's data folder. */
export function defaultStoreRoot(env: Environment, uid: number | undefined = process.geteuid?.()): string {
  const explicit = env["DRVKIT_HOME"];
  if (explicit !== undefined && explicit !== "") return resolve(explicit);
  if (env["XDG_DATA_HOME"]) return join(resolve(env["XDG_DATA_HOME"]), "drvkit");
  if (uid === 0) return "/var/lib/drvkit";
  return join(env["HOME"] ?? homedir(), ".local", "share", "drvkit");
}

/**
 * The folder of a `--store` value.
 *
 * @throws {@link EngineSetupError} `ERR_STORE_UNWRITABLE` for the machine's own store when it would be written.
 */
export function resolveStoreRoot(store: string | undefined, env: Environment, readOnly: boolean): string {
  const root = store === undefined || store === "" ? defaultStoreRoot(env) : resolve(store);
  if (root === "/" && !readOnly)
    throw new EngineSetupError("ERR_STORE_UNWRITABLE", "the machine's own store '/' is not written to", {
      hint: "two databases over one directory would disagree; leave '--store' out to use a store of your own",
    });
  return root;
}
