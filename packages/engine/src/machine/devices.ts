import { existsSync } from "node:fs";
import { EngineSetupError } from "../error.js";
import { findProgram } from "../hooks/find-program.js";
import { canBuildersUse, canUse } from "../settings/can-use.js";
import type { Settings } from "../settings/table.js";
import type { MachineProbe } from "./probe-machine.js";

/** Whether builds can be offered virtual machines. */
export function probeKvm(
  settings: Settings,
  { device = "/dev/kvm", isRoot = process.geteuid?.() === 0 } = {},
): MachineProbe {
  const common = { name: "kvm", setting: "system-features", required: false } as const;
  if (!existsSync(device))
    return {
      ...common,
      works: false,
      detail: `there is no '${device}'`,
      hint: "turn virtualisation on in the firmware, and load the module kvm_intel or kvm_amd",
    };
  if (!canUse(device))
    return {
      ...common,
      works: false,
      detail: `this user may not use '${device}'`,
      hint: "become a member of its group, mostly kvm, or let everybody use it (mode 0666)",
    };
  if (!canBuildersUse(device, isRoot))
    return {
      ...common,
      works: false,
      detail: `builders may not use '${device}'`,
      hint: "give it the mode 0666",
    };
  if (settings["system-features"].includes("kvm"))
    return { ...common, works: true, detail: `builds may require '${device}'` };
  return {
    ...common,
    works: false,
    detail: `'${device}' can be used, and no build may require it`,
    hint: "add kvm to 'system-features'",
  };
}

/** Both make the interface of the namespace by this device. */
const tunnels = "/dev/net/tun";
const packageOf = { pasta: "passt", slirp4netns: "slirp4netns" } as const;

/** Whether a program that connects builds is installed and can make an interface. */
export async function probeNetworkProgram(
  name: "pasta" | "slirp4netns",
  settings: Settings,
  env: NodeJS.ProcessEnv,
): Promise<MachineProbe> {
  const required = settings["fixed-output-network"] === name;
  const common = { name, setting: "fixed-output-network", required } as const;
  try {
    const path = await findProgram(name, env);
    if (canUse(tunnels)) return { ...common, works: true, detail: `'${path}'${required ? ", in use" : ""}` };
    return {
      ...common,
      works: false,
      detail: `'${path}' is there, and '${tunnels}' cannot be used`,
      hint: "load the module tun; in a container, start it with `--device /dev/net/tun`",
    };
  } catch (error) {
    if (!(error instanceof EngineSetupError)) throw error;
    return {
      ...common,
      works: false,
      detail: "not installed",
      hint: `it is in the package ${packageOf[name]}`,
    };
  }
}
