import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type BasicDerivation, derivation, makeStoreDir, type StorePath } from "@drvkit/drv-parser";
import { type Engine, openEngine } from "@drvkit/engine";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, sandboxWorks } from "./drv-command.js";
import { makeFifo } from "./make-fifo.js";
import { damagedPaths } from "./stored.js";
import { until } from "./until.js";
import { root } from "./workspace.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const env = { PATH: "/usr/bin:/bin" };
const isRoot = process.geteuid?.() === 0;
/** An id without an account, which so has no range of ids in files. */
const stranger = "65533";
const canChangeUser =
  isRoot && spawnSync("setpriv", ["--reuid", stranger, "--clear-groups", "true"]).status === 0;
const canMount = isRoot && spawnSync("unshare", ["--mount", "true"]).status === 0;
const suite = buildSuite();

let count = 0;
function write(script: string, more: Readonly<Record<string, string | boolean>> = {}): StorePath {
  count += 1;
  return suite.drvs.write({ name: `setting-${count}`, script, env: { ...env, ...more } });
}

const build = (drvPath: StorePath, ...flags: readonly string[]) =>
  suite.build(suite.drvs.fileOf(drvPath), "--host-tools", ...flags);

/** What a builder that succeeds tells. */
async function told(drvPath: StorePath, ...flags: readonly string[]): Promise<string> {
  expect(await build(drvPath, ...flags)).toMatchObject({
    status: 0,
    stderr: expect.not.stringContaining("error"),
  });
  return (await drv(["log", drvPath, "--store", suite.scratch.store])).stdout;
}

/** One error with a code, before anything is made. */
async function refused(code: string, message: string, drvPath: StorePath, ...flags: readonly string[]) {
  const ended = await build(drvPath, ...flags);
  expect(ended).toMatchObject({ status: 1, stdout: "" });
  expect(ended.stderr.match(/^error:/gmu)).toHaveLength(1);
  expect(ended.stderr).toContain(message);
  expect(ended.stderr).toContain(`[${code}]`);
  expect(ended.stderr).not.toMatch(/\n\s+at /u);
}

describe.skipIf(!sandboxWorks)(`what appears inside by settings${why}`, () => {
  test("sandbox paths of the store come with what they refer to, from where they really are", async () => {
    const library = write("echo library > $out");
    const tool = suite.drvs.write({
      name: "tool",
      script: `mkdir $out; echo ${suite.drvs.outputOf(library)} > $out/tool`,
      inputs: [library],
      env,
    });
    expect((await build(tool)).status).toBe(0);
    const shows = `/tool=${suite.drvs.outputOf(tool)}/tool`;
    const script = "read library < /tool; cat $library; ls /nix/store | wc -l; : > $out";
    expect(await told(write(script), "--extra-sandbox-paths", shows)).toBe("library\n2\n");
  });

  test("a derivation sees the paths that it asks for and that are allowed", async () => {
    const folder = suite.scratch.path("impure");
    mkdirSync(folder);
    writeFileSync(join(folder, "file"), "impure");
    const asks = { __impureHostDeps: `${folder}/file ${folder}/absent` };
    const script = `cat ${folder}/file; ls ${folder}; : > $out`;
    const allow = ["--allowed-impure-host-deps", folder];
    expect(await told(write(script, asks), ...allow)).toBe("impurefile\n");
    const drvPath = write(`: ; ${script}`, asks);
    const message = `derivation '${drvPath}' requested impure path '${folder}/file', but it was not in allowed-impure-host-deps`;
    await refused("ERR_IMPURE_HOST_DEP", message, drvPath, "--allowed-impure-host-deps", `${folder}/fil`);
  });
});

describe.skipIf(!sandboxWorks)(`the pre-build hook${why}`, () => {
  function hook(name: string, script: string): readonly string[] {
    const program = suite.scratch.path(`hook-${name}`);
    writeFileSync(program, `#!/bin/sh\n${script}\n`);
    chmodSync(program, 0o755);
    return ["--pre-build-hook", program];
  }

  test("is asked for each build, and what it names is inside of that one", async () => {
    const file = suite.scratch.path("given");
    writeFileSync(file, "given");
    const asked = suite.scratch.path("asked");
    const flags = hook(
      "gives",
      `echo "$1 $2" >> ${asked}; echo extra-sandbox-paths; echo /given=${file}; echo /absent=/no/such?; echo`,
    );
    const drvPath = write("cat /given; ls -d /absent 2> /dev/null || true; : > $out");
    expect(await told(drvPath, ...flags)).toBe("given");
    const [asksFor, chroot] = readFileSync(asked, "utf8").trim().split(" ");
    expect(asksFor).toBe(drvPath);
    expect(chroot).toMatch(
      new RegExp(`^${suite.scratch.store}/nix/store/[a-z0-9]{32}-\\d+-\\d+-1\\.chroot$`, "u"),
    );
  });

  test("that fails stops its build before it starts, and shows what it said", async () => {
    const [flag = "", program = ""] = hook("fails", "echo no more >&2; exit 3");
    const message = `program '${program}' failed with exit code 3:\n       no more`;
    await refused("ERR_PRE_BUILD_HOOK", message, write(": > $out"), flag, program);
    const unknown = "unknown pre-build hook command 'nonsense'";
    await refused("ERR_PRE_BUILD_HOOK", unknown, write(": > $out"), ...hook("unknown", "echo nonsense"));
    const builds = join(suite.scratch.store, "nix/var/nix/builds");
    expect(readdirSync(builds)).toEqual([]);
  });

  test("is not asked for a derivation that is in no store, nor for a build without a sandbox", async () => {
    const asked = suite.scratch.path("not-asked");
    const [, program = ""] = hook("counts", `echo "$1" >> ${asked}`);
    const settings = { "pre-build-hook": program, "host-tools": "true" };
    chmodSync(suite.scratch.folder, 0o755); // without a sandbox the builder goes the way that everybody goes
    const store = suite.scratch.path("own-place");
    const storeDir = makeStoreDir(join(store, "nix/store"));
    const open = (sandbox: string) => openEngine({ store, storeDir, settings: { ...settings, sandbox } });
    const make = (name: string, script = ": > $out") => {
      const args = ["-c", script];
      return derivation({ name, system: "x86_64-linux", builder: "/bin/sh", args }, { storeDir });
    };
    await using isolated = await open("true");
    const buildInMemory = ({ drvPath, derivation: given }: Authored) =>
      isolated.buildDerivation(drvPath, given as BasicDerivation); // it has no inputs
    expect(await buildInMemory(make("in-memory"))).toMatchObject({ status: "built" });
    expect(await buildInMemory(make("failing", "exit 1"))).toMatchObject({ status: "permanentFailure" });
    expect(existsSync(asked)).toBe(false);
    const stored = make("stored");
    expect(await isolationOf(isolated, stored)).toBe("sandbox");
    expect(readFileSync(asked, "utf8")).toBe(`${stored.drvPath}\n`);
    await isolated.close();
    await using bare = await open("false");
    const made = make("bare");
    expect(await isolationOf(bare, made)).toBe("none");
    expect(readFileSync(asked, "utf8")).toBe(`${stored.drvPath}\n`);
  });
});

type Authored = ReturnType<typeof derivation>;

async function isolationOf(engine: Engine, target: Authored) {
  const run = engine.build([target]);
  let isolation: string | undefined;
  for await (const event of run) if (event.type === "build-started") isolation = event.isolation;
  const { results } = await run.result;
  expect(results).toMatchObject([{ status: "built" }]);
  return isolation;
}

describe.skipIf(!sandboxWorks)(`build-dir and sandbox-build-dir${why}`, () => {
  const mode = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);

  test("builds have their directories at that place, and one that is kept is there", async () => {
    const place = suite.scratch.path("elsewhere");
    const drvPath = write("echo clue > clue; stat -c '%a %n' . > modes; pwd > where; exit 1");
    const ended = await build(drvPath, "--build-dir", place, "--keep-failed");
    const kept = /^note: keeping build directory '(.*)'$/mu.exec(ended.stderr)?.[1] ?? "";
    const [top = "", ...others] = readdirSync(place);
    expect([kept, others]).toEqual([join(place, top, "build"), []]);
    expect(readFileSync(join(kept, "modes"), "utf8")).toBe("700 .\n");
    expect(readFileSync(join(kept, "where"), "utf8")).toBe("/build\n");
    expect(readdirSync(join(suite.scratch.store, "nix/var/nix/builds"))).toEqual([]);
    expect(await told(write("pwd; : > $out"), "--build-dir", place, "--sandbox-build-dir", "/work")).toBe(
      "/work\n",
    );
    expect(readdirSync(place)).toEqual([top]);
  });

  test("while it runs the directory is the engine's alone, and the one inside the builder's", async () => {
    const place = suite.scratch.path("while");
    const marks = suite.scratch.path("marks");
    mkdirSync(marks);
    const fifo = makeFifo(join(marks, "go"));
    const drvPath = write("read go < /go; : > $out");
    const flags = ["--build-dir", place, "--extra-sandbox-paths", `/go=${fifo}`];
    const running = build(drvPath, ...flags);
    // Opening the pipe waits for the builder.
    spawnSync("sh", [
      "-c",
      `exec 3> ${fifo}; cd ${place}/nix-*/; stat -c '%a %u' . build > ${marks}/seen; echo go >&3`,
    ]);
    expect((await running).status).toBe(0);
    const [outer = "", inner = ""] = readFileSync(join(marks, "seen"), "utf8").trim().split("\n");
    expect([outer, inner.slice(0, 4)]).toEqual([`700 ${process.geteuid?.()}`, "700 "]);
    if (isRoot) expect(inner).not.toBe("700 0");
  });

  test("what a killed engine leaves there is swept by the next one, whatever that has as build-dir", async () => {
    const [place, fifo] = [suite.scratch.path("killed"), makeFifo(suite.scratch.path("never"))];
    const drvPath = write("echo x > file; : > $NIX_BUILD_TOP/ready; read go < /go");
    const flags = ["--host-tools", "--build-dir", place, "--extra-sandbox-paths", `/go=${fifo}`];
    const engine = spawn(process.execPath, [
      join(root, "packages/cli/bin/drv.js"),
      ...["build", suite.drvs.fileOf(drvPath), "--no-link", "--store", suite.scratch.store, ...flags],
    ]);
    const ended = once(engine, "close");
    const top = () => (existsSync(place) ? readdirSync(place)[0] : undefined);
    await until(() => existsSync(join(place, top() ?? "", "build/ready")));
    engine.kill("SIGKILL");
    await ended;
    expect(top()).toBeDefined();
    expect((await build(write(": > $out"))).status).toBe(0);
    expect(readdirSync(place)).toEqual([]);
    expect(readdirSync(join(suite.scratch.store, "nix/var/nix/builds"))).toEqual([]);
    const objects = readdirSync(join(suite.scratch.store, "nix/store"));
    expect(objects.filter((name) => name.endsWith(".chroot"))).toEqual([]);
  });

  test.skipIf(!isRoot)(
    "a place that everybody may write to, or a link, is refused (skipped: not root)",
    async () => {
      const open = suite.scratch.path("open");
      mkdirSync(open);
      chmodSync(open, 0o777);
      symlinkSync(open, suite.scratch.path("link"));
      for (const place of [open, suite.scratch.path("link")]) {
        const message = `Path "${place}" is world-writable or a symlink. That's not allowed for security.`;
        await refused("ERR_BUILD_DIR", message, write(": > $out"), "--build-dir", place);
      }
      chmodSync(open, 0o1777);
      expect((await build(write(": > $out"), "--build-dir", open)).status).toBe(0);
      expect(mode(open)).toBe("1777");
    },
  );

  test("a sandbox-build-dir that contains the store is refused before anything is built", async () => {
    const message = "`sandbox-build-dir` must not contain the storeDir";
    for (const dir of ["/nix", "/nix/store", "/"])
      await refused("ERR_SETTING", message, write(": > $out"), "--sandbox-build-dir", dir);
  });
});

describe.skipIf(!sandboxWorks)(`settings of the sandbox${why}`, () => {
  test("sandbox-dev-shm-size is the size inside, and a wrong one is refused before anything is built", async () => {
    const drvPath = write("grep ' /dev/shm ' /proc/mounts; : > $out");
    expect(await told(drvPath, "--sandbox-dev-shm-size", "3m")).toMatch(/[ ,]size=3072k[ ,]/u);
    const message = "setting 'sandbox-dev-shm-size' has invalid value 'much'";
    await refused("ERR_SETTING", message, write(": > $out"), "--sandbox-dev-shm-size", "much");
  });

  test("impersonate-linux-26 is what the kernel calls itself", async () => {
    expect(await told(write("uname -r; : > $out"), "--impersonate-linux-26")).toMatch(/^2\.6\./u);
    expect(await told(write(": ; uname -r; : > $out"))).not.toMatch(/^2\.6\./u);
  });

  test("filter-syscalls off lets a builder make a set-uid file, which no output keeps", async () => {
    const script = ": > $out; chmod u+s $out && echo made";
    const refuses = await build(write(script));
    expect(refuses.status).toBe(100);
    const drvPath = write(`: ; ${script}`);
    expect(await told(drvPath, "--no-filter-syscalls")).toBe("made\n");
    expect(lstatSync(join(suite.scratch.store, suite.drvs.outputOf(drvPath))).mode & 0o7777).toBe(0o444);
  });

  test("allow-new-privileges leaves out the mark of a process that gains none", async () => {
    const script = "grep NoNewPrivs /proc/self/status; : > $out";
    expect(await told(write(script))).toBe("NoNewPrivs:\t1\n");
    expect(await told(write(`: ; ${script}`), "--allow-new-privileges")).toBe("NoNewPrivs:\t0\n");
  });

  test.skipIf(!canChangeUser)(
    "require-drop-supplementary-groups refuses to build with groups that cannot go (skipped: only root can give a user groups)",
    async () => {
      chmodSync(suite.scratch.folder, 0o755);
      const home = suite.scratch.path("stranger");
      mkdirSync(home);
      chownSync(home, Number(stranger), Number(stranger));
      const drvPath = write(
        "while read line; do case $line in Groups:*) echo $line;; esac; done < /proc/self/status; : > $out",
      );
      const store = join(home, "store");
      const run = (flag: string) =>
        drv(["build", suite.drvs.fileOf(drvPath), "--no-link", "--host-tools", "--store", store, flag], {
          before: ["setpriv", "--reuid", stranger, "--regid", stranger, "--groups", "65532"],
          env: { HOME: home, XDG_CONFIG_HOME: home },
        });
      const refusal = await run("--require-drop-supplementary-groups");
      expect(refusal).toMatchObject({ status: 1, stdout: "" });
      expect(refusal.stderr).toContain("[ERR_SANDBOX_UNAVAILABLE]");
      expect(refusal.stderr).toMatch(/^hint: .*'require-drop-supplementary-groups'/mu);
      expect((await run("--no-require-drop-supplementary-groups")).status).toBe(0);
      expect((await drv(["log", drvPath, "--store", store])).stdout).toBe("Groups: 65534\n");
    },
  );

  test("sandbox takes its words, and nothing is without one where the store is elsewhere", async () => {
    for (const flags of [["--no-sandbox"], ["--sandbox", "relaxed"], ["--sandbox", "yes"]])
      expect(await told(write(": ; pwd; : > $out"), ...flags)).toBe("/build\n");
    const message = "setting 'sandbox' has invalid value 'maybe'";
    await refused("ERR_SETTING", message, write(": > $out"), "--sandbox", "maybe");
  });

  test("a derivation that asks for no sandbox is refused unless settings allow it", async () => {
    const open = { __noChroot: "1" };
    const drvPath = write(": > $out", open);
    const message = `derivation '${drvPath}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'`;
    expect((await build(drvPath)).stderr).toContain(message);
    expect((await build(drvPath, "--sandbox", "relaxed")).status).toBe(0);
  });
});

describe.skipIf(!sandboxWorks)(`build-users-group${why}`, () => {
  const alone = canMount ? "" : " (skipped: this process cannot mount)";
  const [uid, gid] = [34_567, 34_568];

  /** In front of a command: it finds a group with one member. */
  function withGroup(): readonly string[] {
    chmodSync(suite.scratch.folder, 0o755);
    const lines = [
      ["group", `drvkit-builders:x:${gid}:drvkit-builder`],
      ["passwd", `drvkit-builder:x:${uid}:${gid}::/:/none`],
    ] as const;
    for (const [file, line] of lines)
      writeFileSync(suite.scratch.path(file), `${readFileSync(`/etc/${file}`, "utf8")}${line}\n`);
    const mounts = lines.map(([file]) => `mount --bind ${suite.scratch.path(file)} /etc/${file} && `);
    return ["unshare", "--mount", "sh", "-c", `${mounts.join("")}exec "$@"`, "sh"];
  }

  test.skipIf(!canMount)(
    `a build runs as a member of the group, and its outputs are the store's${alone}`,
    async () => {
      const before = withGroup();
      const flags = ["--no-link", "--host-tools", "--store", suite.scratch.store];
      const run = (drvPath: StorePath, ...more: readonly string[]) =>
        drv(
          ["build", suite.drvs.fileOf(drvPath), ...flags, "--build-users-group", "drvkit-builders", ...more],
          { before },
        );
      const failed = await run(write("echo x > file; echo y > $out; exit 1"), "--keep-failed");
      const kept = /keeping build directory '(.*)'$/mu.exec(failed.stderr)?.[1] ?? "";
      for (const path of [kept, join(kept, "file")]) expect(lstatSync(path)).toMatchObject({ uid, gid });
      expect(lstatSync(join(kept, "..")).uid).toBe(0);

      const drvPath = write("id -u; id -g; echo y > $out");
      expect(await run(drvPath)).toMatchObject({ status: 0, stdout: `${suite.drvs.outputOf(drvPath)}\n` });
      expect((await drv(["log", drvPath, "--store", suite.scratch.store])).stdout).toBe("1000\n100\n");
      const out = lstatSync(join(suite.scratch.store, suite.drvs.outputOf(drvPath)));
      expect(out).toMatchObject({ uid: 0, gid: 0, mode: 0o100444 });
      expect(await damagedPaths(suite.scratch.store)).toEqual([]);

      const ranged = await run(write(": > $out", { requiredSystemFeatures: "uid-range" }));
      expect(ranged.stderr).toContain("[ERR_UID_RANGE]");
    },
  );

  test.skipIf(!canMount)(
    `without a sandbox a member writes to the store, where only what is its own is in its reach${alone}`,
    () => {
      const store = suite.scratch.path("bare-store");
      const program = [process.execPath, join(root, "tests/bare-build.mjs"), store, "drvkit-builders"];
      const [command = "", ...args] = [...withGroup(), ...program];
      const { stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
      expect([stderr, JSON.parse(stdout)]).toEqual(["", { status: "built", isolation: "none" }]);
      const storeDir = join(store, "nix/store");
      expect(lstatSync(storeDir)).toMatchObject({ uid: 0, gid, mode: 0o041775 });
      const names = readdirSync(storeDir).filter((name) => name.endsWith("-bare"));
      const outs = names.map((name) => join(storeDir, name));
      expect(outs.map((out) => readFileSync(out, "utf8"))).toEqual([
        `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`,
      ]);
      for (const out of outs) expect(lstatSync(out)).toMatchObject({ uid: 0, mode: 0o100444 });
    },
  );

  test.skipIf(!isRoot)("a group that does not exist is one error (skipped: not root)", async () => {
    const message = "the group 'no-such-group' specified in 'build-users-group' does not exist";
    await refused("ERR_BUILD_USERS", message, write(": > $out"), "--build-users-group", "no-such-group");
  });

  test.skipIf(isRoot)("an ordinary user builds as itself all the same (skipped: root)", async () => {
    expect((await build(write(": > $out"), "--build-users-group", "no-such-group")).status).toBe(0);
  });
});
