import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baseNameOf, defaultStoreDir, derivation, makeStorePath, type StorePath } from "@drvkit/drv-parser";
import { openEngine } from "@drvkit/engine";
import { dumpTree } from "@drvkit/sandbox-native";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, type Ended, identity, sandboxWorks } from "./drv-command.js";

const canRun = sandboxWorks && existsSync("/usr/bin/mkdir");
const why = canRun
  ? ""
  : ` (skipped: ${sandboxWorks ? "there is no /usr/bin/mkdir" : "this machine cannot build in the sandbox"})`;
const env = { PATH: "/usr/bin:/bin" };

describe.skipIf(!canRun)(`what a build leaves${why}`, () => {
  const suite = buildSuite();
  const build = (drvPath: StorePath, ...flags: readonly string[]) =>
    suite.build(suite.drvs.fileOf(drvPath), "--host-tools", ...flags);
  const realPath = (path: string) => join(suite.scratch.store, path);
  const textOf = (path: string) => readFileSync(realPath(path), "utf8");
  const resultOf = ({ stdout }: Ended) => JSON.parse(stdout)[0];
  const isValid = async (path: string) =>
    (await drv(["path-info", path, "--store", suite.scratch.store])).status === 0;

  test.each([
    { name: "a builder that fails", script: "exit 3", status: 100 },
    { name: "a builder of a fixed output that fails", script: "exit 3", fixedContent: "x", status: 1 },
    { name: "an output that is missing", script: "true", status: 1 },
    { name: "a fixed output of another hash", script: "echo y > $out", fixedContent: "x", status: 102 },
  ])("A5: $name, is exit status $status", async ({ name, status, ...recipe }) => {
    const drvPath = suite.drvs.write({ ...recipe, name: name.replaceAll(" ", "-"), env });
    expect((await build(drvPath)).status).toBe(status);
  });

  test("an output is on the disk before it is valid, if `fsync-store-paths` says so", async () => {
    const drvPath = suite.drvs.write({ name: "synced", script: "mkdir $out; echo a > $out/file", env });
    const sync = ["--option", "fsync-store-paths", "true"];
    expect((await build(drvPath, ...sync)).status).toBe(0);
    expect(textOf(`${suite.drvs.outputOf(drvPath)}/file`)).toBe("a\n");
    const settings = { "fsync-store-paths": "true" };
    await using engine = await openEngine({ store: suite.scratch.store, settings });
    const info = await engine.store.queryPathInfo(suite.drvs.outputOf(drvPath));
    const path = makeStorePath(defaultStoreDir, `${"0".repeat(32)}-absent`);
    const registering = engine.store.registerValidPaths([{ ...info!, path }]);
    await expect(registering).rejects.toMatchObject({ code: "ERR_TREE_IO" });
  });

  test("A18: a damaged dependency is built again by the repair of what needs it", async () => {
    const lib = suite.drvs.write({ name: "lib", script: "echo lib > $out", env });
    const app = suite.drvs.write({
      name: "app",
      script: "cat $lib; echo $lib > $out",
      inputs: [lib],
      env: { ...env, lib: suite.drvs.outputOf(lib) },
    });
    await build(app);
    const damaged = realPath(suite.drvs.outputOf(lib));
    chmodSync(damaged, 0o644);
    writeFileSync(damaged, "damaged\n");
    const before = identity(realPath(suite.drvs.outputOf(app)));
    const ended = await build(app, "--repair", "--json");
    expect(resultOf(ended)).toMatchObject({ status: "alreadyValid", timesBuilt: 0 });
    expect(textOf(suite.drvs.outputOf(lib))).toBe("lib\n");
    expect(identity(realPath(suite.drvs.outputOf(app)))).toEqual(before);
  });

  test("B19: of two outputs the one that is missing is made beside the one that is valid", async () => {
    const script = "mkdir $out $dev; echo $dev > $out/uses; echo dev > $dev/file";
    const drvPath = suite.drvs.write({ name: "two", outputs: ["out", "dev"], script, env });
    await build(drvPath);
    const [out, dev] = [suite.drvs.outputOf(drvPath), suite.drvs.outputOf(drvPath, "dev")];
    const store = suite.scratch.path("half");
    const [from, to] = [await openEngine({ store: suite.scratch.store }), await openEngine({ store })];
    await to.store.addFromArchive(await from.store.requirePathInfo(dev), dumpTree(realPath(dev)), {
      signal: new AbortController().signal,
    });
    await Promise.all([from.close(), to.close()]);
    const before = identity(join(store, dev, "file"));
    const ended = await drv([
      "build",
      suite.drvs.fileOf(drvPath),
      "--no-link",
      "--host-tools",
      "--json",
      "--store",
      store,
    ]);
    expect(resultOf(ended)).toMatchObject({ status: "built", outputs: { out, dev } });
    expect(readFileSync(join(store, out, "uses"), "utf8")).toBe(`${dev}\n`);
    expect(identity(join(store, dev, "file"))).toEqual(before);
  });

  test("B20: a fixed output of another hash is kept under its own path, so that the right hash builds nothing", async () => {
    const [wrong, right] = ["expected\n", "found\n"].map((fixedContent) =>
      suite.drvs.write({ name: "file", script: "echo found > $out", env, fixedContent }),
    ) as [StorePath, StorePath];
    const ended = await build(wrong);
    expect(ended.status).toBe(102);
    const hash = "sha256-[A-Za-z0-9+/]{43}=";
    expect(ended.stderr).toMatch(
      new RegExp(
        `^error: hash mismatch in fixed-output derivation '${wrong}':\n +  specified: ${hash}\n +     got:    ${hash} `,
        "mu",
      ),
    );
    expect(ended.stderr).toContain(`what was built is registered as '${suite.drvs.outputOf(right)}'`);
    expect(await isValid(suite.drvs.outputOf(wrong))).toBe(false);
    expect(resultOf(await build(right, "--json"))).toMatchObject({ status: "alreadyValid", timesBuilt: 0 });
    expect(textOf(suite.drvs.outputOf(right))).toBe("found\n");
  });

  test("B22: a fixed output that names a store path is refused", async () => {
    const lib = suite.drvs.write({ name: "named", script: "echo lib > $out", env });
    const path = suite.drvs.outputOf(lib);
    const drvPath = suite.drvs.write({
      name: "naming",
      script: `echo ${path} > $out`,
      inputs: [lib],
      env,
      fixedContent: `${path}\n`,
    });
    const ended = await build(drvPath);
    expect(ended.status).toBe(102);
    expect(ended.stderr).toContain(
      `fixed-output derivations must not reference store paths: '${drvPath}' references 1 distinct paths, e.g. '${path}'`,
    );
    expect(await isValid(suite.drvs.outputOf(drvPath))).toBe(false);
  });

  /** `out` names itself and `dev`. */
  const namesBoth = "mkdir $out; echo $out $dev > $out/names; echo dev > $dev";
  const notAllowed = "is not allowed to refer to the following paths";
  test.each<{ limit: string; value: string[] | number; refused?: string; only?: "structured" }>([
    { limit: "allowedReferences", value: ["out", "dev"] },
    { limit: "allowedReferences", value: [], refused: notAllowed },
    { limit: "allowedReferences", value: ["lib"], refused: "contains output name 'lib', but this is not a" },
    { limit: "allowedRequisites", value: ["out", "dev"] },
    { limit: "allowedRequisites", value: ["dev"], refused: notAllowed, only: "structured" },
    { limit: "disallowedReferences", value: ["dev"], refused: notAllowed },
    { limit: "disallowedRequisites", value: ["out"], refused: notAllowed, only: "structured" },
    { limit: "maxSize", value: 100, refused: "is too large at", only: "structured" },
    { limit: "maxClosureSize", value: 100, refused: "is too large at", only: "structured" },
  ])("B24: $limit $value, in both styles of attributes", async ({ limit, value, refused, only }) => {
    const common = {
      name: "limited",
      system: "x86_64-linux",
      builder: "/bin/bash",
      outputs: ["out", "dev"],
      ...env,
    };
    const plain = derivation({ ...common, args: ["-euc", namesBoth], [limit]: value });
    const variables = `. $NIX_ATTRS_SH_FILE; out=\${outputs[out]} dev=\${outputs[dev]} PATH=${env.PATH}`;
    const structured = derivation({
      ...common,
      args: ["-euc", `${variables}; ${namesBoth}`],
      __structuredAttrs: true,
      outputChecks: { out: { [limit]: value } },
    });
    for (const [style, { drvPath, bytes }] of Object.entries({ plain, structured })) {
      const file = suite.scratch.path("drvs", baseNameOf(drvPath));
      writeFileSync(file, bytes);
      const ended = await suite.build(file, "--host-tools");
      const isRefused = refused !== undefined && (only === undefined || only === style);
      expect([style, ended.status], ended.stderr).toEqual([style, isRefused ? 1 : 0]);
      if (isRefused) expect(ended.stderr).toContain(refused);
    }
  });

  test.each([
    {
      name: "fails",
      script: "mkdir $out; echo half > $out/file; chmod 4755 $out/file || true; exit 1",
      status: 100,
    },
    { name: "is refused", script: "mkdir $out; echo half > $out/file; chmod 777 $out", status: 1 },
  ])(
    "B31: what a builder that $name wrote stays, canonical and not valid, until the next attempt",
    async ({ name, script, status }) => {
      const drvPath = suite.drvs.write({
        name: `half-${status}`,
        script: `test -e /now && echo whole > $out || { ${script}; }`,
        env,
      });
      const out = suite.drvs.outputOf(drvPath);
      const ended = await build(drvPath);
      expect([name, ended.status]).toEqual([name, status]);
      expect(textOf(`${out}/file`)).toBe("half\n");
      const stat = lstatSync(realPath(out));
      expect([stat.mode & 0o7777, stat.uid, stat.mtimeMs]).toEqual([0o555, process.geteuid?.(), 1000]);
      expect(lstatSync(realPath(`${out}/file`)).mode & 0o7777).toBe(0o444);
      expect(await isValid(out)).toBe(false);
      expect(readdirSync(realPath("/nix/store")).filter((entry) => entry.endsWith(".chroot"))).toEqual([]);
      const now = await build(drvPath, "--extra-sandbox-paths", `/now=${suite.scratch.folder}`);
      expect(now).toMatchObject({ status: 0, stdout: `${out}\n` });
      expect(textOf(out)).toBe("whole\n");
    },
  );

  test("B31: what cannot be made canonical goes with the sandbox", async () => {
    const drvPath = suite.drvs.write({ name: "pipe", script: "mkdir $out; mkfifo $out/pipe; exit 1", env });
    expect((await build(drvPath)).status).toBe(100);
    expect(existsSync(realPath(suite.drvs.outputOf(drvPath)))).toBe(false);
  });
});
