import { spawnSync } from "node:child_process";
import { chmodSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, type Ended, sandboxWorks } from "./drv-command.js";
import { look } from "./look.js";
import { pauseBuild } from "./paused-build.js";
import { damagedPaths } from "./stored.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const isRoot = process.geteuid?.() === 0;
const hasPerl = spawnSync("/usr/bin/perl", ["-e", "use Socket"]).status === 0;
const mode = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);

describe.skipIf(!sandboxWorks)(`an output with what no output may have${why}`, () => {
  const suite = buildSuite();
  const env = { PATH: "/usr/bin:/bin" };
  let count = 0;

  /** A file that is not the builder's, and what it looks like. */
  function makeForeign() {
    count += 1;
    const folder = suite.scratch.path(`foreign-${count}`);
    mkdirSync(folder);
    const path = join(folder, "file");
    writeFileSync(path, "foreign");
    chmodSync(path, 0o606);
    return { path, folder, looks: () => ({ ...look(path), content: readFileSync(path, "utf8") }) };
  }

  async function expectRejected(ended: Ended, message: string, output: string) {
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(message);
    expect(ended.stderr.match(/^error:/gmu)).toHaveLength(1);
    const info = await drv(["path-info", output, "--store", suite.scratch.store]);
    expect(info.stderr).toContain("is not valid");
    expect(readdirSync(join(suite.scratch.store, "nix/var/nix/builds"))).toEqual([]);
    const objects = readdirSync(join(suite.scratch.store, "nix/store"));
    expect(objects.filter((name) => name.endsWith(".chroot") || output.endsWith(name))).toEqual([]);
  }

  test("B14: a builder cannot link to a file of the machine, be it writable", async () => {
    const foreign = makeForeign();
    const before = foreign.looks();
    const links = [
      "/given/file $out/a",
      "/given/file $NIX_BUILD_TOP/b",
      "/bin/sh $out/c",
      "/etc/passwd $out/d",
    ];
    const script = `mkdir $out; ${links.map((link) => `ln ${link} || true`).join("; ")}; ls $out`;
    const drvPath = suite.drvs.write({ name: "linking", script, env });
    const given = [`/given=${foreign.folder}`];
    const flags = ["--extra-sandbox-paths", given, "--sandbox-writable-paths", "/given"].flat();
    const ended = await suite.build(suite.drvs.fileOf(drvPath), "--host-tools", ...flags);
    expect(ended.status).toBe(0);
    expect(readdirSync(join(suite.scratch.store, suite.drvs.outputOf(drvPath)))).toEqual([]);
    const { stdout: log } = await drv(["log", drvPath, "--store", suite.scratch.store]);
    expect(log.match(/cross-device link/giu)).toHaveLength(links.length);
    expect(foreign.looks()).toEqual(before);
  });

  const alone = isRoot ? "" : " (skipped: only root builds under another id, and can make such a file)";

  test.skipIf(!isRoot)(`B14: a hard link to a file of somebody else is refused${alone}`, async () => {
    const foreign = makeForeign();
    await using paused = await pauseBuild(suite, {
      name: "linked",
      script: "mkdir -p $out/deep; echo x > $out/a",
    });
    linkSync(foreign.path, join(paused.outDir, "deep/stolen"));
    const before = foreign.looks();
    const message = `invalid ownership on file '${paused.outDir}/deep/stolen'`;
    await expectRejected(await paused.go(), message, suite.drvs.outputOf(paused.drvPath));
    expect(foreign.looks()).toEqual(before);
  });

  test.skipIf(!isRoot)(`B14: a hard link as the output itself is refused${alone}`, async () => {
    const foreign = makeForeign();
    chmodSync(foreign.path, 0o604);
    await using paused = await pauseBuild(suite, { name: "linked-top", script: "" });
    linkSync(foreign.path, paused.outDir);
    const before = foreign.looks();
    const message = `suspicious ownership or permission on '${paused.outDir}' for output 'out'`;
    await expectRejected(await paused.go(), message, suite.drvs.outputOf(paused.drvPath));
    expect(foreign.looks()).toEqual(before);
  });

  test.skipIf(!isRoot)(`B14: a device is refused, and a builder makes none${alone}`, async () => {
    const script = "mkdir $out; mknod $out/made c 1 3 || mknod $out/made b 7 0 || true; ls $out > listing";
    await using paused = await pauseBuild(suite, { name: "device", script });
    expect(readFileSync(join(paused.buildDir, "listing"), "utf8")).toBe("");
    spawnSync("mknod", [join(paused.outDir, "null"), "c", "1", "3"]);
    const message = `file '${paused.outDir}/null' has an unsupported type`;
    await expectRejected(await paused.go(), message, suite.drvs.outputOf(paused.drvPath));
  });

  const socket = `perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un($ARGV[0])) || die $!'`;
  const noPerl = hasPerl ? "" : " (skipped: no perl here)";
  test.each([
    { what: "a pipe", name: "pipe", make: "mkfifo $out/odd" },
    { what: "a pipe as the output itself", name: "pipe-top", make: "rmdir $out; mkfifo $out" },
  ])("B14: $what is refused", async ({ name, make }) => {
    await refuses(name, make);
  });
  test.skipIf(!hasPerl)(`B14: a socket is refused${noPerl}`, async () => {
    await refuses("socket", `${socket} $out/odd`);
  });

  async function refuses(name: string, make: string) {
    const drvPath = suite.drvs.write({ name, script: `mkdir $out; ${make}`, env });
    const ended = await suite.build(suite.drvs.fileOf(drvPath), "--host-tools");
    await expectRejected(ended, "has an unsupported type", suite.drvs.outputOf(drvPath));
  }
});

describe.skipIf(!sandboxWorks)(`what a registered output looks like${why}`, () => {
  const suite = buildSuite();

  test("B15: modes, times and attributes of an output are those of the store", async () => {
    const script = `mkdir -p $out/closed $out/sticky; echo x > $out/closed/x; echo x > $out/open; echo x > $out/run
      chmod u+s $out/run && echo setuid; chmod g+s $out/run && echo setgid; chmod 711 $out/run
      echo x > $out/none; chmod 0 $out/none; chmod 1755 $out/sticky; ln -s open $out/link
      touch -h -d @1700000000.5 $out/link $out/open; chmod 777 $out/open; chmod 444 $out/closed; chmod 700 $out`;
    await using paused = await pauseBuild(suite, { name: "modes", script });
    // What a builder cannot do: somebody did it.
    chmodSync(join(paused.outDir, "run"), 0o6711);
    const hasAttribute = setAttribute(join(paused.outDir, "open"));
    const ended = await paused.go();
    expect(ended.stderr).not.toContain("error:");
    const real = join(suite.scratch.store, suite.drvs.outputOf(paused.drvPath));
    const names = ["", "closed", "closed/x", "link", "none", "open", "run", "sticky"];
    const looks = names.map((name) => {
      const { mtimeNs, uid, gid } = lstatSync(join(real, name), { bigint: true });
      return [name, mtimeNs, Number(uid), Number(gid)];
    });
    const [uid, gid] = [process.geteuid?.(), process.getegid?.()];
    expect(looks).toEqual(names.map((name) => [name, 1_000_000_000n, uid, gid]));
    expect(Object.fromEntries(names.map((name) => [name, mode(join(real, name))]))).toEqual({
      "": "555",
      closed: "555",
      "closed/x": "444",
      link: "777",
      none: "444",
      open: "555",
      run: "555",
      sticky: "555",
    });
    if (hasAttribute) expect(attributesOf(join(real, "open"))).toEqual([]);
    expect(readdirSync(join(real, "closed"))).toEqual(["x"]);
    expect(await damagedPaths(suite.scratch.store)).toEqual([]);
    const { stdout: log } = await drv(["log", paused.drvPath, "--store", suite.scratch.store]);
    expect(log).not.toMatch(/^set[ug]id/mu);
  });
});

/** Numbers of `setxattr` and `listxattr` on this machine: Node has no such calls. */
const [setxattr, listxattr] = process.arch === "arm64" ? [5, 11] : [188, 194];

function setAttribute(path: string): boolean {
  const call = `exit(syscall(${setxattr}, $ARGV[0], "user.drvkit", "value", 5, 0) == 0 ? 0 : 1)`;
  return spawnSync("perl", ["-e", call, path]).status === 0 && attributesOf(path).includes("user.drvkit");
}

function attributesOf(path: string): readonly string[] {
  const call = `$b = "\0" x 4096; $n = syscall(${listxattr}, $ARGV[0], $b, 4096); print substr($b, 0, $n) if $n > 0`;
  const { stdout } = spawnSync("perl", ["-e", call, path], { encoding: "utf8" });
  return (stdout ?? "").split("\0").filter((name) => name.startsWith("user."));
}
