import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { SandboxError } from "./error.js";

/** Whether the functions of this package work here, and if not, why. */
export type PlatformSupport =
  | { readonly supported: true }
  | { readonly supported: false; readonly reason: string };

/**
 * Says whether this machine is one the addon exists for, without loading it.
 *
 * @example
 * platformSupport() // { supported: false, reason: "darwin is not Linux" }
 */
export function platformSupport(): PlatformSupport {
  if (process.platform !== "linux") return { supported: false, reason: `${process.platform} is not Linux` };
  if (process.arch !== "x64" && process.arch !== "arm64")
    return { supported: false, reason: `there is no build for the ${process.arch} processor` };
  return { supported: true };
}

let addon: unknown;

/**
 * The addon, loaded on the first call: a build in `native/` of this package's folder, else the platform package.
 *
 * @throws SandboxError `ERR_PLATFORM` where the addon does not exist or does not load.
 */
export function loadAddon(): unknown {
  addon ??= load();
  return addon;
}

function load(): unknown {
  const support = platformSupport();
  if (!support.supported) {
    throw new SandboxError({
      code: "ERR_PLATFORM",
      message: `the sandbox does not work on this machine: ${support.reason}`,
      hint: "use Linux on x64 or arm64",
    });
  }
  const triple = `linux-${process.arch}-${isMusl() ? "musl" : "gnu"}`;
  const require = createRequire(import.meta.url);
  // `ts/` and `dist/` are both one level below the package's folder.
  const built = fileURLToPath(new URL(`../native/sandbox-native.${triple}.node`, import.meta.url));
  const name = `@drvkit/sandbox-native-${triple}`;
  try {
    return require(existsSync(built) ? built : name);
  } catch (cause) {
    throw new SandboxError(
      {
        code: "ERR_PLATFORM",
        message: `the addon for "${triple}" does not load`,
        hint: `install the package "${name}": it is an optional dependency that --omit=optional leaves out`,
      },
      { cause },
    );
  }
}

/** Whether this process runs on the loader of musl, which also is its C library. Node's own report would say, but takes milliseconds. */
function isMusl(): boolean {
  try {
    return readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-");
  } catch {
    return false; // without /proc no sandbox works either
  }
}
