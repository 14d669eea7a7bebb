import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bytesOf, defaultStoreDir, makeStorePath } from "@drvkit/drv-parser";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FollowLogOptions, followLog, logPath } from "../../src/index.js";

const drvPath = makeStorePath(defaultStoreDir, `${"a".repeat(30)}bc-hello.drv`);
const decompressed = async function* (path: string) {
  yield bytesOf(`decompressed ${path.slice(-4)}`);
};

describe("a log that is followed", () => {
  let logDir = "";
  let path = "";
  beforeEach(() => {
    logDir = mkdtempSync(join(tmpdir(), "goal-follow-"));
    path = logPath(logDir, drvPath);
    mkdirSync(dirname(path), { recursive: true });
  });
  afterEach(() => rmSync(logDir, { recursive: true }));

  /** Follows it; `looks` happen each time somebody asks whether it is still written, the last one after its end. */
  async function follow(looks: readonly (() => void)[] = [], options: Partial<FollowLogOptions> = {}) {
    const left = [...looks];
    const log = await followLog(logDir, drvPath, {
      decompress: { ".bz2": decompressed, ".zst": decompressed },
      isWritten: () => {
        const look = left.shift();
        look?.();
        return left.length > 0;
      },
      pollMs: 1,
      ...options,
    });
    if (log === undefined) return undefined;
    let text = "";
    for await (const chunk of log) text += new TextDecoder().decode(chunk);
    return text;
  }

  test("gives what is there, what comes, and what came between the last look and the end", async () => {
    writeFileSync(path, "one ");
    const text = await follow([
      () => appendFileSync(path, "two "),
      () => undefined,
      () => appendFileSync(path, "three"),
    ]);
    expect(text).toBe("one two three");
  });

  test("stays with its file when another one takes its place", async () => {
    writeFileSync(path, "first build");
    const text = await follow([
      () => {
        writeFileSync(`${path}.other`, "second build");
        renameSync(`${path}.other`, path);
      },
      () => undefined,
    ]);
    expect(text).toBe("first build");
  });

  test("is given to its end when its name is gone", async () => {
    writeFileSync(path, "whole");
    expect(await follow([() => rmSync(path), () => undefined])).toBe("whole");
  });

  test("that has ended is given as it is, compressed or not", async () => {
    writeFileSync(path, "plain");
    expect(await follow()).toBe("plain");
    renameSync(path, `${path}.zst`);
    expect(await follow()).toBe("decompressed .zst");
    renameSync(`${path}.zst`, `${path}.bz2`);
    expect(await follow()).toBe("decompressed .bz2");
  });

  test("is waited for, which is said once", async () => {
    let [looks, said] = [0, 0];
    const text = await follow([], {
      onWait: () => {
        said += 1;
      },
      isOver: async () => {
        looks += 1;
        if (looks === 3) writeFileSync(path, "at last");
        return false;
      },
    });
    expect([text, said]).toEqual(["at last", 1]);
  });

  test("is none when none will come, and one that came in the last moment is found", async () => {
    expect(await follow([], { isOver: async () => true })).toBeUndefined();
    const isOver = async () => {
      writeFileSync(path, "in time");
      return true;
    };
    expect(await follow([], { isOver })).toBe("in time");
  });

  test("ends with its signal, before there is one and while it is written", async () => {
    const stop = new AbortController();
    const onWait = () => setImmediate(() => stop.abort(new Error("enough")));
    await expect(follow([], { onWait, signal: stop.signal, pollMs: 10_000 })).rejects.toThrow("enough");
    writeFileSync(path, "x");
    const again = new AbortController();
    const isWritten = () => {
      again.abort(new Error("enough again"));
      return true;
    };
    await expect(follow([], { isWritten, signal: again.signal })).rejects.toThrow("enough again");
  });
});
