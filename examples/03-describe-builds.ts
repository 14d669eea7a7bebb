// Describes builds in one file: npx drv build examples/03-describe-builds.ts#all
// Uses only the shell's own commands, which is all the sandbox has unless `--host-tools` or `sandbox-paths` say more.
import { derivation, type Engine, nix } from "@drvkit/engine";

const sh = (name: string, script: ReturnType<typeof nix> | string, more: Record<string, string> = {}) =>
  derivation({ name, builder: "/bin/sh", args: ["-euc", script], ...more });

export const greeting = sh("greeting", "echo Hello, world > $out");

/** Counts the lines of this very file: a source goes into the store as it is now. */
export const lines = async (engine: Engine) => {
  const source = await engine.source(new URL(import.meta.url).pathname, { name: "describe-builds.ts" });
  return sh("lines", nix`n=0; while read -r line; do n=$((n + 1)); done < ${source}; echo "$n lines" > $out`);
};

export const all = async (engine: Engine) => {
  const counted = await lines(engine);
  return sh("all", nix`read a < ${greeting}; read b < ${counted}; echo "$a: $b"; echo "$a: $b" > $out`);
};
