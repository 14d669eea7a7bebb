import { describe, expect, test } from "vitest";
import type { BuildSpec } from "../../src/ports/sandbox.js";
import { FakeClock, FakeTrees, MemoryStore, memoryPorts, storeContract } from "../../src/testing/index.js";

describe("MemoryStore keeps the contract of stores", () => {
  const contract = storeContract(async () => {
    const store = new MemoryStore();
    return {
      store,
      writeFile: async (path, content) => store.trees.put(path, { type: "regular", content }),
      modeOf: async (path) => (await store.trees.stat(path))?.mode,
      [Symbol.asyncDispose]: async () => undefined,
    };
  });
  test.each(contract)("$name", ({ run }) => run());

  test("a store that breaks it is found out", async () => {
    const broken = storeContract(async () => {
      const store = new MemoryStore();
      store.queryClosure = async (starts) => [...starts];
      store.tryLockOutputs = async () => undefined;
      return { store, writeFile: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
    });
    const failed = await Promise.all(
      broken.map(({ run }) =>
        run().then(
          () => false,
          () => true,
        ),
      ),
    );
    expect(failed.filter(Boolean).length).toBeGreaterThanOrEqual(6);
  });
});

describe("FakeTrees", () => {
  test("hash as Nix does", async () => {
    const trees = new FakeTrees();
    trees.put("/empty", { type: "directory", entries: {} });
    const { digest } = await trees.hash("/empty", "nar", "sha256");
    expect(Buffer.from(digest).toString("base64")).toBe("pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo=");
    trees.put("/file", "hello\n");
    const scan = await trees.scan("/file", []);
    expect([scan.narSizeBytes, Buffer.from(scan.narHash).toString("hex").length]).toEqual([120, 64]);
  });

  test("are not replaced by a move", async () => {
    const trees = new FakeTrees();
    trees.put("/a", "a");
    trees.put("/b", "b");
    await expect(trees.move("/a", "/b")).rejects.toMatchObject({ code: "ERR_TREE_EXISTS" });
  });
});

test("FakeClock calls what is due in the order of its time", () => {
  const clock = new FakeClock(1000);
  const calls: string[] = [];
  clock.after(20, () => calls.push(`late at ${clock.monotonicMs()}`));
  clock.after(10, () => {
    calls.push(`early at ${clock.monotonicMs()}`);
    clock.after(5, () => calls.push(`again at ${clock.monotonicMs()}`));
  });
  clock.after(1, () => calls.push("never"))();
  clock.advance(2000);
  expect(calls).toEqual(["early at 10", "again at 15", "late at 20"]);
  expect([clock.nowSeconds(), clock.waiting]).toEqual([1002, 0]);
});

test("a fake builder that was killed has ended, whatever the test says afterwards", async () => {
  const { sandbox } = memoryPorts();
  const spec = { drvPath: "/nix/store/x.drv", outputs: [] } as unknown as BuildSpec;
  const running = await sandbox.start(spec, new AbortController().signal);
  const build = await sandbox.nextBuild();
  build.write("a");
  running?.kill();
  build.exit(0);
  const events = [];
  for await (const event of running ?? []) events.push(event.type === "exit" ? event.status : event.type);
  expect(events).toEqual(["output", "eof", { kind: "signalled", signal: 9 }]);
});
