import { execFile } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { baseNameOf, type StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { sandboxWorks } from "./drv-command.js";
import { isLong } from "./properties.js";
import { root } from "./workspace.js";

const canPrint = sandboxWorks && existsSync("/usr/bin/yes");
const why = canPrint
  ? ""
  : ` (skipped: ${sandboxWorks ? "there is no /usr/bin/yes" : "this machine cannot build in the sandbox"})`;
const lines = isLong ? 10_000_000 : 3_000_000;
const endlessMegabytes = isLong ? 100 : 10;

/** What `loud-build.mjs` prints. */
interface Seen {
  readonly exitStatus: number;
  readonly grownMegabytes: number;
  readonly lines: number;
  readonly bytes: number;
  readonly longest: number;
  readonly last: string;
  readonly others: readonly string[];
}

describe.skipIf(!canPrint)(`a builder that prints much${why}`, { timeout: 600_000 }, () => {
  const suite = buildSuite();

  async function build(name: string, script: string, reader: "prompt" | "slow" | "none" = "prompt") {
    const drvPath = suite.drvs.write({ name, script, env: { PATH: "/usr/bin:/bin" } });
    const args = [
      join(root, "tests/loud-build.mjs"),
      suite.scratch.store,
      suite.drvs.fileOf(drvPath),
      reader,
    ];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return { drvPath, seen: JSON.parse(stdout) as Seen };
  }

  function logOf(drvPath: StorePath): string {
    const base = baseNameOf(drvPath);
    return join(suite.scratch.store, "nix/var/log/nix/drvs", base.slice(0, 2), base.slice(2));
  }

  test.each(["prompt", "slow", "none"] as const)(
    `${lines} lines fit into bounded memory with a reader that is %s, and all of them are in the log`,
    async (reader) => {
      const script = `yes | head -n ${lines}; echo last; echo x > $out`;
      const { drvPath, seen } = await build(`lines-${reader}`, script, reader);
      expect(seen.exitStatus).toBe(0);
      expect(statSync(logOf(drvPath)).size).toBe(lines * 2 + 5);
      expect(seen.grownMegabytes).toBeLessThan(256);
      if (reader === "none") return;
      expect(seen.last).toBe("last");
      expect(seen.others).toEqual(
        expect.arrayContaining(["run-started", "build-started", "registered", "build-finished", "goal-done"]),
      );
      if (reader === "prompt") expect(seen.lines).toBe(lines + 1);
      else expect(seen.lines).toBeLessThan(lines);
    },
  );

  test(`a line of ${endlessMegabytes} MB comes in pieces`, async () => {
    const bytes = endlessMegabytes * 1_000_000;
    const script = `head -c ${bytes} /dev/zero | tr '\\0' x; echo x > $out`;
    const { drvPath, seen } = await build("endless", script);
    expect(seen).toMatchObject({
      exitStatus: 0,
      bytes,
      longest: 1024 * 1024,
      lines: Math.ceil(bytes / 2 ** 20),
    });
    expect(statSync(logOf(drvPath)).size).toBe(bytes);
    expect(seen.grownMegabytes).toBeLessThan(256);
  });

  test("and no text is in the log as it is, and in the lines as far as it can be", async () => {
    const { drvPath, seen } = await build("no-text", `printf 'a\\0b\\377c\\n'; echo x > $out`);
    expect([...readFileSync(logOf(drvPath))]).toEqual([0x61, 0, 0x62, 0xff, 0x63, 0x0a]);
    expect(seen).toMatchObject({ exitStatus: 0, lines: 1, last: "a\0b\uFFFDc" });
  });
});
