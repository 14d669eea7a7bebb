import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { defaultStoreDir, parseStorePath } from "@drvkit/drv-parser";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../tests/until.js";
import { parsePreBuildHook, runPreBuildHook } from "../src/sandbox/pre-build-hook.js";

const drvPath = parseStorePath(defaultStoreDir, `/nix/store/${"a".repeat(32)}-x.drv`);

describe("what a pre-build hook prints", () => {
  test.each([
    { name: "nothing", output: "", words: [] },
    { name: "a list", output: "extra-sandbox-paths\n/a\n/b=/c\n\n", words: ["/a", "/b=/c"] },
    { name: "a list up to the end", output: "extra-sandbox-paths\n/a\n", words: ["/a"] },
    { name: "its older name", output: "extra-chroot-dirs\n/a\n", words: ["/a"] },
    {
      name: "two lists",
      output: "extra-sandbox-paths\n/a\n\nextra-chroot-dirs\n/b\n/c\n\n",
      words: ["/a", "/b", "/c"],
    },
    { name: "an empty list", output: "extra-sandbox-paths\n\nextra-sandbox-paths\n/a\n", words: ["/a"] },
    {
      name: "a name of a command in a list",
      output: "extra-sandbox-paths\nextra-chroot-dirs\n",
      words: ["extra-chroot-dirs"],
    },
    { name: "a last line without an end", output: "extra-sandbox-paths\n/a\n/b", words: ["/a"] },
    { name: "a command without an end", output: "nonsense", words: [] },
    {
      name: "what may be missing",
      output: "extra-sandbox-paths\n/a?\n/b=/c d?\n",
      words: ["/a?", "/b=/c d?"],
    },
  ])("is read: $name", ({ output, words }) => {
    expect(parsePreBuildHook(output)).toEqual(words);
  });

  test.each([
    { output: "sandbox-paths\n", line: "sandbox-paths" },
    { output: "extra-sandbox-paths\n/a\n\n/b\n", line: "/b" },
    { output: "\n", line: "" },
    { output: "extra-sandbox-paths \n", line: "extra-sandbox-paths " },
  ])("is refused with the command that is unknown: '$line'", ({ output, line }) => {
    expect(() => parsePreBuildHook(output)).toThrow(
      expect.objectContaining({
        code: "ERR_PRE_BUILD_HOOK",
        message: `unknown pre-build hook command '${line}'`,
        hint: expect.stringContaining("extra-sandbox-paths"),
      }),
    );
  });
});

describe("a pre-build hook", () => {
  let folder = "";
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "drvkit-pre-build-")));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function hook(name: string, script: string): string {
    const program = join(folder, name);
    writeFileSync(program, `#!/bin/sh\n${script}\n`);
    chmodSync(program, 0o755);
    return program;
  }
  const run = (program: string, signal = new AbortController().signal) =>
    runPreBuildHook(program, { drvPath, chrootDir: "/chroot", env: { WORD: "said" }, signal });

  test("is told the derivation and the root, in the environment that was given and the directory of this process", async () => {
    const program = hook("told", 'echo extra-sandbox-paths; echo "$# $1 $2 $WORD $HOME"; pwd -P; cat');
    expect(await run(program)).toEqual([`2 ${drvPath} /chroot said `, realpathSync(process.cwd())]);
  });

  test("is found by a path alone, a relative one, too", async () => {
    const program = hook("found", "echo extra-sandbox-paths; echo /a");
    expect(await run(relative(process.cwd(), program))).toEqual(["/a"]);
    await expect(run("true")).rejects.toMatchObject({
      code: "ERR_PRE_BUILD_HOOK",
      message: "cannot start the pre-build hook 'true'",
      cause: { code: "ENOENT" },
    });
    await expect(run(`${program} argument`)).rejects.toThrow("cannot start the pre-build hook");
  });

  test.each([
    { name: "status", script: "echo nonsense; exit 7", status: "failed with exit code 7" },
    { name: "signal", script: "kill -9 $$", status: "failed due to signal 9 (Killed)" },
    { name: "words", script: "echo why >&2; exit 1", status: "failed with exit code 1:\nwhy" },
  ])("that fails stops its build, with what it said: $name", async ({ name, script, status }) => {
    const program = hook(name, script);
    await expect(run(program)).rejects.toMatchObject({
      code: "ERR_PRE_BUILD_HOOK",
      message: `program '${program}' ${status}`,
      hint: expect.any(String),
    });
  });

  test("may print more than a pipe holds, on both of its outputs", async () => {
    const lines = "i=0; while [ $i -lt 20000 ]; do echo /path/$i; echo /path/$i >&2; i=$((i+1)); done";
    expect(await run(hook("loud", `echo extra-sandbox-paths; ${lines}`))).toHaveLength(20_000);
  });

  test("ends with what it has started when nobody wants the build any more", async () => {
    const ids = join(folder, "ids");
    const program = hook("endless", `sleep 1000 & echo $$ $! > ${ids}.new; mv ${ids}.new ${ids}; wait`);
    const abort = new AbortController();
    const running = run(program, abort.signal);
    running.catch(() => undefined);
    await until(() => existsSync(ids));
    abort.abort(new Error("not wanted"));
    await expect(running).rejects.toThrow("not wanted");
    const [parent = "", child = ""] = readFileSync(ids, "utf8").trim().split(" ");
    await until(() => [parent, child].every((pid) => !runs(pid)));
  });

  test("is not started for a build that nobody wants", async () => {
    const mark = join(folder, "mark");
    await expect(run(hook("late", `: > ${mark}`), AbortSignal.abort(new Error("too late")))).rejects.toThrow(
      "too late",
    );
    expect(existsSync(mark)).toBe(false);
  });
});

/** One that has ended may wait for its parent to ask. */
function runs(pid: string): boolean {
  try {
    return !/^State:\s*Z/mu.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
