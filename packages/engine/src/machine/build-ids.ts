import { isHostId } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";
import { type BuildIds, takeBuildIds } from "../sandbox/build-ids.js";
import { idsPerSlot } from "../sandbox/id-locks.js";
import type { Settings } from "../settings/table.js";
import type { MachineProbe } from "./probe-machine.js";

/** Takes the ids of one build, and gives them back. */
export async function probeBuildIds(settings: Settings): Promise<MachineProbe> {
  const group = settings["build-users-group"];
  const setting = group === "" ? "start-id" : "build-users-group";
  const common = { name: "build-ids", required: true, setting } as const;
  try {
    const ids = await takeBuildIds(settings, { idRange: false, isolation: "sandbox" });
    ids?.release();
    return { ...common, ...judge(ids, settings) };
  } catch (error) {
    if (!(error instanceof EngineSetupError)) throw error;
    const { message: detail, hint } = error;
    return { ...common, works: false, detail, ...(hint === undefined ? {} : { hint }) };
  }
}

function judge(
  ids: BuildIds | undefined,
  settings: Settings,
): Pick<MachineProbe, "works" | "detail" | "hint"> {
  if (ids === undefined) return { works: true, detail: "all are taken by builds that run" };
  if (!ids.allocated) return { works: true, detail: `builders run under the caller's id, ${ids.uid}` };
  if (!isHostId(ids.uid))
    return {
      works: false,
      detail: `the id ${ids.uid} is none of this container`,
      hint: "give the container more ids, set 'start-id' to some that it has, or start as an ordinary user",
    };
  const group = settings["build-users-group"];
  if (group !== "") return { works: true, detail: `builders run as members of '${group}'` };
  const builds = Math.floor(settings["id-count"] / idsPerSlot);
  return { works: true, detail: `room for ${builds} builds, from id ${settings["start-id"]} on` };
}
