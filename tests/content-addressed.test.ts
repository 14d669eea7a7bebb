import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";

const has = (program: string) => spawnSync(program, ["--version"]).error === undefined;
const whyNot = [
  ...(sandboxWorks ? [] : ["this machine cannot build in the sandbox"]),
  ...(has("nix-store") ? [] : ["no Nix here to compare with"]),
  ...(has("/bin/busybox") ? [] : ["no static busybox here"]),
].join(", ");

const expression = `
let
  system = "x86_64-linux";
  builder = "/bin/sh";
  plain = name: script: extra: derivation ({ inherit name system builder; args = [ "-c" script ]; } // extra);
  content = mode: algo: name: script: extra:
    plain name script ({ __contentAddressed = true; outputHashMode = mode; outputHashAlgo = algo; } // extra);
  floating = content "recursive" "sha256";
in rec {
  lib = floating "lib" "echo lib > $out" {};
  self = floating "self" "/busybox mkdir $out; echo I am $out > $out/self; /busybox ln -s $out/self $out/link" {};
  multi = floating "multi" "echo lib at $lib > $lib; /busybox mkdir $out; echo $out uses $lib and $dev > $out/x; echo dev of $lib > $dev" { outputs = [ "out" "lib" "dev" ]; };
  app = floating "app" "echo \${lib} \${multi.dev} > $out; echo self $out >> $out" {};
  again = floating "app" "echo \${lib} \${multi.dev} > $out; echo self $out >> $out # in other words" {};
  flat = content "flat" "sha256" "flat" "echo flat > $out" {};
  sha1 = content "recursive" "sha1" "sha1" "echo sha1 > $out" {};
  deferred = plain "deferred" "echo \${app} > $out" {};
  fixed = plain "fixed" "test -e \${lib}; echo fixed > $out" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "fixed\\n"; };
}
`;
const names = ["lib", "self", "multi", "app", "again", "flat", "sha1", "deferred", "fixed"];

describe.skipIf(whyNot !== "")(
  `derivations whose outputs have the paths of their content, beside Nix${whyNot && ` (skipped: ${whyNot})`}`,
  () => {
    let scratch: Scratch;
    let drvPaths: readonly string[];
    const tools = ["--sandbox-paths", "/bin/sh=/bin/busybox /busybox=/bin/busybox"];
    const nix = (program: string, ...args: readonly string[]) =>
      execFileSync(
        program,
        [
          ...["--store", scratch.path("nix"), "--option", "experimental-features", "ca-derivations"],
          ...["--option", "build-users-group", "", "--option", "substitute", "false"],
          ...["--option", "sandbox-paths", tools[1] as string, ...args],
        ],
        { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
      );
    const build = (...args: readonly string[]) =>
      drv([
        ...["build", "--no-link", "--store", scratch.store, ...tools],
        ...["--experimental-features", "ca-derivations", ...args],
      ]);

    beforeAll(() => {
      scratch = new Scratch();
      mkdirSync(scratch.path("nix"));
      const file = scratch.path("all.nix");
      writeFileSync(file, expression);
      drvPaths = names.map((name) => nix("nix-instantiate", file, "-A", name).trim());
    });
    afterAll(() => scratch[Symbol.asyncDispose]());

    test("B17: come out with the paths that Nix gives them, and so do the derivations that are built in their place", async () => {
      const theirs = nix("nix-store", "--realise", ...drvPaths);
      const ours = await build(...drvPaths.map((path) => join(scratch.path("nix"), path)));
      expect(ours).toMatchObject({ status: 0, stdout: theirs });
      const resolutions = [...ours.stderr.matchAll(/^resolved derivation: '.*' -> '(.*)'$/gmu)];
      expect(resolutions).toHaveLength(4);
      for (const [, resolved] of resolutions)
        expect(nix("nix-store", "--query", "--hash", resolved ?? "")).not.toBe("");
    });

    test("are not built again, neither they nor others that come to the same", async () => {
      expect((await build(...drvPaths)).stderr).toBe("");
      const checked = await build("--check", drvPaths[0] as string);
      expect(checked).toMatchObject({ status: 0 });
    });

    test("need the feature", async () => {
      const ended = await drv(["build", "--no-link", "--store", scratch.store, drvPaths[0] as string]);
      expect(ended.status).toBe(1);
      expect(ended.stderr).toContain("experimental Nix feature 'ca-derivations' is disabled");
    });
  },
);
