import { defaultStoreDir, parseStorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { defaultWorkerSettings, type Event, ensurePath } from "../src/index.js";
import { FakeSubstituter, memoryPorts } from "../src/testing/index.js";

const path = parseStorePath(defaultStoreDir, `/nix/store/${"1".repeat(32)}-lib`);

function ensuring(cache = new FakeSubstituter()) {
  const ports = { ...memoryPorts(), substituters: [cache] };
  const events: Event[] = [];
  const options = { ports, settings: defaultWorkerSettings, emit: (event: Event) => events.push(event) };
  return { cache, ports, events, options };
}

describe("ensurePath", () => {
  test("does nothing for a path that is valid", async () => {
    const { ports, options, events, cache } = ensuring();
    await ensurePath(ports.store.addText("text", "text"), options);
    expect([events, cache.asked]).toEqual([[], []]);
  });

  test("obtains what somebody has", async () => {
    const { cache, ports, options } = ensuring();
    cache.offer(path, "lib");
    await ensurePath(path, options);
    expect(await ports.store.queryValidPaths([path])).toEqual(new Set([path]));
  });

  test.each([
    ["nobody has it", undefined, "build the derivation that makes it"],
    ["what comes is not what was offered", "lies", "the last one that offered it failed"],
  ] as const)("refuses when %s", async (_why, behaviour, hint) => {
    const { cache, options } = ensuring();
    if (behaviour !== undefined) {
      cache.offer(path, "lib");
      cache.behaviour = behaviour;
    }
    await expect(ensurePath(path, options)).rejects.toMatchObject({
      code: "ERR_GOAL_PATH",
      message: `path '${path}' does not exist and cannot be created`,
      hint: expect.stringContaining(hint),
    });
  });

  test("ends with its signal", async () => {
    const { options } = ensuring();
    await expect(ensurePath(path, { ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ERR_BUILD_CANCELLED",
    });
  });
});
