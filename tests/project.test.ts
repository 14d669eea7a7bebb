import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";
import { root } from "./workspace.js";

const hasCompiler = spawnSync("cc", ["--version"]).status === 0;
const isReady = sandboxWorks && hasCompiler;
const because = isReady ? "" : ` (skipped: ${hasCompiler ? "no sandbox" : "no C compiler"} on this machine)`;
const node = process.execPath.startsWith("/usr/") ? [] : ["--extra-sandbox-paths", process.execPath];

/** The project of the demo, on a copy, as somebody works on it: each test goes on from the one before. */
describe.skipIf(!isReady)(`examples/project${because}`, () => {
  let scratch: Scratch;
  beforeAll(() => {
    scratch = new Scratch();
    cpSync(join(root, "examples/project"), scratch.path("project"), { recursive: true });
  });
  afterAll(() => scratch[Symbol.asyncDispose]());

  /** What was built, by name, and how the command ended. */
  async function build() {
    const target = `${scratch.path("project")}/drvkit.ts#bundle`;
    const args = ["build", target, "--out-link", "result", "--host-tools", "--store", scratch.store, ...node];
    const ended = await drv(args, { cwd: scratch.folder });
    const built = [...ended.stderr.matchAll(/^✓ (\S+) built/gmu)].map(([, name]) => name);
    return { ...ended, built: built.sort() };
  }

  function edit(file: string, from: string, to: string) {
    const path = join(scratch.path("project"), file);
    const text = readFileSync(path, "utf8");
    expect(text).toContain(from);
    writeFileSync(path, text.replace(from, to));
  }

  test("the first time everything is built, and the program runs", async () => {
    const { status, built } = await build();
    expect([status, built.length]).toEqual([0, 13]);
    const run = spawnSync(scratch.path("result/bin/words"), { input: "one two three", encoding: "utf8" });
    expect(run.stdout).toBe('{ "words": 3, "longest": 5 }\n');
    expect(readFileSync(scratch.path("result/share/index.html"), "utf8")).toContain("23 words, the longest");
  });

  test("the second time nothing is", async () => {
    expect(await build()).toMatchObject({ status: 0, built: [] });
  });

  test("after a change of one line only what depends on it is", async () => {
    edit("app/main.c", "65536", "131072");
    const built = ["bundle", "facts.json", "main.o", "page.html", "words"];
    expect(await build()).toMatchObject({ status: 0, built });
  });

  test("a failing test is reported, what needs it is not built, and its log stays", async () => {
    edit("lib/split.c", "isalpha", "isalnum");
    const ended = await build();
    expect(ended.status).toBe(100);
    expect(ended.built).not.toContain("bundle");
    expect(ended.stderr).toContain('> FAIL  "route 66, eastbound": 3 words, longest 9');
    const [, drvPath = ""] = /run 'drv log (\S+)'/u.exec(ended.stderr) ?? [];
    const log = await drv(["log", drvPath, "--store", scratch.store]);
    expect(log.stdout).toContain('ok    "a stitch in time": 4 words, longest 6\nFAIL');
  });

  test("once the mistake is gone, everything is there already", async () => {
    edit("lib/split.c", "isalnum", "isalpha");
    expect(await build()).toMatchObject({ status: 0, built: [] });
    expect(existsSync(scratch.path("result/bin/words"))).toBe(true);
  });
});
