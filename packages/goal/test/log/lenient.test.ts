import { bytesOf, defaultStoreDir, makeStorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { openLenientLog } from "../../src/log/lenient.js";
import { MemoryLog } from "../../src/testing/index.js";

const drvPath = makeStorePath(defaultStoreDir, `${"a".repeat(32)}-hello.drv`);

describe("a log that cannot be written", () => {
  async function open(refused: (what: "open" | "write" | "close") => boolean) {
    const warnings: string[] = [];
    const logs = new MemoryLog();
    logs.refuse = (what) => (refused(what) ? new Error("no space") : undefined);
    const log = await openLenientLog(logs, drvPath, (text) => warnings.push(text));
    return { log, logs, warnings };
  }

  test("is given up at once, with one warning, and closed, so that its followers end", async () => {
    let isFull = false;
    const { log, logs, warnings } = await open((what) => what === "write" && isFull);
    await log.write(bytesOf("one "));
    isFull = true;
    await Promise.all([log.write(bytesOf("two ")), log.write(bytesOf("three "))]);
    expect(logs.closed.has(drvPath)).toBe(true);
    isFull = false;
    await log.write(bytesOf("four"));
    await log.close();
    expect(logs.textOf(drvPath)).toBe("one ");
    expect(warnings).toEqual([`cannot write the log of '${drvPath}': no space`]);
  });

  test("or opened, or completed is warned of once", async () => {
    for (const [refused, verb] of [
      ["open", "open"],
      ["close", "complete"],
    ] as const) {
      const { log, warnings } = await open((what) => what === refused);
      await log.write(bytesOf("x"));
      await Promise.all([log.close(), log.close()]);
      expect(warnings).toEqual([`cannot ${verb} the log of '${drvPath}': no space`]);
    }
  });

  test("takes nothing once it is closed", async () => {
    const { log, logs, warnings } = await open(() => false);
    await log.close();
    await log.write(bytesOf("late"));
    expect([logs.textOf(drvPath), warnings]).toEqual(["", []]);
  });
});
