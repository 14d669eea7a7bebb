import { chmodSync, existsSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { type Ended, identity, sandboxWorks } from "./drv-command.js";

const canRun = sandboxWorks && existsSync("/usr/bin/mkdir");
const why = canRun
  ? ""
  : ` (skipped: ${sandboxWorks ? "there is no /usr/bin/mkdir" : "this machine cannot build in the sandbox"})`;
const env = { PATH: "/usr/bin:/bin" };
const isRoot = process.geteuid?.() === 0;
const random = "read x < /proc/sys/kernel/random/uuid";

describe.skipIf(!canRun)(`the check of a derivation${why}`, () => {
  const suite = buildSuite();
  const build = (drvPath: StorePath, ...flags: readonly string[]) =>
    suite.build(suite.drvs.fileOf(drvPath), "--host-tools", ...flags);
  const realPath = (path: string) => join(suite.scratch.store, path);
  const resultOf = ({ stdout }: Ended) => JSON.parse(stdout)[0];

  test("B23: that gives the same outputs changes nothing", async () => {
    const drvPath = suite.drvs.write({ name: "equal", script: "echo always > $out", env });
    await build(drvPath);
    const before = identity(realPath(suite.drvs.outputOf(drvPath)));
    const ended = await build(drvPath, "--check");
    expect(ended).toMatchObject({ status: 0, stdout: `${suite.drvs.outputOf(drvPath)}\n` });
    expect(identity(realPath(suite.drvs.outputOf(drvPath)))).toEqual(before);
  });

  test("B23: that gives another output says which files differ, from which byte, and why", async () => {
    const script = [
      random,
      "mkdir $out",
      "echo always > $out/same",
      'echo "built $(date +%s%N) here" > $out/time',
      "for line in a b c d e f g h i j k l m n o p; do echo $line; done | shuf > $out/order",
      "echo in /tmp/nix-build-$x/src > $out/path",
      "ln -s /tmp/$x/target $out/link",
      "echo $x > $out/random",
      ": > $out/only-$x",
    ].join("; ");
    const drvPath = suite.drvs.write({ name: "changing", script, env });
    await build(drvPath);
    const out = suite.drvs.outputOf(drvPath);
    const ended = await build(drvPath, "--check");
    expect([ended.status, ended.stdout]).toEqual([104, ""]);
    const message = `derivation '${drvPath}' may not be deterministic: output '${realPath(out)}' differs`;
    expect(ended.stderr).toContain(`error: ${message} [ERR_BUILD_FAILED]`);
    expect(ended.stderr).toContain("in output 'out' 7 files differ:");
    expect(ended.stderr).toMatch(/^ +order +the same lines in another order, from byte \d+$/mu);
    expect(ended.stderr).toMatch(
      /^ +time +from byte \d+: "built 1\d+ here\\n", now "built 1\d+ here\\n" \(a time\)$/mu,
    );
    expect(ended.stderr).toMatch(/^ +link +link to "\/tmp\/[-0-9a-f]+\/target", now "\/tmp\/.*\(a path\)$/mu);
    expect(existsSync(realPath(`${out}.check`))).toBe(false);

    const told = resultOf(await build(drvPath, "--check", "--json"));
    expect(told).toMatchObject({ status: "notDeterministic", errorMessage: message });
    expect(told.differences).toMatchObject([{ output: "out", path: out, count: 7 }]);
    const [{ files, kept }] = told.differences;
    expect(kept).toBeUndefined();
    const reasons = files.map(({ file, kind, reason }: Record<string, string>) => [file, kind, reason]);
    expect(reasons).toEqual([
      ["link", "target", "path"],
      [expect.stringMatching(/^only-/u), "only", undefined],
      [expect.stringMatching(/^only-/u), "only", undefined],
      ["order", "contents", "order"],
      ["path", "contents", "path"],
      ["random", "contents", undefined],
      ["time", "contents", "time"],
    ]);
    const { offset, registered, built } = files[5];
    expect(registered.slice(0, offset)).toBe(built.slice(0, offset));
    expect(registered[offset]).not.toBe(built[offset]);
  });

  test("B23: with keep-failed keeps both outputs and the build directory", async () => {
    const script = `${random}; echo $x > file; echo $x > $out`;
    const drvPath = suite.drvs.write({ name: "kept", script, env });
    await build(drvPath);
    const real = realPath(suite.drvs.outputOf(drvPath));
    const before = readFileSync(real, "utf8");
    for (const attempt of ["first", "second"]) {
      const ended = await build(drvPath, "--check", "--keep-failed");
      expect(ended.status, attempt).toBe(104);
      expect(ended.stderr).toContain(`output '${real}' differs from '${real}.check'`);
      const kept = /^note: keeping build directory '(.*)'$/mu.exec(ended.stderr)?.[1] ?? "";
      const now = readFileSync(`${real}.check`, "utf8");
      expect(readFileSync(join(kept, "file"), "utf8")).toBe(now);
      expect(now).not.toBe(before);
      expect(readFileSync(real, "utf8")).toBe(before);
      expect(lstatSync(`${real}.check`).mode & 0o777).toBe(0o444);
    }
  });

  test("B23: tells of every output that differs, and keeps each", async () => {
    const script = `${random}; echo $x > $dev; echo same > $lib; echo $x > $out`;
    const outputs = ["out", "dev", "lib"];
    const drvPath = suite.drvs.write({ name: "three", outputs, script, env });
    await build(drvPath);
    const { differences } = resultOf(await build(drvPath, "--check", "--keep-failed", "--json"));
    expect(differences.map(({ output }: { output: string }) => output)).toEqual(["dev", "out"]);
    for (const { path, kept } of differences) {
      expect(kept).toBe(`${realPath(path)}.check`);
      expect(existsSync(kept)).toBe(true);
    }
  });

  test("B23: of a fixed output that is another one is a mismatch", async () => {
    const script = `test -e /flag || echo right > $out; test ! -e /flag || echo wrong > $out`;
    const drvPath = suite.drvs.write({ name: "fixed", script, env, fixedContent: "right\n" });
    expect((await build(drvPath)).status).toBe(0);
    const flag = ["--extra-sandbox-paths", `/flag=${suite.scratch.folder}`];
    const ended = await build(drvPath, "--check", ...flag);
    expect(ended.status).toBe(102);
    expect(ended.stderr).toContain(`hash mismatch in fixed-output derivation '${drvPath}':`);
    expect(readFileSync(realPath(suite.drvs.outputOf(drvPath)), "utf8")).toBe("right\n");
    expect((await build(drvPath, "--check")).status).toBe(0);
  });

  test("B23: needs all outputs", async () => {
    const drvPath = suite.drvs.write({
      name: "half",
      outputs: ["out", "dev"],
      script: "echo o > $out; echo d > $dev",
      env,
    });
    const ended = await build(drvPath, "--check");
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain(`some outputs of '${drvPath}' are not valid, so checking is not possible`);
  });

  test("B23: of a floating output that is another one finds a difference", async () => {
    const floating = { __contentAddressed: true, outputHashMode: "recursive", outputHashAlgo: "sha256" };
    const drvPath = suite.drvs.write({
      name: "floating",
      script: `test -e /flag || echo right > $out; test ! -e /flag || echo wrong > $out`,
      env: { ...env, ...floating },
    });
    const feature = ["--experimental-features", "ca-derivations"];
    const flag = ["--extra-sandbox-paths", `/flag=${suite.scratch.folder}`];
    const { outputs } = resultOf(await build(drvPath, ...feature, "--json"));
    const ended = await build(drvPath, ...feature, ...flag, "--check", "--json");
    expect(ended.status).toBe(104);
    expect(resultOf(ended).differences).toMatchObject([
      { output: "out", path: outputs.out, count: 1, files: [{ file: "", kind: "contents", offset: 0 }] },
    ]);
  });

  test("B23: shows both to the diff hook, as the builder, and says what that prints", async () => {
    chmodSync(suite.scratch.folder, 0o755);
    const hook = suite.scratch.path("diff-hook");
    const print = 'echo "$(id -u) $(id -G) $(pwd)"; printf "%s\n" "$@"; cmp -s "$1" "$2"; echo $?';
    writeFileSync(hook, `#!/bin/sh\n${print}\n`, { mode: 0o755 });
    const drvPath = suite.drvs.write({ name: "shown", script: `${random}; echo $x > $out`, env });
    await build(drvPath);
    const real = realPath(suite.drvs.outputOf(drvPath));
    const ended = await build(drvPath, "--check", "--diff-hook", hook, "--run-diff-hook");
    expect(ended.status).toBe(104);
    expect(ended.stderr).toContain(`output '${real}' differs from '${real}.check'`);
    const printed = /^error: (.*\n(?: {7}.*\n){5})/mu.exec(ended.stderr)?.[1]?.trimEnd() ?? "";
    const [ids = "", ...told] = printed.split("\n").map((line) => line.trim());
    const [uid, ...rest] = ids.split(" ");
    if (isRoot) {
      expect(Number(uid)).toBeGreaterThanOrEqual(872415232);
      expect(rest).toEqual([uid, "/"]);
    } else expect(Number(uid)).toBe(process.geteuid?.());
    const buildDir = expect.stringMatching(/\/nix\/var\/nix\/builds\/[^/]+\/build$/u);
    expect(told).toEqual([real, `${real}.check`, drvPath, buildDir, "1"]);
  });

  test("a diff hook that fails changes nothing else", async () => {
    const drvPath = suite.drvs.write({ name: "failing-hook", script: `${random}; echo $x > $out`, env });
    await build(drvPath);
    const ended = await build(drvPath, "--check", "--diff-hook", "false", "--run-diff-hook");
    expect(ended.status).toBe(104);
    expect(ended.stderr).toContain(
      "error: diff hook execution failed: diff-hook program 'false' failed with exit code 1",
    );
    const unused = await build(drvPath, "--check", "--diff-hook", "false");
    expect(unused.stderr).not.toContain("diff hook");
  });
});
