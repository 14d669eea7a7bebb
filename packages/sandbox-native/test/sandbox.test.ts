import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { probeSandbox, startSandbox } from "../ts/index.js";
import * as harness from "./harness.js";

const { bind, build, bytes, facts, nextHostId, isRoot, newDirectory, spec, toolBinds } = harness;

afterAll(harness.removeDirectories);

const refused = await harness.refusal();
const sandboxed = describe.skipIf(refused !== undefined);
const because = refused === undefined ? "" : ` (skipped: ${refused})`;
const works = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;
/** Ids for a driver that root starts. */
const ownIds = () => {
  const id = nextHostId();
  return isRoot ? ([id, id] as const) : undefined;
};
const canChangeUser =
  isRoot && works("setpriv", "--reuid", "65534", "--clear-groups", process.execPath, "--version");
const canNest = works("unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces");

sandboxed(`what a builder sees${because}`, () => {
  test("its process has no rights and no terminal", async () => {
    const { output, status, types } = await build(["/builders/report.sh"]);
    expect(status).toEqual({ kind: "exited", code: 0 });
    expect(types.slice(-2)).toEqual(["eof", "exit"]);
    const { Groups, ...seen } = facts(output);
    expect(seen).toEqual({
      ids: isRoot ? "1000:100:nixbld" : expect.stringMatching(/^1000:100:nixbld/),
      pid: "1",
      cwd: "/build",
      umask: "0022",
      core: "0",
      host: "localhost (none)",
      interfaces: "lo",
      loopback: expect.stringMatching(/^[1-9]/),
      stdin: "",
      tty: "No such device or address",
      CapInh: "0000000000000000",
      CapPrm: "0000000000000000",
      CapEff: "0000000000000000",
      CapAmb: "0000000000000000",
      NoNewPrivs: "1",
      Seccomp: "2",
      SigBlk: "0000000000000000",
      SigIgn: "0000000000000000",
    });
    if (isRoot) expect(Groups?.trim()).toBe("");
  });

  test("the files are the skeleton, what is bound, and nothing else", async () => {
    const directory = newDirectory();
    mkdirSync(join(directory, "input"));
    symlinkSync("/nix/store/input/x", join(directory, "link"));
    writeFileSync(join(directory, "hidden"), "");
    const inputs = ["input", "link"].map((name) => bind(join(directory, name), `/nix/store/${name}`));
    const { output } = await build(["/builders/view.sh"], {
      binds: [...toolBinds, ...inputs],
      files: [{ name: ".attrs.sh", content: bytes("declare a") }],
    });
    const tools = ["bin", "lib", "lib64"].filter((name) => lstatSync(`/${name}`, { throwIfNoEntry: false }));
    expect(facts(output)).toEqual({
      "/": ["bin", "build", "builders", "dev", "etc", "lib", "lib64", "nix", "proc", "tmp", "usr"]
        .filter((name) => !name.startsWith("lib") || tools.includes(name))
        .join(" "),
      "/dev": "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
      "/etc": "group hosts passwd",
      "/nix/store": "input link",
      "/build": ".attrs.sh",
    });
    expect(output.split("\n").filter((line) => line.includes(":"))).toEqual([
      "root:x:0:0:Nix build user:/build:/noshell",
      "nixbld:x:1000:100:Nix build user:/build:/noshell",
      "nobody:x:65534:65534:Nobody:/:/noshell",
      "root:x:0:",
      "nixbld:!:100:",
      "nogroup:x:65534:",
      "::1 localhost",
    ]);
  });

  test("the environment is what was given, in order", async () => {
    const { output } = await build([], {
      builder: bytes("/usr/bin/env"),
      argv: [bytes("env")],
      env: [bytes("B=2"), bytes("A=1"), Uint8Array.from([67, 61, 255])],
    });
    expect(output).toBe(`B=2\nA=1\nC=\ufffd\n`);
  });

  test("output arrives as it was written, without translation of newlines", async () => {
    const { output } = await build([
      "-c",
      "printf 'a\\nb\\r\\n\\004\\003c'; printf d >&2; printf e > /dev/stderr",
    ]);
    expect(output).toBe("a\nb\r\n\u0004\u0003cde");
  });

  test("it has three descriptors, whatever Node inherited", async () => {
    const driver = harness.makeDriver();
    const ids = ownIds();
    const command = harness.driverCommand(driver, ["-c", "ls /proc/1/fd; true"], ids);
    const leaking = ["sh", "-c", 'exec 5</dev/null 9</dev/null; exec "$@"', "sh", ...command];
    expect(harness.runDriver(leaking).output.trim().split(/\s+/)).toEqual(["0", "1", "2"]);
  });

  test("processes of the machine are not there", async () => {
    const { output } = await build([
      "-c",
      "echo $(ls /proc | grep '^[0-9]*$' | sort -n | head -1) $(ls /proc | grep -c '^[0-9]*$')",
    ]);
    expect(output).toMatch(/^1 [1-9]\n$/);
  });

  test("a shared network has the files it needs and is the only difference", async () => {
    const { output, layers } = await build(["-c", "cat /etc/nsswitch.conf; ls -1 /etc"], {
      network: "host",
    });
    expect(output).toContain("hosts: files dns\nservices: files\n");
    expect(output).not.toContain("shadow");
    for (const name of ["hosts", "resolv.conf", "services"]) {
      if (statSync(`/etc/${name}`, { throwIfNoEntry: false })) expect(output).toContain(`${name}\n`);
    }
    expect(layers).not.toContain("network-namespace");
    expect(layers).toContain("pid-namespace");
  });
});

sandboxed(`what a builder can do${because}`, () => {
  test("B7: it writes to its output, the build directory and /tmp, and nowhere else", async () => {
    const places = [
      "/",
      "/etc",
      "/dev",
      "/usr",
      "/nix",
      "/nix/store",
      "/build",
      "/tmp",
      "/dev/shm",
      "/input",
      "/writable",
    ];
    const directory = newDirectory();
    for (const name of ["input", "writable"]) mkdirSync(join(directory, name), { mode: 0o777 });
    spawnSync("chmod", ["777", join(directory, "input"), join(directory, "writable")]);
    const binds = [
      ...toolBinds,
      bind(join(directory, "input"), "/input"),
      bind(join(directory, "writable"), "/writable", { writable: true }),
    ];
    const { output } = await build(["/builders/write.sh", ...places], { binds });
    const yes = Object.entries(facts(output)).filter(([, can]) => can === "yes");
    expect(yes.map(([place]) => place)).toEqual(["/nix/store", "/build", "/tmp", "/dev/shm", "/writable"]);
    expect(Object.keys(facts(output))).toEqual(places);
  });

  test("B7: an input cannot be changed even by its owner", async () => {
    const input = join(newDirectory(), "file");
    writeFileSync(input, "kept", { mode: 0o666 });
    const script =
      "chmod 600 /nix/store/i; echo x > /nix/store/i; rm -f /nix/store/i; mv /nix/store/i /nix/store/j; true";
    const { output } = await build(["-c", script], { binds: [...toolBinds, bind(input, "/nix/store/i")] });
    expect(output.match(/Read-only file system/g)).toHaveLength(2);
    expect(readFileSync(input, "utf8")).toBe("kept");
    expect(statSync(input).mode & 0o200).toBe(0o200);
  });

  test("a namespace of its own does not make an input writable", async () => {
    const input = join(newDirectory(), "file");
    writeFileSync(input, "kept", { mode: 0o666 });
    const remount = "mount -o remount,bind,rw /nix/store/i; umount /nix/store/i; echo x > /nix/store/i";
    const { output } = await build(["-c", `unshare -Urm sh -c '${remount}'; echo x > /etc/new; echo done`], {
      binds: [...toolBinds, bind(input, "/nix/store/i")],
    });
    expect(output).toContain("done");
    expect(readFileSync(input, "utf8")).toBe("kept");
  });

  test("what it makes belongs to the id outside", async () => {
    const hostUid = nextHostId();
    const { directory, status } = await build(["-c", "echo hi > /nix/store/out && echo hi > kept"], {
      hostUid,
    });
    expect(status).toEqual({ kind: "exited", code: 0 });
    for (const made of ["chroot/store/out", "temp/build/kept"]) {
      expect(statSync(join(directory, made)).uid).toBe(hostUid);
    }
  });

  test("files of the build directory are its own", async () => {
    const files = [{ name: ".attr-x", content: Uint8Array.from([0, 255, 10]) }];
    const { output } = await build(
      ["-c", "stat -c '%u %g %a' .attr-x . ; od -An -tx1 .attr-x; echo more >> .attr-x"],
      { files },
    );
    expect(output).toBe("1000 100 644\n1000 100 700\n 00 ff 0a\n");
  });

  test("chmod u+s is refused and chmod 755 is not", async () => {
    const { output } = await build([
      "-c",
      "touch f; chmod 755 f && chmod 1755 f && echo fine; chmod u+s f; chmod g+s f; stat -c %a f",
    ]);
    expect(output.match(/Operation not permitted/g)).toHaveLength(2);
    expect(output).toMatch(/^fine\n(.*\n)*1755\n$/);
  });

  test("abstract sockets of the machine are out of reach where Landlock has scopes", async (context) => {
    const name = `drvkit-test-${process.pid}`;
    const server = createServer((socket) => socket.end("reached")).listen(`\0${name}`);
    try {
      const program = `require("node:net").connect("\\0${name}").on("data", d => console.log(String(d))).on("error", e => console.log(e.code))`;
      const node = bind(process.execPath, "/node");
      const { output, layers } = await build(["-c", `/node -e '${program}'`], {
        network: "host",
        binds: [...toolBinds, node],
      });
      if (!layers.includes("landlock")) return context.skip("this kernel has no scopes of Landlock");
      expect(output).toBe("EPERM\n");
    } finally {
      server.close();
    }
  });
});

sandboxed(`how a build ends${because}`, () => {
  test("the exit code is the builder's", async () => {
    expect((await build(["-c", "exit 7"])).status).toEqual({ kind: "exited", code: 7 });
  });

  test("a builder that cannot be executed says why and is a failed build", async () => {
    const { output, status } = await build([], { builder: bytes("/no/such"), argv: [bytes("such")] });
    expect(output).toBe("executing '/no/such': No such file or directory");
    expect(status).toEqual({ kind: "exited", code: 1 });
  });

  test("kill ends the whole tree, twice is once, and the exit is still told", async () => {
    const mark = `86000.${process.pid}1`;
    const running = await startSandbox(spec(newDirectory(), ["-c", `setsid sleep ${mark} & sleep ${mark}`]));
    expect(await harness.eventually(() => harness.processesWith(mark).length >= 2)).toBe(true);
    running.kill();
    running.kill();
    expect((await harness.collect(running)).status).toEqual({ kind: "signalled", signal: 9 });
    expect(harness.processesWith(mark)).toEqual([]);
    running.kill();
  });

  test("what a builder left running ends with it", async () => {
    const mark = `86000.${process.pid}2`;
    const { types, status } = await build(["-c", `setsid sleep ${mark} & exit 3`]);
    expect(status).toEqual({ kind: "exited", code: 3 });
    expect(types).toEqual(["eof", "exit"]);
    expect(harness.processesWith(mark)).toEqual([]);
  });

  test("a builder that closes its output and runs on shows the end of the output first", async () => {
    const running = await startSandbox(spec(newDirectory(), ["-c", "echo a; exec >&- 2>&-; sleep 1000"]));
    const types: string[] = [];
    for await (const event of running) {
      types.push(event.type);
      if (event.type === "eof") running.kill();
    }
    expect(types).toEqual(["output", "eof", "exit"]);
  });

  test("a builder waits for a slow reader and no byte is lost", async () => {
    const size = 6_000_000;
    const running = await startSandbox(
      spec(newDirectory(), ["-c", `head -c ${size} /dev/zero; touch /nix/store/done`]),
    );
    let read = 0;
    for await (const event of running) {
      if (event.type !== "output") continue;
      read += event.bytes.length;
      if (read < 1_000_000) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(read).toBe(size);
  });

  test("B27: SIGKILL of the engine ends the builder", async () => {
    const mark = `86000.${process.pid}3`;
    const ids = ownIds();
    const child = harness.spawnDriver(
      harness.driverCommand(harness.makeDriver(), ["-c", `setsid sleep ${mark} & sleep ${mark}`], ids),
    );
    // The driver's own command line has the mark, too.
    expect(await harness.eventually(() => harness.processesWith(mark).length >= 4)).toBe(true);
    child.kill("SIGKILL");
    expect(await harness.eventually(() => harness.processesWith(mark).length === 0)).toBe(true);
  });

  const hasPerl = existsSync("/usr/bin/perl");
  const disarm = "/usr/bin/perl -e 'printf \"%d %d\\n\", syscall(157, 1, 0) == 0, $!'";
  const noPerl = hasPerl && process.arch === "x64" ? "" : " (skipped: no perl, or not x86-64)";
  test.skipIf(noPerl !== "")(`B27: a builder cannot outlive the engine by a prctl${noPerl}`, async () => {
    const mark = `86000.${process.pid}4`;
    const refused = await build(["-c", disarm]);
    expect(refused.output).toBe("0 1\n"); // EPERM
    const child = harness.spawnDriver(
      harness.driverCommand(
        harness.makeDriver(),
        ["-c", `${disarm}; trap '' HUP; setsid sleep ${mark} & sleep ${mark}`],
        ownIds(),
      ),
    );
    expect(await harness.eventually(() => harness.processesWith(mark).length >= 4)).toBe(true);
    child.kill("SIGKILL");
    expect(await harness.eventually(() => harness.processesWith(mark).length === 0)).toBe(true);
  });

  test.skipIf(!isRoot)(
    "what still runs under the ids of a build ends before it starts (skipped: not root)",
    async () => {
      const hostUid = nextHostId();
      const left = spawn("sleep", ["1000"], { uid: hostUid, gid: hostUid, stdio: "ignore" });
      const ended = once(left, "exit");
      const other = spawn("sleep", ["1000"], { uid: nextHostId(), stdio: "ignore" });
      const { status } = await build(["-c", "true"], { hostUid, hostGid: hostUid });
      expect(status).toEqual({ kind: "exited", code: 0 });
      expect(await ended).toEqual([null, "SIGKILL"]);
      expect(other.exitCode ?? other.signalCode).toBe(null);
      other.kill("SIGKILL");
    },
  );

  test("ten builds at once do not mix", async () => {
    const numbers = Array.from({ length: 10 }, (_, index) => index);
    const results = await Promise.all(
      numbers.map((number) =>
        build(["-c", `echo ${number}; cat /build/n`], {
          files: [{ name: "n", content: bytes(`${number}`) }],
        }),
      ),
    );
    expect(results.map((result) => result.output)).toEqual(numbers.map((number) => `${number}\n${number}`));
  });
});

sandboxed(`many builds${because}`, () => {
  /** What a build uses of this process: Node and the pool for trees have descriptors and threads of their own. */
  const used = () => {
    const descriptors = readdirSync("/proc/self/fd").map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ""; // the one of this listing
      }
    });
    const threads = readdirSync("/proc/self/task").map((thread) => {
      try {
        return readFileSync(`/proc/self/task/${thread}/comm`, "utf8").trim();
      } catch {
        return ""; // it ended meanwhile
      }
    });
    return {
      processes: descriptors.filter((name) => name === "anon_inode:[pidfd]").length,
      terminals: descriptors.filter((name) => name.endsWith("ptmx")).length,
      pipes: descriptors.filter((name) => name.startsWith("pipe:")).length,
      starts: threads.filter((name) => name === "drvkit-set-up").length,
      reactors: threads.filter((name) => name === "drvkit-sandbox").length,
    };
  };

  test("leave no descriptor, no thread and no process, whether they succeed, fail or are never read", async () => {
    const round = async () => {
      const good = Array.from({ length: 8 }, () => build(["-c", "echo a"]));
      const failed = build([], { binds: [bind("/no/such", "/a")] }).catch(() => undefined);
      const killed = startSandbox(spec(newDirectory(), ["-c", "sleep 1000"])).then(async (running) => {
        running.kill();
        await harness.collect(running);
      });
      await Promise.all([...good, failed, killed]);
    };
    await round();
    const { pipes } = used();
    for (let index = 0; index < 5; index++) await round();
    const rest = { processes: 0, terminals: 0, pipes, starts: 0, reactors: 1 };
    await harness.eventually(() => isDeepStrictEqual(used(), rest));
    expect(used()).toEqual(rest);
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
    expect(children.trim()).toBe("");
  });
});

sandboxed(`binds${because}`, () => {
  const look = async (binds: readonly ReturnType<typeof bind>[], script: string) =>
    (await build(["-c", script], { binds: [...toolBinds, ...binds] })).output;

  test("B8: a link is copied, with its time, and not followed", async () => {
    const link = join(newDirectory(), "link");
    symlinkSync("/etc/shadow", link);
    spawnSync("touch", ["-h", "-d", "@12345", link]);
    expect(await look([bind(link, "/l")], "readlink /l; stat -c %Y /l")).toBe("/etc/shadow\n12345\n");
  });

  test("B8: an optional source may be absent, below a file too", async () => {
    const binds = [
      bind("/no/such", "/a", { optional: true }),
      bind("/etc/passwd/x", "/b", { optional: true }),
    ];
    expect(await look(binds, "ls -d /a /b 2>/dev/null; true")).toBe("");
  });

  test("B8: targets below bound directories, and in their order whatever the given one", async () => {
    const directory = newDirectory();
    mkdirSync(join(directory, "a/b"), { recursive: true });
    writeFileSync(join(directory, "f"), "file");
    expect(
      await look(
        [bind(join(directory, "f"), "/x/a/b/../g"), bind(join(directory, "f"), "/x//y/")],
        "cat /x/a/g /x/y",
      ),
    ).toBe("filefile");
  });

  test("a directory of the machine replaces one of the skeleton", async () => {
    const directory = newDirectory();
    mkdirSync(join(directory, "etc"));
    writeFileSync(join(directory, "etc/only"), "");
    expect(await look([bind(join(directory, "etc"), "/etc")], "ls -A /etc")).toBe("only\n");
  });

  test.each([
    {
      name: "a source that is absent",
      binds: [bind("/no/such", "/a")],
      step: "bind",
      path: "/no/such",
      errno: 2,
    },
    {
      name: "a target below a link",
      binds: [bind("/usr", "/bin/x")],
      step: "bind",
      path: "/bin/x",
      errno: 20,
    },
    {
      name: "a target where a file cannot be made",
      binds: [bind("/bin/sh", "/usr/no-such")],
      step: "bind",
      path: "/usr/no-such",
      errno: 30,
    },
  ])("B8: refuses $name with step, path and number", async ({ binds, step, path, errno }) => {
    const isMerged = lstatSync("/bin").isSymbolicLink();
    const start = startSandbox(spec(newDirectory(), ["-c", "true"], { binds: [...toolBinds, ...binds] }));
    if (path.startsWith("/bin/") && !isMerged)
      return expect(start).rejects.toMatchObject({ code: "ERR_SANDBOX_SETUP" });
    await expect(start).rejects.toMatchObject({ code: "ERR_SANDBOX_SETUP", step, path, errno });
  });

  test("B26: a start survives the end of the process that helpers are copies of", async () => {
    await build(["-c", "true"]);
    // Processes come and go while they are listed.
    const ifThere = (read: () => string) => {
      try {
        return read();
      } catch {
        return "";
      }
    };
    const helpers = () =>
      harness
        .childrenOf("self")
        .filter((pid) => ifThere(() => readlinkSync(`/proc/${pid}/exe`)).startsWith("/memfd:drvkit-helper"));
    let killed = 0;
    // Each round kills it at another moment of the next start: before it is asked, while it is, or after.
    for (let round = 0; round < 30; round++) {
      for (const pid of helpers()) {
        process.kill(pid, "SIGKILL");
        killed++;
      }
      expect((await build(["-c", "echo again"])).output).toBe("again\n");
    }
    expect(killed).toBeGreaterThan(0);
  });

  test("B26: a set-up that fails leaves no process and no mount", async () => {
    const directory = newDirectory();
    await expect(startSandbox(spec(directory, [], { binds: [bind("/no/such", "/a")] }))).rejects.toThrow();
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(directory);
    expect(harness.processesWith("drvkit-helper")).toEqual([]);
  });
});

describe("descriptions without a meaning", () => {
  test.each([
    {
      name: "the root as a target",
      changes: { binds: [bind("/x", "/")] },
      message: 'sandbox path "/" escapes the chroot',
    },
    {
      name: "a target above the root",
      changes: { binds: [bind("/x", "/../x")] },
      message: 'sandbox path "/../x" escapes the chroot',
    },
    {
      name: "a target that ends in ..",
      changes: { binds: [bind("/x", "/a/..")] },
      message: 'sandbox path to bind mount in the chroot has an invalid filename: "/a/.."',
    },
    { name: "a relative source", changes: { binds: [bind("x", "/x")] }, message: '"x" is no absolute path' },
    {
      name: "a file name with a slash",
      changes: { files: [{ name: "a/b", content: bytes("") }] },
      message: '"a/b" is no name of a file in the build directory',
    },
    {
      name: "a build directory around the store",
      changes: { buildDir: "/nix" },
      message: 'the build directory "/nix" contains the store directory "/nix/store"',
    },
    { name: "a NUL in the environment", changes: { env: [bytes("A=\0")] }, message: '"A=\0" contains a NUL' },
  ])("B8: refuses $name", async ({ changes, message }) => {
    const start = startSandbox(spec(newDirectory(), [], changes));
    await expect(start).rejects.toMatchObject({ code: "ERR_SANDBOX_SPEC", message });
  });
});

sandboxed(`who starts it${because}`, () => {
  test("B16: the mask of the engine changes no mode inside", async () => {
    const before = process.umask(0o077);
    try {
      const { output } = await build([
        "-c",
        "stat -c %a /tmp /etc /etc/passwd /nix /nix/store /dev; touch f; stat -c %a f",
      ]);
      expect(output.trimEnd().split("\n")).toEqual(["1777", "555", "644", "755", "1775", "755", "644"]);
    } finally {
      process.umask(before);
    }
  });

  test("what an earlier run left is removed, a link in its place too", async () => {
    const directory = newDirectory();
    const elsewhere = newDirectory();
    writeFileSync(join(elsewhere, "kept"), "");
    symlinkSync(elsewhere, join(directory, "chroot"));
    mkdirSync(join(directory, "temp/build/deep"), { recursive: true });
    chmodSync(join(directory, "temp/build"), 0o500);
    const { output } = await harness.collect(await startSandbox(spec(directory, ["-c", "ls -A /build"])));
    expect(output).toBe("");
    expect(statSync(join(elsewhere, "kept")).isFile()).toBe(true);
  });

  const ordinary = canChangeUser ? "" : " (skipped: only root can become somebody else)";
  test.skipIf(!canChangeUser)(
    `an ordinary user has the same layers, and its own id outside${ordinary}`,
    () => {
      const command = harness.driverCommand(harness.makeDriver(), ["/builders/report.sh"]);
      const result = harness.runDriver([
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        ...command,
      ]);
      expect(result.error).toBeUndefined();
      expect(facts(result.output)).toMatchObject({
        ids: "1000:100:nixbld",
        CapEff: "0000000000000000",
        Seccomp: "2",
      });
      expect(result.layers).toContain("user-namespace");
      expect(result.layers).not.toContain("allocated-uid");
      expect(statSync(join(result.directory ?? "", "temp/build")).uid).toBe(65534);
      expect(result.probes?.filter((probe) => probe.required && !probe.works)).toEqual([]);
    },
  );

  const canMapGroups = canChangeUser && works("newgidmap") === false && existsSync("/usr/bin/newgidmap");
  const mapper = canMapGroups ? "" : " (skipped: no newgidmap, or not root)";
  test.skipIf(!canMapGroups)(`groups of an ordinary user go where newgidmap may map them${mapper}`, () => {
    const command = harness.driverCommand(harness.makeDriver(), ["/builders/report.sh"]);
    const groups = ["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", "65534,12345"];
    const ranges = join(newDirectory(), "subgid");
    writeFileSync(ranges, "nobody:100000:65536\n");
    chmodSync(ranges, 0o644);
    const show = `mount --bind ${ranges} /etc/subgid && exec "$@"`;
    const mapped = harness.runDriver(["unshare", "-m", "sh", "-c", show, "sh", ...groups, ...command]);
    expect(mapped.error).toBeUndefined();
    expect(facts(mapped.output)).toMatchObject({
      ids: "1000:100:nixbld",
      Groups: expect.stringMatching(/^\s*$/),
    });
    expect(mapped.layers).toContain("dropped-groups");
    writeFileSync(ranges, "");
    const kept = harness.runDriver(["unshare", "-m", "sh", "-c", show, "sh", ...groups, ...command]);
    expect(facts(kept.output)).toMatchObject({ Groups: expect.stringContaining("65534") });
    expect(kept.layers).not.toContain("dropped-groups");
  });

  const isolated = harness.canSeal ? "" : " (skipped: the sysctl vm.memfd_noexec is not there or not ours)";
  test.skipIf(!harness.canSeal)(`works where no program runs from memory${isolated}`, () => {
    const ids = ownIds();
    const command = harness.driverCommand(harness.makeDriver(), ["-c", "ls -A /build; echo ran"], ids);
    const result = harness.runDriver([...harness.withoutMemory, ...command]);
    expect(result).toMatchObject({ output: "ran\n", status: { kind: "exited", code: 0 } });
    expect(readdirSync(join(result.directory ?? "", "temp"))).toEqual(["build"]);
  });

  const nested = canNest ? "" : " (skipped: user namespaces cannot be nested here)";
  test.skipIf(!canNest)(`works inside a user namespace${nested}`, () => {
    const command = harness.driverCommand(harness.makeDriver(), ["-c", "id -u"]);
    expect(harness.runDriver(["unshare", "-Ur", ...command])).toMatchObject({
      output: "1000\n",
      status: { kind: "exited", code: 0 },
    });
  });

  test.skipIf(!canNest)(
    `where parts of /proc are hidden no build starts, and the hint shows them${nested}`,
    () => {
      const command = harness.driverCommand(harness.makeDriver(), ["-c", "id -u"]);
      const hide = 'mount -t tmpfs none /proc/tty; exec "$@"';
      const result = harness.runDriver(["unshare", "-Urm", "sh", "-c", hide, "sh", ...command]);
      expect(result.error).toMatchObject({
        code: "ERR_SANDBOX_UNAVAILABLE",
        step: "mount",
        path: "/proc",
        hint: expect.stringContaining("systempaths=unconfined"),
      });
      const working = Object.fromEntries((result.probes ?? []).map(({ layer, works }) => [layer, works]));
      expect(working).toMatchObject({ "user-namespace": true, "new-proc": false, seccomp: false });
    },
  );

  test.skipIf(!canNest)(
    `without user namespaces no build starts, and the hint names the setting${nested}`,
    () => {
      const command = harness.driverCommand(harness.makeDriver(), ["-c", "id -u"]);
      const off = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"';
      const result = harness.runDriver(["unshare", "-Ur", "sh", "-c", off, "sh", ...command]);
      expect(result.output).toBe("");
      expect(result.error).toMatchObject({
        code: "ERR_SANDBOX_UNAVAILABLE",
        step: "clone",
        hint: "the sysctl user.max_user_namespaces is 0 here: set it to 15000 or more",
      });
      const probe = result.probes?.find(({ layer }) => layer === "user-namespace");
      expect(probe).toMatchObject({
        works: false,
        required: true,
        hint: expect.stringContaining("user.max_user_namespaces"),
      });
    },
  );
});

sandboxed(`layers${because}`, () => {
  test("every layer that is required is in force, in the order of application", async () => {
    const { layers } = await build(["-c", "true"]);
    const optional = ["session-keyring", "landlock", ...(isRoot ? [] : ["dropped-groups"])];
    expect(layers.filter((layer) => !optional.includes(layer))).toEqual([
      ...(isRoot ? ["dropped-groups"] : []),
      "user-namespace",
      "mount-namespace",
      "pid-namespace",
      "network-namespace",
      "ipc-namespace",
      "uts-namespace",
      "pivot-root",
      "no-new-privs",
      "seccomp",
      ...(isRoot ? ["allocated-uid"] : []),
    ]);
  });

  test("a probe says the same as a build and leaves nothing", async () => {
    const probes = await probeSandbox();
    const { layers } = await build(["-c", "true"]);
    const working = probes.filter((probe) => probe.works).map((probe) => probe.layer);
    expect(working.filter((layer) => layer !== "new-proc" && layer !== "cgroup2")).toEqual(layers);
    expect(probes.map((probe) => probe.layer)).toEqual(
      expect.arrayContaining(["landlock", "cgroup2", "new-proc"]),
    );
  });
});
