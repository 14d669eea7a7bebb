import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { derivation } from "@drvkit/drv-parser";
import { parseLogMessage } from "@drvkit/goal";
import { removeTree } from "@drvkit/sandbox-native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openEngine } from "../src/index.js";

/** Fails before it builds: no sandbox is needed. */
const none = derivation({ name: "none", system: "none", builder: "/none" });

describe("json-log-path", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "drvkit-json-log-"));
  });
  afterEach(() => removeTree(folder));

  const engineWith = (path: string) =>
    openEngine({
      store: join(folder, "store"),
      settings: { "json-log-path": path },
      env: { HOME: folder },
    });
  const messagesIn = (file: string) =>
    readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => parseLogMessage(`@nix ${line}`));

  test("names a file that the messages of each build are appended to, without a mark, once a build has ended", async () => {
    const file = join(folder, "log");
    writeFileSync(file, '{"action":"stop","id":1}\n');
    await using engine = await engineWith(file);
    await engine.build([none]).result;
    const once = messagesIn(file);
    expect(once[0]).toEqual({ action: "stop", id: 1n });
    expect(once[1]).toMatchObject({ action: "start", type: 102n });
    expect(once.at(-1)).toMatchObject({ action: "msg", level: 0n });
    await engine.build([none]).result;
    expect(messagesIn(file)).toHaveLength(2 * once.length - 1);
  });

  test("has builds that go on at the same time with ids of their own", async () => {
    const file = join(folder, "log");
    await using engine = await engineWith(file);
    await Promise.all([engine.build([none]).result, engine.build([none]).result]);
    const begun = messagesIn(file).flatMap((message) => (message.action === "start" ? [message.id] : []));
    expect(begun).toHaveLength(6);
    expect(new Set(begun).size).toBe(begun.length);
    for (const id of begun) expect(id >> 32n).toBe(BigInt(process.pid));
  });

  test("stops a build before it begins when the file cannot be opened", async () => {
    await using engine = await engineWith(join(folder, "no", "log"));
    const build = engine.build([none]);
    await expect(build.result).rejects.toMatchObject({ code: "ERR_JSON_LOG" });
    const events = [];
    for await (const event of build) events.push(event);
    expect(events).toEqual([]);
  });

  test.skipIf(!existsSync("/dev/full"))(
    "warns once when it cannot be written any more, and builds",
    async () => {
      await using engine = await engineWith("/dev/full");
      const build = engine.build([none]);
      const events = [];
      for await (const event of build) events.push(event);
      const warnings = events.filter(
        (event) => event.type === "message" && event.text.includes("'json-log-path'"),
      );
      expect(events.at(-1)).toMatchObject({ type: "run-finished" });
      expect((await build.result).results[0]).toMatchObject({ status: "inputRejected" });
      expect(warnings).toMatchObject([{ level: "warn" }]);
    },
  );
});
