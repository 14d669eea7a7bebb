import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { derivation, nix } from "@drvkit/drv-parser";
import { removeTree } from "@drvkit/sandbox-native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openEngine } from "../src/index.js";

describe("_NIX_TRACE_BUILT_OUTPUTS", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "drvkit-trace-"));
  });
  afterEach(() => removeTree(folder));

  test("names a file that gets a line for each derivation that ended, after those that are there", async () => {
    const file = join(folder, "trace");
    await using engine = await openEngine({
      store: join(folder, "store"),
      env: { HOME: folder, _NIX_TRACE_BUILT_OUTPUTS: file },
    });
    const input = derivation({ name: "input", system: "none", builder: "/none" });
    const needs = derivation({ name: "needs", system: "none", builder: "/bin/sh", args: [nix`${input}`] });
    for (let round = 0; round < 2; round += 1) await engine.build([needs]).result;
    const lines = readFileSync(file, "utf8").split("\n");
    const failed = [
      [await engine.instantiate(input), "InputRejected : Cannot build"],
      [await engine.instantiate(needs), "DependencyFailed : 1 dependencies of derivation"],
    ].map(([drvPath, result]) => `${drvPath}\t${result}`);
    const first = lines.filter((line) => line.startsWith("/nix/store/"));
    expect(first).toHaveLength(4);
    for (const [index, line] of first.entries()) expect(line.startsWith(failed[index % 2] ?? "?")).toBe(true);
  });

  test("disturbs nothing when it names what cannot be written", async () => {
    await using engine = await openEngine({
      store: join(folder, "store"),
      env: { HOME: folder, _NIX_TRACE_BUILT_OUTPUTS: join(folder, "no", "trace") },
    });
    const none = derivation({ name: "none", system: "none", builder: "/none" });
    expect((await engine.build([none]).result).results).toMatchObject([{ status: "inputRejected" }]);
  });
});
