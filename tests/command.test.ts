import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";
import { DerivationFolder } from "./make-derivation.js";
import { until } from "./until.js";
import { root } from "./workspace.js";

let scratch: Scratch;
let drvs: DerivationFolder;
const flags = () => ["--store", scratch.store];
const build = (...args: string[]) =>
  drv(["build", "--no-link", ...args, ...flags()], { cwd: scratch.folder });

beforeAll(() => {
  scratch = new Scratch();
  drvs = new DerivationFolder(scratch.path("drvs"));
});
afterAll(() => scratch[Symbol.asyncDispose]());

const canBuild = describe.skipIf(!sandboxWorks);
const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";

describe("drv build --dry-run", () => {
  test("lists what would be built, inputs first, and builds nothing", async () => {
    const input = drvs.write({ name: "dry-input", script: "echo a > $out" });
    const top = drvs.write({ name: "dry-top", script: "echo b > $out", inputs: [input] });
    const ended = await build(drvs.fileOf(top), "--dry-run");
    expect(ended).toMatchObject({ status: 0, stdout: `2 to build:\n  ${input}\n  ${top}\n`, stderr: "" });
    const asJson = await build(top, "--dry-run", "--json");
    expect(JSON.parse(asJson.stdout)).toEqual({
      willBuild: [input, top],
      willSubstitute: [],
      unknown: [],
      downloadSize: 0,
      narSize: 0,
    });
    expect(existsSync(join(scratch.store, drvs.outputOf(top)))).toBe(false);
  });

  test("says what nobody has, and refuses what makes no sense", async () => {
    const absent = `/nix/store/${"0".repeat(32)}-absent`;
    expect(await build(absent, "--dry-run")).toMatchObject({
      status: 0,
      stdout: `1 that nobody has or makes:\n  ${absent}\n`,
    });
    const both = await build(absent, "--dry-run", "--check");
    expect(both).toMatchObject({ status: 1, stdout: "" });
    expect(both.stderr).toContain("ERR_USAGE");
  });

  test.skipIf(!sandboxWorks)(`says when there is nothing to do${why}`, async () => {
    const path = drvs.write({ name: "dry-done", script: "echo done > $out" });
    await build(drvs.fileOf(path));
    expect(await build(path, "--dry-run")).toMatchObject({
      status: 0,
      stdout: "",
      stderr: "nothing to do: all of it is valid\n",
    });
  });
});

canBuild(`drv build --repair, drv repair${why}`, () => {
  const damage = (path: string) => {
    const real = join(scratch.store, path);
    rmSync(real);
    writeFileSync(real, "damaged\n");
    return real;
  };

  test("builds again what was damaged, and what it refers to", async () => {
    const lib = drvs.write({ name: "mend-lib", script: "echo lib > $out" });
    const app = drvs.write({
      name: "mend-app",
      script: `echo "${drvs.outputOf(lib)}" > $out`,
      inputs: [lib],
    });
    expect((await build(drvs.fileOf(app))).status).toBe(0);
    const [realLib, realApp] = [damage(drvs.outputOf(lib)), damage(drvs.outputOf(app))];
    const untouched = await build(app);
    expect([untouched.status, readFileSync(realLib, "utf8")]).toEqual([0, "damaged\n"]);
    const ended = await build(app, "--repair");
    expect(ended).toMatchObject({ status: 0, stdout: `${drvs.outputOf(app)}\n` });
    expect(ended.stderr).toContain(`repairing outputs of '${app}'`);
    expect([readFileSync(realLib, "utf8"), readFileSync(realApp, "utf8")]).toEqual([
      "lib\n",
      `${drvs.outputOf(lib)}\n`,
    ]);
  });

  test("leaves what is good alone and says what cannot be mended", async () => {
    const good = drvs.write({ name: "mend-good", script: "echo good > $out" });
    const bad = drvs.write({ name: "mend-bad", script: "echo bad > $out" });
    expect((await build(drvs.fileOf(good), drvs.fileOf(bad))).status).toBe(0);
    const real = damage(drvs.outputOf(bad));
    const both = await drv(["repair", "--json", drvs.outputOf(good), drvs.outputOf(bad), ...flags()]);
    expect([both.status, JSON.parse(both.stdout)]).toEqual([
      0,
      [
        { path: drvs.outputOf(good), outcome: "good" },
        { path: drvs.outputOf(bad), outcome: "repaired" },
      ],
    ]);
    expect(readFileSync(real, "utf8")).toBe("bad\n");

    writeFileSync(scratch.path("source"), "source\n");
    const source = (await drv(["add", scratch.path("source"), ...flags()])).stdout.trim();
    damage(source);
    const hopeless = await drv(["repair", drvs.outputOf(good), source, ...flags()]);
    expect(hopeless).toMatchObject({ status: 1, stdout: `${drvs.outputOf(good)}\n` });
    expect(hopeless.stderr).toContain(`error: cannot repair path '${source}' [ERR_GOAL_REPAIR]`);
    const absent = await drv(["repair", `/nix/store/${"0".repeat(32)}-absent`, ...flags()]);
    expect(absent).toMatchObject({ status: 1, stdout: "" });
    expect(absent.stderr).toContain("[ERR_STORE_NOT_VALID]");
  });

  test("refuses to check and to repair at once", async () => {
    const ended = await build("x.drv", "--check", "--repair");
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain("ERR_USAGE");
  });
});

canBuild(`drv build${why}`, () => {
  test("prints the output path on standard output and nothing else there", async () => {
    const path = drvs.write({ name: "plain", script: "echo hello > $out" });
    const built = await build(drvs.fileOf(path));
    expect(built).toMatchObject({ status: 0, stdout: `${drvs.outputOf(path)}\n` });
    expect(built.stderr).toContain(`building '${path}'`);
  });

  test("does nothing the second time", async () => {
    const path = drvs.write({ name: "twice", script: "echo hello > $out" });
    await build(drvs.fileOf(path));
    const again = await build(path, "--json");
    expect(again.stderr).not.toContain("building");
    expect(JSON.parse(again.stdout)).toEqual([
      {
        drvPath: path,
        outputs: { out: drvs.outputOf(path) },
        status: "alreadyValid",
        timesBuilt: 0,
        startTime: 0,
        stopTime: 0,
      },
    ]);
  });

  test("links the result where it can be followed and registers the link", async () => {
    const path = drvs.write({ name: "linked", script: "echo linked > $out" });
    await drv(["build", drvs.fileOf(path), "--out-link", "my-result", ...flags()], { cwd: scratch.folder });
    expect(readFileSync(scratch.path("my-result"), "utf8")).toBe("linked\n");
    expect(readdirSync(join(scratch.store, "nix/var/nix/gcroots/auto"))).toHaveLength(1);
  });

  test.each([
    ["a file that is no result", "precious", "already exists"],
    ["a folder that is not there", "nowhere/result", "no such file or directory"],
  ])("does not begin to build for a link in the place of %s", async (_, link, message) => {
    const path = drvs.write({ name: `for-${link.replace("/", "-")}`, script: "echo x > $out" });
    writeFileSync(scratch.path("precious"), "mine");
    const built = await drv(["build", drvs.fileOf(path), "--out-link", link, ...flags()], {
      cwd: scratch.folder,
    });
    expect(built).toMatchObject({ status: 1, stdout: "" });
    expect(built.stderr).toContain(message);
    expect(built.stderr).toMatch(/\[ERR_OUT_LINK\]\nhint: /u);
    expect(built.stderr).not.toContain("building");
    expect(readFileSync(scratch.path("precious"), "utf8")).toBe("mine");
  });

  test("prints what was built though its link could not be made", async () => {
    const path = drvs.write({ name: "unlinked", script: "sleep 2; echo x > $out" });
    const folder = scratch.path("goes");
    mkdirSync(folder);
    const building = drv(["build", drvs.fileOf(path), "--out-link", join(folder, "result"), ...flags()]);
    await until(() => readdirSync(join(scratch.store, "nix/var/nix/builds")).length > 0);
    rmSync(folder, { recursive: true });
    const built = await building;
    expect(built).toMatchObject({ status: 1, stdout: `${drvs.outputOf(path)}\n` });
    expect(built.stderr).toContain(`cannot create symlink '${folder}/result': `);
    expect(built.stderr).toContain("[ERR_OUT_LINK]");
  });

  test("builds several outputs and selects with ^", async () => {
    const path = drvs.write({
      name: "two",
      outputs: ["out", "dev"],
      script: "echo $out > $dev; echo o > $out",
    });
    const built = await build(`${drvs.fileOf(path)}^dev`);
    expect(built).toMatchObject({ status: 0, stdout: `${drvs.outputOf(path, "dev")}\n` });
    const info = await drv(["path-info", "--json", drvs.outputOf(path, "dev"), ...flags()]);
    expect(JSON.parse(info.stdout)[drvs.outputOf(path, "dev")]).toMatchObject({
      references: [drvs.outputOf(path)],
      deriver: path,
    });
  });

  test("takes outputs that a hard link joins", async () => {
    const path = drvs.write({
      name: "linked-outputs",
      outputs: ["out", "dev"],
      script: "mkdir $out $dev; echo same > $out/file; ln $out/file $dev/file",
      env: { PATH: "/usr/bin:/bin" },
    });
    const built = await build(drvs.fileOf(path), "--host-tools");
    expect(built.stderr).not.toContain("error:");
    expect(built.status).toBe(0);
  });

  test("builds inputs first and shows the builder exactly their closure", async () => {
    const first = drvs.write({ name: "first", script: "echo one > $out" });
    const stranger = drvs.write({ name: "stranger", script: "echo s > $out" });
    await build(drvs.fileOf(stranger));
    const second = drvs.write({
      name: "second",
      inputs: [first],
      env: { first: drvs.outputOf(first) },
      script:
        "for each in /nix/store/*; do echo $each; done > /tmp/seen; while read l; do echo $l; done < /tmp/seen > $out; read w < $first; echo $w >> $out",
    });
    expect((await build(drvs.fileOf(second))).status).toBe(0);
    const real = join(scratch.store, drvs.outputOf(second));
    expect(readFileSync(real, "utf8")).toBe(`${drvs.outputOf(first)}\none\n`);
  });

  test("reports a failing builder: message, tail, exit status 100, no valid path, the log", async () => {
    const path = drvs.write({ name: "failing", script: "echo line one; echo line two >&2; exit 3" });
    const built = await build(drvs.fileOf(path));
    expect(built).toMatchObject({ status: 100, stdout: "" });
    expect(built.stderr).toContain(`builder for '${path}' failed with exit code 3`);
    expect(built.stderr).toMatch(/last 2 log lines:\n\s+> line one\n\s+> line two\n/u);
    expect(built.stderr).not.toMatch(/\n\s+at /u);
    expect((await drv(["path-info", drvs.outputOf(path), ...flags()])).status).toBe(1);
    expect((await drv(["log", path, ...flags()])).stdout).toBe("line one\nline two\n");
    expect(readdirSync(join(scratch.store, "nix/var/nix/builds"))).toEqual([]);
  });

  test("names what failed first when a dependency fails", async () => {
    const bad = drvs.write({ name: "bad", script: "exit 1" });
    const top = drvs.write({ name: "top", inputs: [bad], script: "echo > $out" });
    const built = await build(drvs.fileOf(top));
    expect(built.status).toBe(100);
    expect(built.stderr).toContain(`builder for '${bad}' failed with exit code 1`);
    expect(built.stderr).toContain("✗ top not built, because of bad\n");
  });

  test("registers a wrong fixed output under its own path and exits with 102", async () => {
    const path = drvs.write({ name: "fixed.txt", fixedContent: "right\n", script: "echo wrong > $out" });
    const built = await build(drvs.fileOf(path));
    expect(built.status).toBe(102);
    expect(built.stderr).toMatch(
      /hash mismatch in fixed-output derivation '.*':\n\s+specified: sha256-\S+\n\s+got: {4}sha256-\S+/u,
    );
    const right = drvs.write({ name: "fixed.txt", fixedContent: "wrong\n", script: "exit 1" });
    expect(await build(drvs.fileOf(right))).toMatchObject({ status: 0, stdout: `${drvs.outputOf(right)}\n` });
  });

  test("stops a build that is silent for too long with 101", async () => {
    const path = drvs.write({ name: "silent", script: "echo start; while :; do :; done" });
    const built = await build(drvs.fileOf(path), "--max-silent-time", "1");
    expect(built.status).toBe(101);
    expect(built.stderr).toContain("timed out after 1 seconds");
  });

  test("--check finds a difference and exits with 104", async () => {
    const path = drvs.write({
      name: "random",
      script: "read id < /proc/sys/kernel/random/uuid; echo $id > $out",
    });
    await build(drvs.fileOf(path));
    const checked = await build(path, "--check");
    expect(checked.status).toBe(104);
    expect(checked.stderr).toContain(`derivation '${path}' may not be deterministic`);
  });

  test("builds one derivation once when two processes ask for it", async () => {
    const path = drvs.write({
      name: "shared",
      script: "n=0; while [ $n -lt 300000 ]; do n=$((n + 1)); done; echo done > $out",
    });
    const both = await Promise.all(
      [1, 2].map(() => build(drvs.fileOf(path), "--build-poll-interval", "1", "--json")),
    );
    expect(both.map(({ status }) => status)).toEqual([0, 0]);
    const statuses = both.map(({ stdout }) => JSON.parse(stdout)[0].status).sort();
    expect(statuses).toEqual(["alreadyValid", "built"]);
    expect(both.map(({ stderr }) => stderr).join("")).toContain(
      `waiting for lock on '${drvs.outputOf(path)}'`,
    );
  });

  test.each([
    ["ends its builders on SIGINT and leaves nothing behind", "echo running; while :; do :; done", 0],
    [
      "ends on SIGINT while it reads an output that takes days",
      "PATH=/usr/bin:/bin; truncate -s 8T $out; echo running",
      300,
    ],
  ])("%s", async (_what, script, delayMs) => {
    const path = drvs.write({ name: "endless", script });
    const child = spawn(process.execPath, [
      join(root, "packages/cli/bin/drv.js"),
      "build",
      "-L",
      "--no-link",
      "--host-tools",
      drvs.fileOf(path),
      ...flags(),
    ]);
    let [seen, sent] = ["", false];
    for await (const chunk of child.stderr) {
      seen += chunk;
      if (sent || !seen.includes("> running")) continue;
      sent = true;
      setTimeout(() => child.kill("SIGINT"), delayMs);
    }
    const [status] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
    expect(status).toBe(1);
    expect(seen).toContain("interrupted by the user");
    expect(readdirSync(join(scratch.store, "nix/var/nix/builds"))).toEqual([]);
    expect(readdirSync(join(scratch.store, "nix/store")).filter((name) => name.endsWith(".chroot"))).toEqual(
      [],
    );
  });

  /** Builds where no user namespace may be made, in a store elsewhere than `/nix/store`. */
  async function buildWithoutNamespaces(name: string, ...args: readonly string[]) {
    const path = drvs.write({ name, script: "echo > $out" });
    const off = [
      "unshare",
      "--user",
      "--map-user=65534",
      "--map-group=65534",
      "--keep-caps",
      "sh",
      "-c",
      'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"',
      "sh",
    ];
    const uid =
      process.geteuid?.() === 0 ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] : [];
    const own = scratch.path(name);
    mkdirSync(own, { mode: 0o777 });
    const { chmodSync } = await import("node:fs");
    chmodSync(scratch.folder, 0o755);
    chmodSync(own, 0o777);
    const store = join(own, "store");
    const built = await drv(["build", "--no-link", drvs.fileOf(path), "--store", store, ...args], {
      before: [...uid, ...off],
      env: { HOME: own },
    });
    const made = readdirSync(join(store, "nix/store")).filter((file) => !/\.(?:drv|lock)$/u.test(file));
    return { ...built, made };
  }

  test("stops with a hint when user namespaces are off", async () => {
    const built = await buildWithoutNamespaces("no-namespaces");
    expect(built.status).toBe(1);
    expect(built.stderr).toContain("ERR_SANDBOX_UNAVAILABLE");
    expect(built.stderr).toContain("user.max_user_namespaces");
    expect(built.stderr).not.toContain("✓");
  });

  test("sandbox-fallback builds nothing in a store elsewhere than builders are told", async () => {
    const built = await buildWithoutNamespaces("no-fallback", "--sandbox-fallback");
    expect(built).toMatchObject({ status: 1, stdout: "", made: [] });
    expect(built.stderr).toContain("ERR_SANDBOX_UNAVAILABLE");
    expect(built.stderr).toContain("user.max_user_namespaces");
    expect(built.stderr).not.toContain("auto-disabling sandboxing");
  });
});

canBuild(`modules that describe builds${why}`, () => {
  const module = (name: string, text: string) => {
    writeFileSync(scratch.path(name), text);
    return scratch.path(name);
  };
  const two = `import { derivation, nix } from "@drvkit/engine";
    export const low = derivation({ name: "low", builder: "/bin/sh", args: ["-c", "echo low > $out"] });
    export const top = (engine: unknown) => derivation({ name: "top", builder: "/bin/sh", args: ["-c", nix\`read a < \${low}; echo $a top > $out\`] });`;

  test("are built, one export or all", async () => {
    const file = module("two.ts", two);
    const one = await drv(["build", `${file}#top`, "--out-link", "top", ...flags()], { cwd: scratch.folder });
    expect(one.stderr).not.toContain("error:");
    expect(readFileSync(scratch.path("top"), "utf8")).toBe("low top\n");
    const all = await build(file, "--json");
    expect(JSON.parse(all.stdout).map(({ status }: { status: string }) => status)).toEqual([
      "alreadyValid",
      "alreadyValid",
    ]);
  });

  test("are instantiated without being built", async () => {
    const ended = await drv(["instantiate", module("two.ts", two), ...flags()]);
    expect(ended.stdout).toMatch(/^\/nix\/store\/.*-low\.drv\n\/nix\/store\/.*-top\.drv\n$/u);
  });

  test.each([
    { name: "no such export", text: two, target: "#nope" },
    { name: "nothing to build", text: "export const x = 1;", target: "" },
  ])("with $name give one error", async ({ text, target }) => {
    const ended = await build(`${module("bad.ts", text)}${target}`);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain("[ERR_MODULE]");
    expect(ended.stderr).toContain("hint:");
  });

  test("refuse a dependency in a bare string", async () => {
    const text = two.replace("nix`", "`").replace("nix`", "`");
    const ended = await build(`${module("bare.ts", text)}#top`);
    expect(ended.stderr).toContain("[ERR_DRV_CONTEXT]");
  });
});

describe("bad input", () => {
  test.each([
    { name: "a file that is no derivation", args: ["build", "README.md"], code: "ERR_TARGET" },
    {
      name: "a file that is not there",
      args: ["build", "/nowhere/i9pmrzmpshapij2kin22pff6fc2adavx-x.drv"],
      code: "ERR_IMPORT_MISSING",
    },
    {
      name: "a setting with a wrong value",
      args: ["build", "x.drv", "--max-jobs", "many"],
      code: "ERR_SETTING",
    },
    {
      name: "a sandbox path that escapes",
      args: ["build", "DRV", "--sandbox-paths", "/../x"],
      code: "ERR_SANDBOX_PATH",
    },
    { name: "the machine's own store", args: ["build", "DRV", "--store", "/"], code: "ERR_STORE_UNWRITABLE" },
    { name: "a path outside the store", args: ["path-info", "/etc/passwd"], code: "ERR_TARGET" },
    {
      name: "a path that is not valid",
      args: ["path-info", "/nix/store/i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt"],
      code: "ERR_STORE_NOT_VALID",
    },
    {
      name: "a derivation that was never built",
      args: ["log", "/nix/store/i9pmrzmpshapij2kin22pff6fc2adavx-x.drv"],
      code: "ERR_LOG_MISSING",
    },
  ])("$name gives one error with code and hint", async ({ args, code }) => {
    const path = drvs.write({ name: "input", script: "echo > $out" });
    const given = args.map((arg) => (arg === "DRV" ? drvs.fileOf(path) : arg));
    const ended = await drv([...given, ...(given.includes("--store") ? [] : flags())]);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(`[${code}]`);
    expect(ended.stderr).toContain("hint:");
    expect(ended.stderr).not.toMatch(/\n\s+at /u);
  });

  test("a changed derivation is refused before anything is registered", async () => {
    const path = drvs.write({ name: "changed", script: "echo a > $out" });
    writeFileSync(drvs.fileOf(path), readFileSync(drvs.fileOf(path), "utf8").replace("echo a", "echo b"));
    const ended = await build(drvs.fileOf(path));
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain("ERR_IMPORT_MISMATCH");
    expect((await drv(["path-info", path, ...flags()])).stderr).toContain("is not valid");
  });

  test("an unknown command and an unknown flag say what there is", async () => {
    expect(await drv(["bulid"])).toMatchObject({ status: 1 });
    expect((await drv(["bulid"])).stderr).toContain("build");
    expect((await drv(["build", "--no-lnk", "x.drv"])).stderr).toContain("--no-link");
  });
});

describe("the other commands", () => {
  test("--version answers without loading anything", async () => {
    expect(await drv(["--version"])).toMatchObject({
      status: 0,
      stderr: "",
      stdout: expect.stringMatching(/^drv \d+\.\d+\.\d+\n$/u),
    });
  });

  test.each(["build", "instantiate", "show", "log", "add", "path-info", "closure", "doctor"])(
    "%s --help has an example",
    async (name) => {
      const help = await drv([name, "--help"]);
      expect(help.status).toBe(0);
      expect(help.stdout).toContain("Example:");
    },
  );

  test("add copies a folder with the path and hash that Nix gives it", async () => {
    const folder = scratch.path("folder");
    mkdirSync(join(folder, "sub"), { recursive: true });
    writeFileSync(join(folder, "b.txt"), "b\n");
    writeFileSync(join(folder, "sub", "run"), "#!/bin/sh\n", { mode: 0o755 });
    symlinkSync("b.txt", join(folder, "a"));
    const added = await drv(["add", folder, "--name", "source", "--json", ...flags()]);
    // From `nix-store --add` of Nix 2.8.0 on the same tree.
    expect(JSON.parse(added.stdout)).toMatchObject({
      "/nix/store/njxs2w64izc0wraxx50w0nm2n1h9ki9s-source": {
        narHash: "sha256-x8MC3Zk4vbX6otALIOShYwO2nvFtLDyEZNHAFkwH5w0=",
        references: [],
        deriver: null,
      },
    });
  });

  test("add --flat addresses a file by its bytes", async () => {
    writeFileSync(scratch.path("hello.txt"), "hello\n");
    const nar = await drv(["add", scratch.path("hello.txt"), ...flags()]);
    expect(nar.stdout).toBe("/nix/store/i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt\n");
    const flat = await drv(["add", "--flat", scratch.path("hello.txt"), ...flags()]);
    expect(flat.stdout).toBe("/nix/store/gy454w1cxaq731grqwylhzf4pp9r5izh-hello.txt\n");
  });

  test("add leaves out what patterns and ignore files say", async () => {
    const tree = scratch.path("filtered");
    mkdirSync(join(tree, "src"), { recursive: true });
    for (const file of ["src/a.c", "src/a.o", "src/a.log", "b.c"]) writeFileSync(join(tree, file), file);
    writeFileSync(join(tree, ".gitignore"), "*.o\n");
    const args = ["--include", "*.c", "--include", "*.o", "--exclude", "/b.c", "--ignore-file", ".gitignore"];
    const added = await drv(["add", tree, ...args, ...flags()]);
    const name = added.stdout.trim().slice("/nix/store/".length);
    expect(readdirSync(join(scratch.store, "nix/store", name), { recursive: true }).sort()).toEqual([
      "src",
      "src/a.c",
    ]);
  });

  test.each([
    [["--flat", "--exclude", "x"], "'--flat' adds a single file"],
    [["--name", "x", "other"], "'--name' goes with one file"],
    [["--ignore-file", "a/b"], "ignore file 'a/b' is not a file name"],
  ])("add refuses %j", async (args, message) => {
    const ended = await drv(["add", scratch.folder, ...args, ...flags()]);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(message);
  });

  test("show prints what nix show-derivation prints", async () => {
    const path = drvs.write({ name: "shown", script: "echo > $out" });
    const shown = JSON.parse((await drv(["show", drvs.fileOf(path), ...flags()])).stdout);
    expect(shown[path]).toEqual({
      outputs: { out: { path: drvs.outputOf(path) } },
      inputSrcs: [],
      inputDrvs: {},
      system: "x86_64-linux",
      builder: "/bin/sh",
      args: ["-euc", "echo > $out"],
      env: { builder: "/bin/sh", name: "shown", out: drvs.outputOf(path), system: "x86_64-linux" },
    });
  });

  test("closure takes paths from standard input and prints references too", async () => {
    writeFileSync(scratch.path("leaf"), "leaf\n");
    const leaf = (await drv(["add", scratch.path("leaf"), ...flags()])).stdout;
    const closure = await drv(["closure", "--stdin", "--json", ...flags()], { input: leaf });
    expect(JSON.parse(closure.stdout)).toEqual([leaf.trim()]);
  });

  test("doctor --json says of each layer whether it works", async () => {
    const { status, stdout } = await drv(["doctor", "--json"]);
    const report = JSON.parse(stdout);
    expect(report.ready).toBe(status === 0);
    expect(report.layers.length).toBeGreaterThan(5);
    expect(report.layers).toContainEqual(
      expect.objectContaining({ layer: "seccomp", setting: "filter-syscalls" }),
    );
    const names = report.machine.map((probe: { name: string }) => probe.name);
    expect(names.slice(0, 5)).toEqual(["build-ids", "cgroup", "pasta", "slirp4netns", "kvm"]);
    for (const probe of report.machine)
      expect(probe).toMatchObject({ works: expect.any(Boolean), required: expect.any(Boolean) });
  });

  test("doctor ends with 1 when the settings ask for what is not there", async () => {
    const missing = ["--fixed-output-network", "pasta"];
    const env = { PATH: "/no/such" };
    const { status, stdout } = await drv(["doctor", "--json", ...missing], { env });
    expect(status).toBe(1);
    expect(JSON.parse(stdout).machine).toContainEqual({
      name: "pasta",
      works: false,
      required: true,
      detail: "not installed",
      hint: "it is in the package passt",
      setting: "fixed-output-network",
    });
  });

  test("doctor says it in lines that fit, with the settings that concern it", async () => {
    const { stdout } = await drv(["doctor"]);
    const lines = stdout.split("\n");
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines[0]).toBe("Layers of the sandbox [setting]");
    expect(stdout).toContain("[require-drop-supplementary-groups]");
    expect(lines).toContain("What builds use [setting]");
    expect(lines.at(-2)).toMatch(/^this machine can/u);
  });
});

test("a store that a test used is complete", () => {
  expect(existsSync(join(scratch.store, "nix/store"))).toBe(true);
});
