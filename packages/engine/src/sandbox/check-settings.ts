import { existsSync } from "node:fs";
import { posix } from "node:path";
import type { StoreDir } from "@drvkit/drv-parser";
import { EngineSetupError } from "../error.js";
import type { Settings } from "../settings/table.js";

/** What the kernel takes as the size of a tmpfs: part of the memory, or bytes with a unit. */
const tmpfsSize = /^\d+(?:%|[kmgtpe])?$/iu;

/**
 * Settings of the sandbox that no build could start with, held against each other before anything is built.
 *
 * @throws {@link EngineSetupError} `ERR_SETTING`
 * @see Nix: src/libstore/unix/build/derivation-builder.cc, `ChrootDerivationBuilder`
 */
export function checkSandboxSettings(
  settings: Pick<Settings, "sandbox-build-dir" | "sandbox-dev-shm-size">,
  storeDir: StoreDir,
): void {
  const buildDir = settings["sandbox-build-dir"];
  if (!posix.isAbsolute(buildDir) || buildDir.split("/").includes(".."))
    throw invalid("sandbox-build-dir", buildDir, "give an absolute path without `..`");
  const folder = posix.normalize(buildDir).replace(/\/+$/u, "");
  if (storeDir === folder || storeDir.startsWith(`${folder}/`))
    throw new EngineSetupError("ERR_SETTING", "`sandbox-build-dir` must not contain the storeDir", {
      hint: `'${buildDir}' would hide '${storeDir}' from builders; the default is '/build'`,
    });
  const size = settings["sandbox-dev-shm-size"];
  if (!tmpfsSize.test(size))
    throw invalid("sandbox-dev-shm-size", size, "give a part of the memory (`50%`) or bytes (`64m`)");
}

function invalid(name: string, value: string, hint: string): EngineSetupError {
  return new EngineSetupError("ERR_SETTING", `setting '${name}' has invalid value '${value}'`, { hint });
}

/** What in these settings stops nothing. @see Nix: src/libstore/linux/build/chroot-linux-derivation-builder.cc */
export function sandboxWarnings(settings: Settings, kvm = "/dev/kvm"): readonly string[] {
  if (!settings["system-features"].includes("kvm") || existsSync(kvm)) return [];
  return [
    `KVM is enabled in system-features but ${kvm} is not available. Builds that require it run without it and may fail.`,
  ];
}
