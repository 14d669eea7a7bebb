import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { drv, type Ended, Scratch, sandboxWorks } from "./drv-command.js";
import { DerivationFolder } from "./make-derivation.js";
import { until } from "./until.js";

let scratch: Scratch;
let drvs: DerivationFolder;
const mounted: string[] = [];

beforeEach(() => {
  scratch = new Scratch();
  drvs = new DerivationFolder(scratch.path("drvs"));
});
afterEach(async () => {
  for (const place of mounted.splice(0).reverse()) execFileSync("umount", ["-l", place]);
  await scratch[Symbol.asyncDispose]();
});

/** A file system of its own at a place in the store. */
function mount(below: string, size: string): string {
  const place = join(scratch.store, below);
  mkdirSync(place, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},nr_inodes=100,mode=755`, "drvkit-test", place]);
  mounted.push(place);
  return place;
}

/** Neither a block nor an inode is left. */
function fill(place: string): void {
  const file = openSync(join(place, "filler-of-blocks"), "w");
  const block = Buffer.alloc(4096);
  untilFull(() => writeSync(file, block));
  closeSync(file);
  untilFull((i) => writeFileSync(join(place, `filler-${i}`), ""));
}

function untilFull(write: (count: number) => void): void {
  for (let count = 0; ; count += 1) {
    try {
      write(count);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") return;
      throw error;
    }
  }
}

function makeRoom(place: string): void {
  for (const name of readdirSync(place)) if (name.startsWith("filler-")) rmSync(join(place, name));
}

const build = (path: Parameters<DerivationFolder["fileOf"]>[0]) =>
  drv(["build", drvs.fileOf(path), "--no-link", "--store", scratch.store]);

/** One clear error of a process that lives, and no trace of the build. */
async function expectRefused(ended: Ended, path: Parameters<DerivationFolder["outputOf"]>[0]) {
  expect(ended.stdout).toBe("");
  expect(ended.status).toBeGreaterThan(0);
  expect(ended.stderr.match(/^error:/gmu)).toHaveLength(1);
  expect(ended.stderr).not.toMatch(/\n\s+at /u);
  const builds = join(scratch.store, "nix/var/nix/builds");
  expect(existsSync(builds) ? readdirSync(builds).filter((name) => !name.startsWith("filler")) : []).toEqual(
    [],
  );
  const info = await drv(["path-info", drvs.outputOf(path), "--store", scratch.store]);
  expect(info.stderr).toContain("is not valid");
}

async function expectBuilt(path: Parameters<DerivationFolder["outputOf"]>[0]) {
  const ended = await build(path);
  expect(ended).toMatchObject({ status: 0, stdout: `${drvs.outputOf(path)}\n` });
}

const canMount = process.getuid?.() === 0 && sandboxWorks;

describe.skipIf(!canMount)("a full disk [needs root to mount a tmpfs, and the sandbox]", () => {
  test("B31: an output that does not fit fails its build", async () => {
    const place = mount("nix/store", "8m");
    const path = drvs.write({ name: "large", script: "dd if=/dev/zero of=$out bs=1M count=16" });
    const ended = await build(path);
    await expectRefused(ended, path);
    expect(ended.stderr).toContain("No space left on device");
    expect(ended.stderr).toContain("note: build failure may have been caused by lack of free disk space");
    expect(ended.status).toBe(1);
    execFileSync("mount", ["-o", "remount,size=32m", place]);
    await expectBuilt(path);
  });

  test("a temp dir that is full fails its build", async () => {
    const place = mount("nix/var/nix/builds", "4m");
    const path = drvs.write({
      name: "busy",
      script: "dd if=/dev/zero of=$TMPDIR/x bs=1M count=8; echo x > $out",
    });
    const ended = await build(path);
    await expectRefused(ended, path);
    expect(ended.stderr).toContain("No space left on device");
    execFileSync("mount", ["-o", "remount,size=16m", place]);
    await expectBuilt(path);
  });

  test.each([
    ["the build directory", "nix/var/nix/builds"],
    ["the root of the sandbox", "nix/store"],
  ])("no room for %s stops the build", async (_, below) => {
    const place = mount(below, "1m");
    const path = drvs.write({ name: "small", script: "echo x > $out" });
    fill(place);
    const ended = await build(path);
    await expectRefused(ended, path);
    expect(ended.stderr).toMatch(/\[ERR_(?:STORE_)?NO_SPACE\]\nhint: /u);
    makeRoom(place);
    await expectBuilt(path);
  });

  test("no room for the log is a warning", async () => {
    mount("nix/var/log/nix", "64k");
    const script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo x > $out";
    const path = drvs.write({ name: "talkative", script });
    const ended = await build(path);
    expect(ended).toMatchObject({ status: 0, stdout: `${drvs.outputOf(path)}\n` });
    expect(ended.stderr.match(/^warning: cannot (?:write|complete) the log of/gmu)).toHaveLength(1);
  });

  test("no room for the log ends who follows it, and the build goes on", async () => {
    mount("nix/var/log/nix", "64k");
    const pipe = scratch.path("go");
    execFileSync("mkfifo", ["-m", "666", pipe]);
    const script =
      "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; read go < /go; echo x > $out";
    const path = drvs.write({ name: "followed", script });
    const flags = ["--no-link", "--host-tools", "--sandbox-paths", `/go=${pipe}`, "--store", scratch.store];
    const building = drv(["build", drvs.fileOf(path), ...flags]);
    const log = join(scratch.store, "nix/var/log/nix/drvs");
    await until(() => existsSync(log));
    const followed = await drv(["log", "-f", path, "--store", scratch.store]);
    expect(followed).toMatchObject({ status: 0, stdout: expect.stringMatching(/^line 0\nline 1\n/u) });
    writeSync(openSync(pipe, "r+"), "go\n");
    const ended = await building;
    expect(ended).toMatchObject({ status: 0, stdout: `${drvs.outputOf(path)}\n` });
    expect(ended.stderr.match(/^warning: cannot write the log of/gmu)).toHaveLength(1);
  });

  test("no room for the registration leaves nothing valid, and the same build succeeds later", async () => {
    const place = mount("nix/var/nix/drvkit/db", "2m");
    const path = drvs.write({ name: "unregistered", script: "sleep 2; echo x > $out" });
    const building = build(path);
    const objects = join(scratch.store, "nix/store");
    await until(() => existsSync(objects) && readdirSync(objects).some((name) => name.endsWith(".chroot")));
    fill(place);
    const ended = await building;
    await expectRefused(ended, path);
    expect(ended.stderr).toContain("[ERR_STORE_NO_SPACE]");
    makeRoom(place);
    await expectBuilt(path);
  });

  test("no room for the cache of sources is a warning", async () => {
    writeFileSync(scratch.path("source"), "source");
    await new Promise((resolve) => setTimeout(resolve, 2500)); // younger files are not remembered
    fill(mount("nix/var/nix/drvkit/cache.mdb", "400k"));
    const added = await drv(["add", scratch.path("source"), "--store", scratch.store]);
    expect(added).toMatchObject({ status: 0, stdout: expect.stringMatching(/-source\n$/u) });
    expect(added.stderr).toMatch(/^warning: the cache in .* is not used: [^\n]*\n$/u);
  });
});
