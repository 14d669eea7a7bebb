import type { Settings } from "../settings/table.js";
import { probeBuildIds } from "./build-ids.js";
import { probeControlGroup } from "./control-group.js";
import { probeKvm, probeNetworkProgram } from "./devices.js";
import { probeHashing } from "./hashing.js";
import { probeNarrowPrograms } from "./narrow-programs.js";
import type { MachineProbe } from "./probe-machine.js";

/** Everything that is no layer, in the order in which it is told. */
export async function probeRows(
  settings: Settings,
  env: NodeJS.ProcessEnv,
): Promise<readonly MachineProbe[]> {
  return [
    await probeBuildIds(settings),
    await probeControlGroup(settings),
    await probeNetworkProgram("pasta", settings, env),
    await probeNetworkProgram("slirp4netns", settings, env),
    probeKvm(settings),
    ...(await probeNarrowPrograms(settings)),
    probeHashing(),
  ];
}
