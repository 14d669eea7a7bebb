import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { makeStoreDir } from "@drvkit/drv-parser";
import type { Event } from "@drvkit/goal";
import { afterAll, describe, expect, test } from "vitest";
import { startWithoutSandbox } from "../packages/engine/src/sandbox/unconfined.js";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";
import { DerivationFolder, type Recipe } from "./make-derivation.js";

const isRoot = process.geteuid?.() === 0;
const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const env = { PATH: "/usr/bin:/bin" };
const stores: Scratch[] = [];
afterAll(() => Promise.all(stores.map((store) => store[Symbol.asyncDispose]())));

/** A store whose objects are where its paths say, or not. */
function makeStore({ isDiverted = false } = {}) {
  const scratch = new Scratch();
  stores.push(scratch);
  chmodSync(scratch.folder, 0o755);
  const real = makeStoreDir(join(scratch.store, "nix/store"));
  const drvs = new DerivationFolder(scratch.path("drvs"), isDiverted ? undefined : real);
  const build = async (recipe: Recipe, ...flags: readonly string[]) => {
    const drvPath = drvs.write(recipe);
    const where = isDiverted ? [] : ["--store-dir", real];
    const events = scratch.path("events");
    const args = ["build", drvs.fileOf(drvPath), "--no-link", "--store", scratch.store, ...where];
    const ended = await drv([...args, "--host-tools", "--events", events, ...flags]);
    const lines = existsSync(events) ? readFileSync(events, "utf8").trim().split("\n") : [];
    const started = lines
      .map((line) => JSON.parse(line) as Event)
      .find((event) => event.type === "build-started");
    return { ...ended, drvPath, out: drvs.outputOf(drvPath), started };
  };
  return { scratch, drvs, real, build };
}

const plain = (name: string, script: string, more: Recipe["env"] = {}): Recipe => ({
  name,
  script,
  env: { ...env, ...more },
});
/** Before a command of an ordinary user who can have no user namespaces. */
const without = [
  ...["unshare", "--user", "--map-user", "1000", "--map-group", "1000", "--keep-caps", "sh", "-c"],
  'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"',
  "sh",
] as const;
const running = (mark: string) => spawnSync("pgrep", ["-f", mark]).status === 0;

describe.skipIf(!sandboxWorks)(`isolation as the settings say${why}`, () => {
  test("__noChroot is refused where the sandbox is not relaxed", async () => {
    const { status, stderr, drvPath } = await makeStore().build(
      plain("open", "echo x > $out", { __noChroot: true }),
    );
    expect(stderr).toContain(
      `derivation '${drvPath}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true' [ERR_GOAL_ATTRIBUTE]`,
    );
    expect(status).toBe(1);
  });

  test("relaxed: only what asks for it, and fixed outputs, are not isolated", async () => {
    const { build } = makeStore();
    const asks = await build(plain("asks", "echo $PWD > $out", { __noChroot: true }), "--sandbox", "relaxed");
    expect(asks.started).toMatchObject({ isolation: "none", layers: expect.arrayContaining(["seccomp"]) });
    expect(readFileSync(asks.out, "utf8")).toContain("nix/var/nix/builds/nix-");
    const fixed = await build(
      { ...plain("fixed", "printf fixed > $out"), fixedContent: "fixed" },
      "--sandbox",
      "relaxed",
    );
    expect(fixed.started).toMatchObject({ isolation: "none" });
    const other = await build(plain("other", "echo $PWD > $out"), "--sandbox", "relaxed");
    expect(other.started).toMatchObject({ isolation: "sandbox" });
    expect(readFileSync(other.out, "utf8")).toBe("/build\n");
    expect([asks.status, fixed.status, other.status]).toEqual([0, 0, 0]);
  });

  test("a store that is elsewhere than its paths say always isolates", async () => {
    const { scratch, build } = makeStore({ isDiverted: true });
    const { status, started, out } = await build(
      plain("open", "pwd > $out", { __noChroot: true }),
      "--no-sandbox",
    );
    expect([status, started]).toMatchObject([0, { isolation: "sandbox" }]);
    expect(readFileSync(join(scratch.store, out), "utf8")).toBe("/build\n");
  });

  test("ids for a whole machine need a sandbox", async () => {
    const flags = ["--no-sandbox", "--extra-system-features", "uid-range"];
    const recipe = plain("range", "true", { requiredSystemFeatures: "uid-range" });
    const { status, stderr } = await makeStore().build(recipe, ...flags);
    expect(stderr).toContain("feature 'uid-range' is only supported in sandboxed builds [ERR_GOAL_FEATURE]");
    expect(status).toBe(1);
  });
});

describe(`a build without a sandbox${why}`, () => {
  test("B28: leaves an object as any other, and no process, no directory and no lock", async () => {
    const { scratch, real, build } = makeStore();
    const mark = `86300.${process.pid}`;
    const script = `sleep ${mark} & (setsid sleep ${mark} &) ; mkdir $out; echo text > $out/file; chmod 700 $out; echo ended`;
    const { status, stderr, out } = await build(plain("left", script), "--no-sandbox", "-L");
    expect([status, stderr]).toEqual([0, expect.stringContaining("left> ended\n")]);
    expect(running(mark)).toBe(false);
    const stat = lstatSync(join(out, "file"));
    expect([stat.uid, stat.mode & 0o7777, stat.mtimeMs]).toEqual([process.geteuid?.(), 0o444, 1000]);
    expect(readdirSync(join(scratch.store, "nix/var/nix/builds"))).toEqual([]);
    expect(readdirSync(real).filter((name) => !name.includes("-left"))).toEqual([]);
    expect(readdirSync(real).filter((name) => /\.(lock|chroot)$/u.test(name))).toEqual([]);
  });

  test.each([
    { how: "without a sandbox", flags: ["--sandbox", "false"], builderSaw: "machine", isolation: "none" },
    {
      how: "with the tools of the machine",
      flags: ["--sandbox", "true"],
      builderSaw: "hostTools",
      isolation: "sandbox",
    },
  ])("$how is marked in its events and in path-info", async ({ flags, builderSaw, isolation }) => {
    const { scratch, real, build } = makeStore();
    const { out, started } = await build(plain("marked", "echo x > $out"), ...flags);
    expect(started).toMatchObject({ isolation, hostTools: true });
    const { stdout } = await drv(["path-info", "--json", out, "--store", scratch.store, "--store-dir", real]);
    expect(JSON.parse(stdout)[out]).toMatchObject({ builderSaw });
  });

  test("B28: one in the sandbox leaves no process either", async () => {
    const mark = `86301.${process.pid}`;
    const recipe = plain("inside", `sleep ${mark} & (setsid sleep ${mark} &) ; echo x > $out`);
    const { status } = await makeStore().build(recipe);
    expect([status, running(mark)]).toEqual([sandboxWorks ? 0 : 1, false]);
  });

  test("fails as any other, with its directory kept if asked to", async () => {
    const { build } = makeStore();
    const { status, stderr } = await build(
      plain("fails", "echo clue > file; exit 7"),
      "--no-sandbox",
      "--keep-failed",
    );
    expect([status, stderr]).toEqual([100, expect.stringContaining("failed with exit code 7")]);
    const kept = /keeping build directory '(.*)'/u.exec(stderr)?.[1] ?? "";
    expect(readFileSync(join(kept, "file"), "utf8")).toBe("clue\n");
  });

  test("is checked and repaired beside what is valid, whatever it says of itself", async () => {
    const { real, build } = makeStore();
    const script = "mkdir $out; echo $out > $out/self; ln -s $out/self $out/link; echo $PWD > /dev/null";
    const recipe = plain("again", script);
    const { out } = await build(recipe, "--no-sandbox");
    expect((await build(recipe, "--no-sandbox", "--check")).status).toBe(0);
    expect(readFileSync(join(out, "self"), "utf8")).toBe(`${out}\n`);
    chmodSync(join(out, "self"), 0o644);
    writeFileSync(join(out, "self"), "damaged");
    const checked = await build(recipe, "--no-sandbox", "--check");
    expect([checked.status, checked.stderr]).toEqual([0, expect.any(String)]); // compared with what is registered
    expect((await build(recipe, "--no-sandbox", "--repair")).status).toBe(0);
    expect(readFileSync(join(out, "self"), "utf8")).toBe(`${out}\n`);
    expect(readdirSync(real).filter((name) => name.endsWith("-again"))).toHaveLength(1);
    const other = await build(plain("differs", "date +%N > $out"), "--no-sandbox");
    expect(other.status).toBe(0);
    const differs = await build(plain("differs", "date +%N > $out"), "--no-sandbox", "--check");
    expect([differs.status, differs.stderr]).toEqual([
      104,
      expect.stringContaining("may not be deterministic"),
    ]);
  });

  test.skipIf(!isRoot)("of root runs under an id of its own (skipped: not root)", async () => {
    const { scratch, real, build } = makeStore();
    const { out } = await build(plain("ids", "id -u > $out; id -G >> $out"), "--no-sandbox");
    const [uid, groups] = readFileSync(out, "utf8").trim().split("\n");
    expect(Number(uid)).toBeGreaterThanOrEqual(872_415_232);
    expect(groups).toBe("872415232");
    expect([lstatSync(real).gid, lstatSync(real).mode & 0o7777]).toEqual([872_415_232, 0o1775]);
    expect(lstatSync(scratch.store).mode & 0o022).toBe(0);
  });

  test("is not begun where it would find a home", async () => {
    const folder = new Scratch();
    stores.push(folder);
    mkdirSync(folder.path("home"));
    writeFileSync(folder.path("home/.profile"), "");
    const start = startWithoutSandbox(
      {} as never,
      { realStoreDir: "/", isShared: false },
      folder.path("home"),
    );
    await expect(start).rejects.toMatchObject({
      code: "ERR_HOME_EXISTS",
      message: `home directory '${folder.path("home")}' exists; please remove it to assure purity of builds without sandboxing`,
    });
  });

  const canNest = spawnSync(without[0], [...without.slice(1), "true"]).status === 0;
  const nested = canNest ? "" : " (skipped: user namespaces cannot be nested here)";
  test.skipIf(!canNest)(`takes the place of one in the sandbox where settings say so${nested}`, async () => {
    const { scratch, drvs, real } = makeStore();
    const file = drvs.fileOf(drvs.write(plain("fallback", "echo x > $out")));
    const before = without;
    const args = ["build", file, "--no-link", "--store", scratch.store, "--store-dir", real];
    const refused = await drv(args, { before });
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringContaining("[ERR_SANDBOX_UNAVAILABLE]"),
    ]);
    const { status, stderr } = await drv([...args, "--sandbox-fallback"], { before });
    expect(stderr).toContain(
      "auto-disabling sandboxing because the prerequisite namespaces are not available and 'sandbox-fallback' is enabled; use '--no-sandbox' or specify 'sandbox = false' setting to silence this warning",
    );
    expect(status).toBe(0);
  });
});
