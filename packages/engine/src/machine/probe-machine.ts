import { type LayerProbe, probeSandbox } from "@drvkit/sandbox-native";
import type { SettingName, Settings } from "../settings/table.js";

/** A layer of the sandbox as the settings want it. */
export type LayerReport = LayerProbe & {
  /** Name of the setting that concerns it. */
  readonly setting?: SettingName;
};

/** Something that builds use and that is no layer of the sandbox. */
export interface MachineProbe {
  readonly name: "build-ids" | "cgroup" | "kvm" | "pasta" | "slirp4netns" | "i686-linux" | "sha256";
  readonly works: boolean;
  /** Whether builds are refused when it does not work, by these settings. */
  readonly required: boolean;
  /** What was seen. */
  readonly detail: string;
  /** What of the machine or of the settings changes it. */
  readonly hint?: string;
  /** Name of the setting that concerns it. */
  readonly setting?: SettingName;
}

/** What this machine has for builds. */
export interface MachineReport {
  /** Whether nothing is missing that is required. */
  readonly ready: boolean;
  readonly layers: readonly LayerReport[];
  readonly machine: readonly MachineProbe[];
}

/**
 * Tries what builds with these settings use: makes a sandbox, takes ids, makes a control group and starts a program of 32 bits; none
 * of it stays, but for what the group's parent gives to groups below it.
 *
 * @throws SandboxError `ERR_PLATFORM` where there is no sandbox.
 * @example
 * const { settings } = await loadSettings(process.env, {});
 * const { ready, layers } = await probeMachine(settings);
 */
export async function probeMachine(
  settings: Settings,
  env: NodeJS.ProcessEnv = process.env,
): Promise<MachineReport> {
  const layers = (await probeSandbox()).map((probe) => asWanted(probe, settings));
  // Nothing else needs these when an engine is opened.
  const { probeRows } = await import("./rows.js");
  const machine = await probeRows(settings, env);
  const ready = [...layers, ...machine].every(({ works, required }) => works || !required);
  return { ready, layers, machine };
}

/** Settings that concern single layers. */
const settingOf: Readonly<Partial<Record<LayerProbe["layer"], SettingName>>> = {
  "user-namespace": "sandbox",
  "mount-namespace": "sandbox",
  "pid-namespace": "sandbox",
  "ipc-namespace": "sandbox",
  "uts-namespace": "sandbox",
  "pivot-root": "sandbox",
  "new-proc": "sandbox",
  "network-namespace": "fixed-output-network",
  "no-new-privs": "allow-new-privileges",
  seccomp: "filter-syscalls",
  "dropped-groups": "require-drop-supplementary-groups",
  "allocated-uid": "build-users-group",
  cgroup2: "use-cgroups",
};

function asWanted(probe: LayerProbe, settings: Settings): LayerReport {
  const setting = settingOf[probe.layer];
  const groupsMustGo =
    probe.layer === "dropped-groups" && settings["require-drop-supplementary-groups"] && !probe.required;
  return {
    ...probe,
    ...(groupsMustGo ? { required: true } : {}),
    ...(setting === undefined ? {} : { setting }),
  };
}
