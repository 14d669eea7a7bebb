import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseLogMessage } from "@drvkit/goal";
import { describe, expect, test } from "vitest";
import { explained } from "../packages/goal/scripts/logger-streams.mjs";
import { buildSuite } from "./build-suite.js";
import { drv, sandboxWorks } from "./drv-command.js";
import { root } from "./workspace.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const nixVersion = spawnSync("nix-instantiate", ["--version"], { encoding: "utf8" }).stdout ?? "";
const hasNix = nixVersion.includes(" 2.8.");
const canCompare = sandboxWorks && hasNix;
const whyNot = sandboxWorks ? "nix-store 2.8 is not installed" : "this machine cannot build in the sandbox";

test.skipIf(!canCompare)(
  `Nix 2.8 says the same of the same builds, but for what is explained${canCompare ? "" : ` (skipped: ${whyNot})`}`,
  { timeout: 120_000 },
  async () => {
    const script = join(root, "packages/cli/scripts/compare-internal-json.mjs");
    const { stdout } = await promisify(execFile)(process.execPath, [script]);
    const runs = [...stdout.matchAll(/^[\w-]+: (\d+) messages of Nix, (\d+) of ours, 0 differ$/gmu)];
    expect(runs).toHaveLength(5);
    for (const [, theirs] of runs) expect(Number(theirs)).toBeGreaterThan(10);
  },
);

test("docs/compatibility.md has each explained difference", () => {
  const text = readFileSync(join(root, "docs/compatibility.md"), "utf8");
  expect(explained.map(({ reason }) => reason).filter((reason) => !text.includes(reason))).toEqual([]);
});

describe.skipIf(!sandboxWorks)(`drv build --log-format${why}`, () => {
  const suite = buildSuite();

  const messagesIn = (text: string) => text.trimEnd().split("\n").map(parseLogMessage);

  test("internal-json writes nothing but messages of Nix's logger to standard error, and the output paths", async () => {
    const good = suite.drvs.write({ name: "json-good", script: "echo hello; echo x > $out" });
    const { status, stdout, stderr } = await suite.build(
      suite.drvs.fileOf(good),
      "--log-format",
      "internal-json",
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${suite.drvs.outputOf(good)}\n` });
    expect(messagesIn(stderr)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ action: "start", type: 105n, text: `building '${good}'` }),
        expect.objectContaining({ action: "result", type: 101n, fields: ["hello"] }),
      ]),
    );
  });

  test("internal-json says a failure and keeps the exit status", async () => {
    const bad = suite.drvs.write({ name: "json-bad", script: "exit 3" });
    const { status, stderr } = await suite.build(suite.drvs.fileOf(bad), "--log-format", "internal-json");
    expect(status).toBe(100);
    const errors = messagesIn(stderr).filter((message) => message.action === "msg" && message.level === 0n);
    expect(errors).toMatchObject([{ rawMsg: `builder for '${bad}' failed with exit code 3` }]);
  });

  test("internal-json says in its own form what is wrong before anything is built", async () => {
    const missing = await suite.build(suite.scratch.path("nothing.drv"), "--log-format", "internal-json");
    expect(missing.status).toBe(1);
    expect(messagesIn(missing.stderr)).toMatchObject([{ action: "msg", level: 0n }]);
  });

  test("an unknown log format is one error that lists the known ones", async () => {
    const ended = await suite.build("x.drv", "--log-format", "xml");
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toBe(
      "error: unknown log format 'xml' [ERR_USAGE]\nhint: give one of `bar`, `raw`, `internal-json`\n",
    );
  });

  test("a path that nobody has is said", async () => {
    const path = "/nix/store/00000000000000000000000000000000-none";
    const { status, stderr } = await suite.build(path);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `error: path '${path}' is required, but there is no substituter that can build it`,
    );
  });

  test("a standard error that nobody reads changes no outcome", async () => {
    const file = suite.drvs.write({
      name: "unread",
      script: "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i + 1)); done; exit 3",
    });
    const command = `"$0" "$1" build --no-link -L ${suite.drvs.fileOf(file)} --store ${suite.scratch.store} 2>&1 >&3 | head -c 1 > ${suite.scratch.path("head")}`;
    const ended = await drv([], {
      before: ["/bin/bash", "-c", `exec 3>&1; ${command}; echo "\${PIPESTATUS[0]}"`],
      cwd: suite.scratch.folder,
    });
    expect(ended.stdout).toBe("100\n");
  });

  test("json-log-path gets the messages whatever is shown", async () => {
    const good = suite.drvs.write({ name: "json-path", script: "echo x > $out" });
    const log = suite.scratch.path("log.json");
    const { status, stderr } = await suite.build(suite.drvs.fileOf(good), "--json-log-path", log);
    expect(status).toBe(0);
    expect(stderr).not.toContain("@nix");
    const messages = readFileSync(log, "utf8").trimEnd().split("\n");
    expect(messages.map((line) => parseLogMessage(`@nix ${line}`))).toEqual(
      expect.arrayContaining([expect.objectContaining({ action: "start", type: 105n })]),
    );
  });

  test("a json-log-path that cannot be opened is one error before anything is built", async () => {
    const good = suite.drvs.write({ name: "json-nowhere", script: "echo x > $out" });
    const { status, stderr } = await suite.build(
      suite.drvs.fileOf(good),
      "--json-log-path",
      suite.scratch.path("no", "log"),
    );
    expect(status).toBe(1);
    expect(stderr).toContain("[ERR_JSON_LOG]");
    expect((await drv(["path-info", suite.drvs.outputOf(good), "--store", suite.scratch.store])).status).toBe(
      1,
    );
  });
});
