import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { bytesOf, defaultStoreDir, makeStorePath } from "@drvkit/drv-parser";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeFileLog } from "../../src/log/file.js";
import { logPath } from "../../src/log/names.js";
import { openLog } from "../../src/log/read.js";

const drvPath = makeStorePath(defaultStoreDir, `${"a".repeat(30)}bc-hello.drv`);
const compress = async (source: string, target: string) => copyFile(source, target);
const compression = { extension: ".bz2", compress } as const;
const decompressed = async function* (path: string) {
  yield bytesOf(`decompressed ${readFileSync(path, "utf8")}`);
};
const decompress = { ".bz2": decompressed, ".zst": decompressed };

describe("log files", () => {
  let logDir = "";
  beforeEach(() => {
    logDir = mkdtempSync(join(tmpdir(), "goal-log-"));
  });
  afterEach(() => rmSync(logDir, { recursive: true }));

  const path = () => logPath(logDir, drvPath);
  const read = async () => {
    const chunks = await openLog(logDir, drvPath, { decompress });
    if (chunks === undefined) return undefined;
    let text = "";
    for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
    return text;
  };
  const writeLog = async (text: string, log = makeFileLog({ logDir, compression })) => {
    const writer = await log.open(drvPath);
    await writer.write(bytesOf(text));
    return writer;
  };

  test("lie in two levels", () => {
    expect(path()).toBe(join(logDir, "drvs", "aa", `${"a".repeat(28)}bc-hello.drv`));
  });

  test("are plain and readable while they are written, byte for byte", async () => {
    const writer = await writeLog("half\r");
    await writer.write(Uint8Array.of(0xff));
    expect(readFileSync(path())).toEqual(Buffer.from([...Buffer.from("half\r"), 0xff]));
    expect(await read()).toBe("half\r\uFFFD");
    await writer.close();
  });

  test("end with what is still being written, in its order, and take nothing more", async () => {
    const writer = await makeFileLog({ logDir }).open(drvPath);
    const parts = Array.from({ length: 50 }, (_, n) => `${n} `.repeat(1000));
    const writes = parts.map((part) => writer.write(bytesOf(part)));
    await writer.close();
    expect(readFileSync(path(), "utf8")).toBe(parts.join(""));
    await Promise.all(writes);
    await expect(writer.write(bytesOf("late"))).rejects.toThrow("the log is closed");
  });

  test("are compressed and renamed at their end, once", async () => {
    const writer = await writeLog("whole");
    await Promise.all([writer.close(), writer.close()]);
    await writer.close();
    expect([existsSync(path()), readFileSync(`${path()}.bz2`, "utf8")]).toEqual([false, "whole"]);
    expect(await read()).toBe("decompressed whole");
  });

  test("of a new build come before the old compressed one, and replace it", async () => {
    await (await writeLog("old")).close();
    const writer = await writeLog("new");
    expect(await read()).toBe("new");
    await writer.close();
    expect(await read()).toBe("decompressed new");
    await (await writeLog("plain", makeFileLog({ logDir }))).close();
    expect([await read(), existsSync(`${path()}.bz2`)]).toEqual(["plain", false]);
  });

  test("of builders that say nothing are made at their end, from the second on without a plain one", async () => {
    const sources: string[] = [];
    const log = makeFileLog({
      logDir,
      compression: {
        extension: ".bz2",
        compress: async (source, target) => {
          sources.push(basename(source));
          writeFileSync(target, `compressed ${readFileSync(source, "utf8")}`);
        },
      },
    });
    const others = ["b", "c"].map((name) =>
      makeStorePath(defaultStoreDir, `${"a".repeat(30)}bc-${name}.drv`),
    );
    for (const silent of [drvPath, ...others]) {
      const writer = await log.open(silent);
      expect(await openLog(logDir, silent, { decompress })).toBeUndefined();
      await writer.close();
      expect(readFileSync(`${logPath(logDir, silent)}.bz2`, "utf8")).toBe("compressed ");
    }
    expect(sources).toEqual([basename(path())]);
    expect(readdirSync(dirname(path()))).toHaveLength(3);
    await (await makeFileLog({ logDir }).open(drvPath)).close();
    expect(await read()).toBe("");
  });

  test("of a builder that says nothing take the place of an earlier one at once", async () => {
    await (await writeLog("old")).close();
    const writer = await makeFileLog({ logDir, compression }).open(drvPath);
    expect(await read()).toBe("");
    await writer.close();
    expect(await read()).toBe("decompressed ");
  });

  test("stay plain when compressing fails", async () => {
    const failing = makeFileLog({
      logDir,
      compression: {
        extension: ".bz2",
        compress: async (_source, target) => {
          writeFileSync(target, "half");
          throw new Error("disk full");
        },
      },
    });
    const writer = await writeLog("text", failing);
    await expect(writer.close()).rejects.toThrow("disk full");
    expect([await read(), existsSync(`${path()}.bz2`)]).toEqual(["text", false]);
  });

  test("are found in the layout of one level", async () => {
    mkdirSync(join(logDir, "drvs"), { recursive: true });
    writeFileSync(join(logDir, "drvs", `${"a".repeat(30)}bc-hello.drv`), "old layout");
    expect(await read()).toBe("old layout");
  });

  test("are none when there is none", async () => {
    expect(await read()).toBeUndefined();
  });

  test("are not written through a link: a new file takes its place", async () => {
    mkdirSync(dirname(path()), { recursive: true });
    const victim = join(logDir, "victim");
    writeFileSync(victim, "precious");
    for (const link of [path(), `${path()}.new`]) symlinkSync(victim, link);
    await (await writeLog("x", makeFileLog({ logDir }))).close();
    expect([readFileSync(victim, "utf8"), readFileSync(path(), "utf8")]).toEqual(["precious", "x"]);
    expect(lstatSync(path()).isFile()).toBe(true);
  });

  test("are one, whatever compressed those before", async () => {
    for (const extension of [".bz2", ".zst", ".bz2"] as const) {
      await (await writeLog("x", makeFileLog({ logDir, compression: { extension, compress } }))).close();
      expect(readdirSync(dirname(path()))).toEqual([`${basename(path())}${extension}`]);
    }
  });

  test("take the place of what a killed process left unfinished", async () => {
    mkdirSync(dirname(path()), { recursive: true });
    for (const left of [`${path()}.new`, `${path()}.bz2.new`]) writeFileSync(left, "left");
    await (await writeLog("whole")).close();
    expect(readdirSync(dirname(path()))).toEqual([`${basename(path())}.bz2`]);
  });

  test("have their name only once they are locked", async () => {
    const seen: boolean[] = [];
    const lock = () => void seen.push(existsSync(path()));
    await (await writeLog("x", makeFileLog({ logDir, lock }))).close();
    expect(seen).toEqual([false]);
    const refusing = makeFileLog({
      logDir,
      lock: () => {
        throw new Error("no locks");
      },
    });
    await expect(refusing.open(drvPath)).rejects.toThrow("no locks");
    expect(readdirSync(dirname(path()))).toEqual([basename(path())]);
  });
});
