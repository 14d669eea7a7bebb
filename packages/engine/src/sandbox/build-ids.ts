import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type FileLock, lockFile } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";

/** Ids outside the sandbox that one build runs under, held until `release`. */
export interface BuildIds {
  readonly uid: number;
  readonly gid: number;
  /** Whether they differ from the caller's, so that ownership of outputs can be checked. */
  readonly allocated: boolean;
  release(): void;
}

/** Ids per slot: room for builds that will ask for a whole range. */
const idsPerSlot = 65_536;

/**
 * Ids for one build. An ordinary user builds as itself; root takes the first free slot of its range, so that no
 * builder ever is root outside.
 *
 * @throws {@link EngineSetupError} `ERR_NO_BUILD_UID` when every slot is taken or clashes with an account.
 * @see Nix: src/libstore/lock.cc, `AutoUserLock`
 */
export async function allocateBuildIds(
  stateDir: string,
  range: { readonly startId: number; readonly idCount: number },
): Promise<BuildIds> {
  const [uid = 0, gid = 0] = [process.geteuid?.(), process.getegid?.()];
  if (uid !== 0) return { uid, gid, allocated: false, release: () => undefined };

  const pool = join(stateDir, "userpool2");
  await mkdir(pool, { recursive: true, mode: 0o755 });
  const accounts = await accountUids();
  for (let slot = 0; slot < Math.floor(range.idCount / idsPerSlot); slot += 1) {
    const id = range.startId + slot * idsPerSlot;
    if (accounts.has(id))
      throw new EngineSetupError(
        "ERR_NO_BUILD_UID",
        `auto-allocated UID ${id} clashes with existing user account`,
        {
          hint: "set 'start-id' to a range that no account uses",
        },
      );
    const lock: FileLock | undefined = await lockFile(join(pool, `slot-${slot}`), { wait: false });
    if (lock !== undefined) return { uid: id, gid: id, allocated: true, release: () => lock.release() };
  }
  throw new EngineSetupError("ERR_NO_BUILD_UID", "no user id is free for another build", {
    hint: "raise 'id-count' or lower 'max-jobs'",
  });
}

async function accountUids(): Promise<ReadonlySet<number>> {
  const text = await readFile("/etc/passwd", "utf8").catch(() => "");
  return new Set(text.split("\n").map((line) => Number(line.split(":")[2])));
}
