import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";
import { DerivationFolder } from "./make-derivation.js";
import { damagedPaths } from "./stored.js";
import { until } from "./until.js";
import { root } from "./workspace.js";

const kills = process.env["DRVKIT_TEST_LONG"] === "1" ? 300 : 20;
const seed = Number(process.env["DRVKIT_TEST_SEED"] ?? 20_261_125);

/** A small generator with a seed, so that a failing run can be told apart from the next. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test.skipIf(!sandboxWorks)(
  `${kills} builds killed at random moments leave a sound store (seed ${seed})${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
  { timeout: kills * 10_000 },
  async () => {
    await using scratch = new Scratch();
    const random = randomFrom(seed);
    const drvs = new DerivationFolder(scratch.path("drvs"));
    const flags = ["--store", scratch.store, "--no-link", "--max-jobs", "2"];
    for (let round = 0; round < kills; round += 1) {
      const low = [1, 2].map((n) =>
        drvs.write({
          name: `low-${round}-${n}`,
          outputs: ["out", "dev"],
          script: "n=0; while [ $n -lt 2000 ]; do n=$((n + 1)); done; echo $dev > $out; echo d > $dev",
        }),
      );
      const top = drvs.write({ name: `top-${round}`, inputs: low, script: "echo top > $out" });
      const child = spawn(
        process.execPath,
        [join(root, "packages/cli/bin/drv.js"), "build", drvs.fileOf(top), ...flags],
        { stdio: "ignore" },
      );
      const timer = setTimeout(() => child.kill("SIGKILL"), random() * 500);
      await once(child, "exit");
      clearTimeout(timer);

      expect(await damagedPaths(scratch.store)).toEqual([]);
      const again = await drv(["build", drvs.fileOf(top), ...flags]);
      expect(again.stderr).not.toContain("error:");
      expect(again).toMatchObject({ status: 0, stdout: `${drvs.outputOf(top)}\n` });
      expect(leftovers(scratch.store), `round ${round}`).toEqual([]);
    }
    expect(await damagedPaths(scratch.store)).toEqual([]);
  },
);

/** What only a build under way should have on disk. */
function leftovers(store: string): readonly string[] {
  const objects = readdirSync(join(store, "nix/store")).filter((name) =>
    /\.chroot$|^tmp-|\.check$/u.test(name),
  );
  const builds = readdirSync(join(store, "nix/var/nix/builds"));
  const roots = readdirSync(join(store, "nix/var/nix/temproots"));
  return [...objects, ...builds, ...roots];
}

test.skipIf(!sandboxWorks)(
  `B27: a builder dies with the process that started it${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
  async () => {
    await using scratch = new Scratch();
    const drvs = new DerivationFolder(scratch.path("drvs"));
    const mark = `drvkit-endless-${process.pid}`;
    const path = drvs.write({ name: "endless", script: `: ${mark}; while :; do :; done` });
    const child = spawn(
      process.execPath,
      [
        join(root, "packages/cli/bin/drv.js"),
        "build",
        drvs.fileOf(path),
        "--no-link",
        "--store",
        scratch.store,
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    await until(() => running(mark).length > 0);
    child.kill("SIGKILL");
    await once(child, "exit");
    await until(() => running(mark).length === 0);
  },
);

/** Processes whose command line has `mark` in it and that are no part of this test. */
function running(mark: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/u.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words.some((word) => word.startsWith(`: ${mark}`));
    } catch {
      return false; // it ended meanwhile
    }
  });
}
