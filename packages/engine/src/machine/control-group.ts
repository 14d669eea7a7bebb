import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import {
  type ControlGroupLimits,
  makeControlGroup,
  ownControlGroup,
  SandboxError,
} from "@drvkit/sandbox-native";
import type { Settings } from "../settings/table.js";
import type { MachineProbe } from "./probe-machine.js";

/** A limit of each controller that stops nothing, and the setting that asks for the controller. */
const controllers = [
  { name: "memory", limits: { memoryMaxBytes: 2 ** 50 }, setting: "max-build-memory" },
  { name: "pids", limits: { pidsMax: 4_000_000 }, setting: "max-build-processes" },
  { name: "cpu", limits: { cpus: 1 }, setting: "max-build-cpus" },
] as const;

/** Makes the group of a build below that of this process, with each limit that there is, and removes it. */
export async function probeControlGroup(
  settings: Settings,
  { parent }: { readonly parent: string | undefined } = { parent: ownControlGroup() },
): Promise<MachineProbe> {
  const wanted = controllers.filter(({ setting }) => settings[setting] > 0);
  const required = settings["use-cgroups"] === "true" || wanted.length > 0;
  const common = { name: "cgroup", required, setting: "use-cgroups" } as const;
  if (parent === undefined)
    return {
      ...common,
      works: false,
      detail: "the group of this process is not to be seen in a file system of cgroup v2",
      hint: "mount one on /sys/fs/cgroup; in a container, start it with a cgroup namespace of its own",
    };
  const refused = await refusal(parent, {});
  if (refused !== undefined) return { ...common, works: false, ...refused };
  const given: string[] = [];
  const missing: string[] = [];
  for (const { name, limits } of controllers)
    ((await refusal(parent, limits)) === undefined ? given : missing).push(name);
  return {
    ...common,
    works: wanted.every(({ name }) => given.includes(name)),
    detail: `can be made in '${resolve(parent)}', ${given.length === 0 ? "without limits" : `with limits of ${given.join(", ")}`}`,
    ...(missing.length === 0 ? {} : { hint: withoutLimits(missing) }),
  };
}

function withoutLimits(missing: readonly string[]): string {
  const what = `limits of ${missing.join(", ")}`;
  const held = missing.some((name) => heldByVersion1().includes(name));
  if (held) return `${what}: cgroup v1 holds them; boot with \`systemd.unified_cgroup_hierarchy=1\``;
  return `${what} need a group that is delegated: \`systemd-run --user --scope -p Delegate=yes\``;
}

/** Controllers of the older version that this process is in groups of: lines `NUMBER:NAMES:PATH`. */
function heldByVersion1(): readonly string[] {
  const lines = readFileSync("/proc/self/cgroup", "utf8").split("\n");
  return lines.flatMap((line) => line.split(":")[1]?.split(",") ?? []);
}

async function refusal(
  parent: string,
  limits: ControlGroupLimits,
): Promise<Pick<MachineProbe, "detail" | "hint"> | undefined> {
  try {
    const group = await makeControlGroup(parent, `nix-build-pid-${process.pid}-0`, { limits });
    await group.remove();
    return undefined;
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    return { detail: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  }
}
