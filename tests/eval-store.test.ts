import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";
import { damagedPaths } from "./stored.js";
import { root } from "./workspace.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const ordinary = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
const isRoot = process.geteuid?.() === 0;
const canBeOrdinary =
  isRoot &&
  spawnSync(ordinary[0] ?? "", [
    ...ordinary.slice(1),
    process.execPath,
    "--check",
    join(root, "packages/cli/bin/drv.js"),
  ]).status === 0;
// `nix-store --version` would open, and make, the store of the machine.
const nixVersion = spawnSync("nix-instantiate", ["--version"], { encoding: "utf8" }).stdout ?? "";

/** A source in two objects, a library, and what is made from both. */
const module = `
import { derivation, Source } from "@drvkit/engine";
export const top = async (engine) => {
  const source = await engine.source("./greeting.txt");
  const { path: leaf } = await engine.evalStore.addText("leaf", Buffer.from("leaf"));
  const { path: refers } = await engine.evalStore.addText("refers", Buffer.from("see " + leaf), [leaf]);
  const lib = derivation({ name: "lib", builder: "/bin/sh", args: ["-c", "echo world > $out"] });
  const script = "read a < $source; read b < $lib; read c < $see; echo $a $b $c > $out";
  const see = new Source(refers);
  return derivation({ name: "top", builder: "/bin/sh", args: ["-c", script], source, lib, see });
};
`;

describe.skipIf(!sandboxWorks)(`a store for derivations and one for builds${why}`, () => {
  let scratch: Scratch;
  let drvPath = "";
  const at = (...parts: readonly string[]) => scratch.path(...parts);
  const run = (args: readonly string[], before: readonly string[] = []) =>
    drv(args, { cwd: scratch.folder, before, env: { HOME: scratch.folder } });
  /** Built in this store with derivations from \`there\`. */
  const build = (store: string, ...more: readonly string[]) =>
    run(["build", drvPath, "--no-link", "--store", at(store), "--eval-store", at("there"), ...more]);
  const objects = (store: string) => {
    const names = existsSync(at(store, "nix/store")) ? readdirSync(at(store, "nix/store")) : [];
    return names
      .filter((name) => name !== ".links") // Nix's
      .map((name) => name.slice(33))
      .sort();
  };

  beforeAll(async () => {
    scratch = new Scratch();
    writeFileSync(at("greeting.txt"), "hello\n");
    writeFileSync(at("module.mjs"), module);
    const ended = await run(["instantiate", "module.mjs", "--store", at("there")]);
    expect(ended.stderr).toBe("");
    drvPath = ended.stdout.trim();
  });
  afterAll(() => scratch[Symbol.asyncDispose]());

  test("gives what one store gives; sources are copied, derivations are not, nothing is built twice", async () => {
    const ended = await build("here", "--json");
    expect(ended.status).toBe(0);
    expect(ended.stderr).toContain(`copied from ${at("there")}`);
    expect(objects("here")).toEqual(["greeting.txt", "leaf", "lib", "refers", "top"]);
    expect(objects("there")).toEqual(["greeting.txt", "leaf", "lib.drv", "refers", "top.drv"]);
    const [built] = JSON.parse(ended.stdout);

    const alone = await run(["build", "module.mjs", "--no-link", "--json", "--store", at("alone")]);
    expect(JSON.parse(alone.stdout)).toMatchObject([{ drvPath, outputs: built.outputs }]);
    const info = async (store: string) =>
      JSON.parse((await run(["path-info", "--json", built.outputs.out, "--store", at(store)])).stdout);
    const [ours, theirs] = [await info("here"), await info("alone")].map((infos) => infos[built.outputs.out]);
    expect(ours).toMatchObject({ narHash: theirs.narHash, references: theirs.references, deriver: drvPath });
    expect(await damagedPaths(at("here"))).toEqual([]);

    const again = await build("here", "--json");
    expect(JSON.parse(again.stdout)).toMatchObject([{ status: "alreadyValid", outputs: built.outputs }]);
    expect(again.stderr).toBe("");
  });

  test("is told before what would be built, and nothing changes by that", async () => {
    const ended = await build("dry", "--dry-run", "--json");
    expect(JSON.parse(ended.stdout)).toMatchObject({
      willBuild: [expect.stringMatching(/-lib\.drv$/u), drvPath],
      unknown: [],
    });
    expect(objects("dry")).toEqual([]);
  });

  test("keeps what a module describes in the one for derivations, where it is shown", async () => {
    const args = ["--store", at("module"), "--eval-store", at("module-there")];
    const ended = await run(["build", "module.mjs", "--no-link", ...args]);
    expect(ended.status).toBe(0);
    expect(objects("module")).toEqual(["greeting.txt", "leaf", "lib", "refers", "top"]);
    expect(objects("module-there")).toContain("top.drv");
    const shown = await run(["show", drvPath, ...args]);
    expect(Object.keys(JSON.parse(shown.stdout))).toEqual([drvPath]);
    const compared = await run(["diff", drvPath, drvPath, ...args]);
    expect(compared.status).toBe(0);
  });

  test("builds a damaged output again from the derivation that is elsewhere", async () => {
    const { stdout } = await build("mended");
    const out = stdout.trim();
    chmodSync(at("mended", out), 0o644);
    writeFileSync(at("mended", out), "changed\n");
    const args = ["--store", at("mended"), "--eval-store", at("there")];
    expect(await run(["repair", out, ...args])).toMatchObject({ status: 0, stdout });
    expect(await damagedPaths(at("mended"))).toEqual([]);
  });

  test("a source that was changed in the one is refused, and nothing of it is in the other", async () => {
    const args = ["--store", at("changed")];
    await run(["instantiate", "module.mjs", ...args]);
    const source = readdirSync(at("changed/nix/store")).find((name) => name.endsWith("-greeting.txt")) ?? "";
    chmodSync(at("changed/nix/store", source), 0o644);
    writeFileSync(at("changed/nix/store", source), "other\n");
    const ended = await run([
      ...["build", drvPath, "--no-link", "--store", at("untouched"), "--eval-store", at("changed")],
    ]);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    const message = `cannot copy '/nix/store/${source}' from evaluation store '${at("changed")}': hash mismatch`;
    expect(ended.stderr).toContain(`error: ${message}`);
    expect(ended.stderr).toContain("[ERR_STORE_HASH_MISMATCH]");
    expect(ended.stderr.match(/^error:/gmu)).toHaveLength(1);
    expect(ended.stderr).toContain("hint: ");
    expect(ended.stderr).toMatch(/top not built, because of greeting\.txt/u);
    expect(objects("untouched").filter((name) => name !== "leaf" && name !== "refers")).toEqual([]);
    expect(await damagedPaths(at("untouched"))).toEqual([]);
  });

  test("both may be one", async () => {
    const ended = await run([
      ...["build", drvPath, "--no-link", "--store", at("there/../there"), "--eval-store", at("there")],
    ]);
    expect(ended.status).toBe(0);
    expect(ended.stderr).not.toContain("copied");
  });

  test("have the same store directory", async () => {
    const ended = await build("elsewhere", "--store-dir", "/elsewhere/store");
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain("[ERR_STORE_DIR_MISMATCH]");
    expect(ended.stderr).toContain("hint: ");
  });

  test("the one for derivations is not that of an installed Nix, whose files are imported instead", async () => {
    mkdirSync(at("nix/nix/var/nix/db"), { recursive: true });
    writeFileSync(at("nix/nix/var/nix/db/schema"), "10");
    const ended = await run(["build", drvPath, "--store", at("here"), "--eval-store", at("nix")]);
    expect(ended.stderr).toContain("[ERR_STORE_FOREIGN]");
    expect(ended.stderr).toContain("'.drv' files of that one are imported when their paths are given");
  });

  test.skipIf(!canBeOrdinary)(
    "the one for derivations may be somebody else's who lets it be read (skipped where root cannot be an ordinary user)",
    async () => {
      mkdirSync(at("theirs"));
      chmodSync(scratch.folder, 0o755);
      chmodSync(at("theirs"), 0o777);
      const database = at("there/nix/var/nix/drvkit/db");
      for (const folder of [dirname(database), database]) chmodSync(folder, 0o755);
      for (const file of readdirSync(database)) chmodSync(join(database, file), 0o644);
      const args = ["--no-link", "--store", at("theirs/store"), "--eval-store", at("there")];
      const ended = await run(["build", drvPath, ...args], ordinary);
      expect(ended.stderr).toContain("✓ top built");
      expect(ended.status).toBe(0);
    },
  );

  test.skipIf(!nixVersion.includes(" 2.8."))(
    "Nix 2.8 copies the same (skipped where it is not installed)",
    () => {
      const nix = (...args: readonly string[]) =>
        execFileSync(
          "nix",
          [...args, "--extra-experimental-features", "nix-command", "--option", "substitute", "false"],
          {
            encoding: "utf8",
            cwd: scratch.folder,
            stdio: ["ignore", "pipe", "pipe"],
            env: { ...process.env, HOME: at("home"), NIX_CONFIG: "build-users-group =\nsandbox = false" },
          },
        );
      writeFileSync(
        at("all.nix"),
        `let
          leaf = builtins.toFile "leaf" "leaf";
          refers = builtins.toFile "refers" "see \${leaf}";
          env = more: derivation ({ system = "builtin"; builder = "builtin:buildenv"; derivations = ""; } // more);
          lib = env { name = "lib"; manifest = leaf; };
        in env { name = "top"; manifest = refers; inherit lib; }`,
      );
      nix("build", "-f", "all.nix", "--no-link", "--store", at("nix-here"), "--eval-store", at("nix-there"));
      expect(objects("nix-here").filter((name) => !name.endsWith(".lock"))).toEqual([
        "leaf",
        "lib",
        "refers",
        "top",
      ]);
      expect(objects("nix-there")).toEqual(["leaf", "lib.drv", "refers", "top.drv"]);
    },
  );
});
