import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";
import { DerivationFolder } from "./make-derivation.js";

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
  lib2 = floating "lib" "echo lib > $out # in other words" {};
  app2 = floating "app" "echo \${lib2} \${multi.dev} > $out; echo self $out >> $out" {};
  deferred2 = plain "deferred" "echo \${app2} > $out" {};
  sha512 = content "recursive" "sha512" "sha512" "/busybox mkdir $out; echo sha512 > $out/file; /busybox ln -s file $out/link" {};
  flatmd5 = content "flat" "md5" "flatmd5" "echo flat md5 > $out" {};
  executable = floating "executable" "echo '#!/bin/sh' > $out; /busybox chmod +x $out" {};
  binary = floating "binary" "/busybox head -c 300000 /dev/zero > $out; echo $out >> $out; /busybox head -c 300000 /dev/zero >> $out; echo $out$out >> $out" {};
  tree = plain "tree" "/busybox mkdir -p $out/sub; echo x > $out/sub/x; /busybox ln -s sub/x $out/y" { outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = "sha256-FYDl1VqaRjyw5GohnuHpClqG14H8WkJmeLUW65LL1zw="; };
  md5 = plain "md5" "echo fixed > $out" { outputHashMode = "flat"; outputHashAlgo = "md5"; outputHash = builtins.hashString "md5" "fixed\\n"; };
  fixed = plain "fixed" "test -e \${lib}; echo fixed > $out" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "fixed\\n"; };
}
`;
const names = [
  ...["lib", "self", "multi", "app", "again", "flat", "sha1", "sha512", "flatmd5", "executable", "binary"],
  ...["deferred", "lib2", "app2", "deferred2", "fixed", "tree", "md5"],
];
/** Runs of single ones, in this order: `app2` and `deferred2` come to the same as those before them. */
const runs = ["app", "app", "app2", "deferred", "deferred", "deferred2", "multi"];

describe.skipIf(whyNot !== "")(
  `derivations whose outputs have the paths of their content, beside Nix${whyNot && ` (skipped: ${whyNot})`}`,
  () => {
    let scratch: Scratch;
    let drvPaths: readonly string[];
    const tools = ["--sandbox-paths", "/bin/sh=/bin/busybox /busybox=/bin/busybox"];
    const trace = () => scratch.path("trace");
    const nix = (program: string, ...args: readonly string[]) =>
      execFileSync(
        program,
        [
          ...["--store", scratch.path("nix"), "--option", "experimental-features", "ca-derivations"],
          ...["--option", "build-users-group", "", "--option", "substitute", "false"],
          ...["--option", "sandbox-paths", tools[1] as string, ...args],
        ],
        {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
          env: { ...process.env, _NIX_TRACE_BUILT_OUTPUTS: trace() },
        },
      );
    const build = (...args: readonly string[]) =>
      drv([
        ...["build", "--no-link", "--store", scratch.store, ...tools],
        ...["--experimental-features", "ca-derivations", ...args],
      ]);

    const drvOf = (name: string) => drvPaths[names.indexOf(name)] as string;

    beforeAll(() => {
      scratch = new Scratch();
      mkdirSync(scratch.path("nix"));
      const file = scratch.path("all.nix");
      writeFileSync(file, expression);
      drvPaths = names.map((name) => nix("nix-instantiate", file, "-A", name).trim());
    });
    afterAll(() => scratch[Symbol.asyncDispose]());

    test("A19: end as with Nix, be they built, known, or resolved to what is known", async () => {
      const statuses = [];
      for (const name of runs) {
        nix("nix-store", "--realise", drvOf(name));
        const theirs = /\t(.*)$/mu.exec(readFileSync(trace(), "utf8"))?.[1] ?? "";
        const { stdout } = await build("--json", join(scratch.path("nix"), drvOf(name)));
        const [{ status, outputs }] = JSON.parse(stdout);
        statuses.push([name, theirs, status]);
        expect(Object.keys(outputs).length).toBeGreaterThan(0);
      }
      expect(statuses).toEqual([
        ["app", "Built", "built"],
        ["app", "AlreadyValid", "alreadyValid"],
        ["app2", "ResolvesToAlreadyValid", "resolvesToAlreadyValid"],
        ["deferred", "Built", "built"],
        ["deferred", "AlreadyValid", "alreadyValid"],
        ["deferred2", "ResolvesToAlreadyValid", "resolvesToAlreadyValid"],
        ["multi", "AlreadyValid", "alreadyValid"],
      ]);
    });

    test("B17: come out with the paths that Nix gives them, and so do the derivations that are built in their place", async () => {
      const theirs = nix("nix-store", "--realise", ...drvPaths);
      const ours = await build(...drvPaths.map((path) => join(scratch.path("nix"), path)));
      expect(ours).toMatchObject({ status: 0, stdout: theirs });
      const resolutions = [...ours.stderr.matchAll(/^resolved derivation: '.*' -> '(.*)'$/gmu)];
      expect(resolutions.length).toBeGreaterThan(0);
      for (const [, resolved] of resolutions)
        expect(nix("nix-store", "--query", "--hash", resolved ?? "")).not.toBe("");
    });

    test("as text come out with the paths that Nix gives to texts", async () => {
      const drvs = new DerivationFolder(scratch.path("drvs"));
      const toFile = (name: string, text: string) =>
        nix("nix-instantiate", "--eval", "--expr", `builtins.toFile "${name}" "${text}"`).trim().slice(1, -1);
      const text = { __contentAddressed: true, outputHashMode: "text", outputHashAlgo: "sha256" };
      const drvPath = drvs.write({ name: "text", script: "echo plain text > $out", env: text });
      const { stdout } = await build(drvs.fileOf(drvPath));
      expect(stdout.trim()).toBe(toFile("text", "plain text\\n"));
      const self = drvs.write({ name: "self", script: "echo I am $out > $out", env: text });
      const refused = await build(drvs.fileOf(self));
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain("refers to store paths, which its hash does not allow");
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
