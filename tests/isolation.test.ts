import { spawnSync } from "node:child_process";
import { chmodSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, sandboxWorks } from "./drv-command.js";
import { pauseBuild } from "./paused-build.js";
import { damagedPaths } from "./stored.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const isRoot = process.geteuid?.() === 0;
const outsider = ["--reuid", "65533", "--regid", "65533", "--clear-groups"];
const canChangeUser = isRoot && spawnSync("setpriv", [...outsider, "true"]).status === 0;

describe.skipIf(!sandboxWorks)(`a build and other users of the machine${why}`, () => {
  const suite = buildSuite();
  const alone = canChangeUser ? "" : " (skipped: only root can become somebody else)";

  test.skipIf(!canChangeUser)(
    `B10: nobody else reaches a builder that opens everything it has${alone}`,
    async () => {
      chmodSync(suite.scratch.folder, 0o755);
      const mark = `drvkit-open-${process.pid}`;
      const script = `: ${mark}; mkdir $out; echo mine | tee file $out/file > /tmp/file; chmod -R a+rwx . /tmp/file $out; chmod 711 $out`;
      await using paused = await pauseBuild(suite, { name: "open", script });
      const pid = builderWith(mark);
      const inside = [paused.buildDir, paused.outDir, `${paused.chrootDir}/tmp`];
      const reached = attempts([
        ...[paused.tempDir, paused.chrootDir, `${paused.chrootDir}/store`, ...inside],
        ...["root/", "root/build", "root/nix/store", "cwd/"].map((name) => `/proc/${pid}/${name}`),
      ]);
      // What is refused is there, and the way to it is open.
      for (const directory of inside) expect(readFileSync(join(directory, "file"), "utf8")).toBe("mine\n");
      expect(attempts([join(paused.tempDir, "..")])).toContain("list");
      expect(reached).toEqual([]);
      expect((await paused.go()).status).toBe(0);
      for (const top of [paused.tempDir, paused.chrootDir])
        expect(lstatSync(top, { throwIfNoEntry: false })).toBeUndefined();
    },
  );

  /** What somebody else can do with directories and with a file `file` in each. */
  function attempts(directories: readonly string[]): readonly string[] {
    const script = `for d; do
      ls "$d" > /dev/null 2>&1 && echo "list $d"
      cat "$d/file" > /dev/null 2>&1 && echo "read $d"
      (echo theirs > "$d/file") 2> /dev/null && echo "write $d"
      mkdir "$d/new" 2> /dev/null && echo "make $d"
      mv "$d/file" "$d/moved" 2> /dev/null && echo "move $d"
    done; true`;
    const { stdout } = spawnSync("setpriv", [...outsider, "sh", "-c", script, "sh", ...directories], {
      encoding: "utf8",
    });
    return stdout
      .split("\n")
      .map((line) => line.split(" ")[0] ?? "")
      .filter((word) => word !== "");
  }

  test.each(["0002", "0077", "0000"])("B16: with the mask %s builds are as always", async (mask) => {
    const store = suite.scratch.path(`store-${mask}`);
    const script =
      "umask; mkdir -p $out/d; echo x > $out/d/f; echo x > $out/run; chmod +x $out/run; stat -c %a $out $out/d/f";
    const env = { PATH: "/usr/bin:/bin" };
    const drvPath = suite.drvs.write({ name: `mask-${mask}`, script, env });
    const fails = suite.drvs.write({ name: `mask-${mask}-fails`, script: "exit 1", env });
    const before = ["sh", "-c", `umask ${mask}; exec "$@"`, "sh"];
    const flags = ["--no-link", "--host-tools", "--keep-failed", "--store", store];
    const build = (path: typeof drvPath) => drv(["build", suite.drvs.fileOf(path), ...flags], { before });
    expect(await build(drvPath)).toMatchObject({ status: 0, stdout: `${suite.drvs.outputOf(drvPath)}\n` });
    expect((await build(fails)).stderr).toContain("note: keeping build directory");
    const { stdout: log } = await drv(["log", drvPath, "--store", store]);
    expect(log).toBe("0022\n755\n644\n");
    const out = join(store, suite.drvs.outputOf(drvPath));
    const mode = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);
    expect(["", "d", "d/f", "run"].map((name) => mode(join(out, name)))).toEqual([
      "555",
      "555",
      "444",
      "555",
    ]);
    expect(mode(join(store, drvPath))).toBe("444");
    expect(openToOthers(store)).toEqual([]);
    expect(await damagedPaths(store)).toEqual([]);
  });
});

/** Directories below that somebody else could put something into. */
function openToOthers(directory: string): readonly string[] {
  const open = (lstatSync(directory).mode & 0o022) === 0 ? [] : [directory];
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...open, ...below.flatMap((entry) => openToOthers(join(directory, entry.name)))];
}

/** The builder whose script begins with a mark. */
function builderWith(mark: string): string {
  const found = readdirSync("/proc").find((pid) => {
    if (!/^\d+$/u.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`\0: ${mark};`);
    } catch {
      return false; // it ended meanwhile
    }
  });
  if (found === undefined) throw new Error("the builder does not run");
  return found;
}
