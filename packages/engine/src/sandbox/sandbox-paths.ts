import { posix } from "node:path";
import type { SandboxBind } from "@drvkit/sandbox-native";
import { EngineSetupError } from "../error.js";

/**
 * Sandbox paths from their words: `target`, `target=source`, each with an optional trailing `?`.
 * A path is read-only unless its target is also in `writable`. Sorted by target, parents before children.
 *
 * @throws {@link EngineSetupError} `ERR_SANDBOX_PATH` for a relative path, one that escapes, or the root itself.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `startBuilder`
 */
export function parseSandboxPaths(
  words: readonly string[],
  writable: readonly string[],
): readonly SandboxBind[] {
  const writableTargets = new Set(writable.map((path) => checkedTarget(path)));
  const byTarget = new Map<string, SandboxBind>();
  for (const word of words) {
    const optional = word.endsWith("?");
    const plain = optional ? word.slice(0, -1) : word;
    const equals = plain.indexOf("=");
    const target = checkedTarget(equals < 0 ? plain : plain.slice(0, equals));
    const source = equals < 0 ? target : plain.slice(equals + 1);
    if (!posix.isAbsolute(source)) refuse(word, `sandbox path source '${source}' is not absolute`);
    byTarget.set(target, { source, target, writable: writableTargets.has(target), optional });
  }
  for (const target of writableTargets)
    if (!byTarget.has(target)) refuse(target, `writable sandbox path '${target}' is not a sandbox path`);
  return [...byTarget.values()].sort((a, b) => Buffer.compare(Buffer.from(a.target), Buffer.from(b.target)));
}

function checkedTarget(text: string): string {
  if (!posix.isAbsolute(text)) refuse(text, `sandbox path '${text}' is not absolute`);
  if (text.split("/").includes("..")) refuse(text, `sandbox path "${text}" escapes the chroot`);
  const target = posix.normalize(text).replace(/(.)\/+$/u, "$1");
  if (target === "/") refuse(text, `sandbox path "${text}" escapes the chroot`);
  return target;
}

function refuse(word: string, message: string): never {
  throw new EngineSetupError("ERR_SANDBOX_PATH", message, {
    hint: `check '${word}' in 'sandbox-paths' and 'sandbox-writable-paths', and in what a 'pre-build-hook' prints`,
  });
}
