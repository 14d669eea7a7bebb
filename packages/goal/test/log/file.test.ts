import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bytesOf, defaultStoreDir, makeStorePath } from "@drvkit/drv-parser";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { logPath, makeFileLog, openLog } from "../../src/log/file.js";

const drvPath = makeStorePath(defaultStoreDir, `${"a".repeat(30)}bc-hello.drv`);
const compress = async (source: string, target: string) => copyFile(source, target);
const decompress = async function* (path: string) {
  yield bytesOf(`decompressed ${readFileSync(path, "utf8")}`);
};

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
  const writeLog = async (text: string, log = makeFileLog({ logDir, compress })) => {
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

  test("stay plain when compressing fails", async () => {
    const failing = makeFileLog({
      logDir,
      compress: async (_source, target) => {
        writeFileSync(target, "half");
        throw new Error("disk full");
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

  test("are not written through a link", async () => {
    mkdirSync(dirname(path()), { recursive: true });
    const victim = join(logDir, "victim");
    writeFileSync(victim, "precious");
    symlinkSync(victim, path());
    await expect(writeLog("x")).rejects.toMatchObject({ code: "ELOOP" });
    expect(readFileSync(victim, "utf8")).toBe("precious");
  });
});
