import { chmodSync, chownSync, existsSync, statSync } from "node:fs";
import { type SandboxProcess, startUnconfined, type UnconfinedSpec } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";

/** For everybody in it to make files, and for nobody to rename or remove what is another's. */
const sharedMode = 0o1775;

/**
 * Starts a builder without a sandbox. One that has an id of its own makes its outputs in the store's directory as a member of a
 * group: the directory becomes that group's.
 *
 * @throws {@link EngineSetupError} `ERR_HOME_EXISTS` where it would find a home, which could have anything in it.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `startBuilder`
 */
export async function startWithoutSandbox(
  spec: UnconfinedSpec,
  store: { readonly realStoreDir: string; readonly isShared: boolean },
  home = "/homeless-shelter",
): Promise<SandboxProcess> {
  if (existsSync(home))
    throw new EngineSetupError(
      "ERR_HOME_EXISTS",
      `home directory '${home}' exists; please remove it to assure purity of builds without sandboxing`,
    );
  if (store.isShared) share(store.realStoreDir, spec.hostGid);
  return startUnconfined(spec);
}

function share(directory: string, gid: number): void {
  const stat = statSync(directory);
  if (stat.gid !== gid) chownSync(directory, stat.uid, gid);
  if ((stat.mode & 0o7777) !== sharedMode) chmodSync(directory, sharedMode);
}
