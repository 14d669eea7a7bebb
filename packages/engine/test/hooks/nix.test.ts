import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "@drvkit/sandbox-native";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openEngine } from "../../src/index.js";
import { writeHookProgram } from "./hook-program.js";

const hasNix = spawnSync("nix-instantiate", ["--version"]).status === 0;
const why = hasNix ? "" : " (skipped: nix-store is not installed)";

const expression = `
let
  source = builtins.toFile "source" "hello";
  fixed = derivation {
    name = "fixed"; system = "far-away"; builder = "/bin/sh"; outputHashMode = "flat"; outputHashAlgo = "sha256";
    outputHash = "0000000000000000000000000000000000000000000000000000000000000000";
  };
in [
  fixed
  (derivation {
    name = "asked"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "cat \${source} > $out" ];
    outputs = [ "out" "dev" ]; requiredSystemFeatures = [ "kvm" "big-parallel" ];
  })
]`;

describe.skipIf(!hasNix)(`what a build hook is asked${why}`, () => {
  let folder: string;
  let drvs: readonly string[];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "drvkit-hook-nix-"));
    writeFileSync(join(folder, "asked.nix"), expression);
    writeHookProgram(
      join(folder, "hook"),
      `ask(); accept("far"); writeFileSync(process.env.HOOK_RECORD, rawQuestion()); process.exit(100);`,
    );
    drvs = nix("nix-instantiate", join(folder, "asked.nix")).trim().split("\n");
  });
  afterAll(() => removeTree(folder));

  const nix = (program: string, ...args: readonly string[]) =>
    execFileSync(program, ["--store", join(folder, "nix"), ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, HOME: folder },
    });

  test.each([0, 1])(
    "is what Nix asks, and so are the sets after `accept`: derivation %i (A13)",
    async (index) => {
      const drvPath = drvs[index] ?? "";
      const [theirs, ours] = ["theirs", "ours"].map((name) => join(folder, `asked-by-${name}-${index}`)) as [
        string,
        string,
      ];
      const hook = join(folder, "hook");
      spawnSync(
        "nix-store",
        [
          "--store",
          join(folder, "nix"),
          "-r",
          drvPath,
          "--option",
          "build-hook",
          hook,
          "--max-jobs",
          "0",
          "--option",
          "substitute",
          "false",
        ],
        { env: { ...process.env, HOME: folder, HOOK_RECORD: theirs } },
      );
      await using engine = await openEngine({
        store: join(folder, `ours-${index}`),
        env: { HOME: folder, HOOK_RECORD: ours },
        settings: { "build-hook": hook, "max-jobs": "0" },
      });
      await engine.build([join(folder, "nix", drvPath)]).result;
      expect(readFileSync(ours)).toEqual(readFileSync(theirs));
    },
  );
});
