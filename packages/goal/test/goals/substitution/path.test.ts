import {
  computeContentAddressedPath,
  defaultStoreDir,
  hashBytes,
  makeStoreDir,
  makeStorePath,
  type StorePath,
} from "@drvkit/drv-parser";
import { generateSecretKey, publicKeyOf, signPathInfo } from "@drvkit/narinfo";
import { describe, expect, test } from "vitest";
import type { SubstituterPort } from "../../../src/index.js";
import { FakeSubstituter, memoryPorts } from "../../../src/testing/index.js";
import { failureOf, type RunHow, settled, statuses, World } from "../../support/world.js";

const pathCalled = (name: string, digit = "0") =>
  makeStorePath(defaultStoreDir, `${digit.repeat(32)}-${name}`);
const path = pathCalled("wanted");

function worldWith(...substituters: readonly SubstituterPort[]) {
  return new World({ ...memoryPorts(), substituters });
}

/** Asks for the path; what its goal went through, and what was said. */
async function obtain(world: World, wanted: StorePath = path, how: RunHow = {}) {
  const outcome = await world.realise([{ path: wanted }], how);
  const because = world.events.all.flatMap((event) =>
    event.type === "substitution-stage" && event.goal.endsWith(wanted) ? [event.because] : [],
  );
  const messages = world.events.all.flatMap((event) => (event.type === "message" ? [event.text] : []));
  return { outcome, because, messages, result: outcome.results[0] };
}

describe("a path", () => {
  test("that is valid is done at once, nobody is asked (P1)", async () => {
    const cache = new FakeSubstituter();
    const world = worldWith(cache);
    const text = world.ports.store.addText("text", "x");
    const { outcome, because } = await obtain(world, text);
    expect([statuses(outcome), because, cache.asked]).toEqual([["alreadyValid"], ["already-valid"], []]);
    expect(world.ports.store.tempRoots.has(text)).toBe(true);
  });

  test("that a substituter makes depend on itself by way of others fails, whoever asks for what of it (P13)", async () => {
    const cache = new FakeSubstituter();
    const [a, b, c, side] = ["a", "b", "c", "side"].map((name) => pathCalled(name)) as [
      StorePath,
      StorePath,
      StorePath,
      StorePath,
    ];
    cache.offer(side, "side");
    cache.offer(a, "a", { references: new Set([b, side]) });
    cache.offer(b, "b", { references: new Set([c]) });
    cache.offer(c, "c", { references: new Set([a, side]) });
    cache.offer(path, "wanted", { references: new Set([c]) });
    for (const wanted of [a, b, c, path]) {
      const { result, messages } = await obtain(worldWith(cache), wanted);
      expect(result).toMatchObject({ errorCode: expect.stringMatching(/^ERR_/) });
      expect(messages).toContainEqual(expect.stringMatching(/^cycle detected: '.*-[abc]' waits for itself$/));
    }
    const world = worldWith(cache);
    const all = await world.realise([{ path: c }, { path: b }, { path: a }, { path: side }], {
      keepGoing: true,
    });
    expect(statuses(all).filter((status) => status === "substituted")).toEqual(["substituted"]);
    const codes = world.events.of("substitution-done").map(({ result }) => Object(result).errorCode);
    expect(codes).toContain("ERR_GOAL_CYCLE");
  });

  test("is obtained with its references first (P3, P7, P11, P13, P15, P18)", async () => {
    const cache = new FakeSubstituter();
    const [reference, deeper] = [pathCalled("reference"), pathCalled("deeper")];
    cache.offer(deeper, "deeper");
    cache.offer(reference, "reference", { references: new Set([deeper, reference]) });
    cache.offer(path, "wanted", { references: new Set([reference, path]) });
    const world = worldWith(new FakeSubstituter({ uri: "fake://empty" }), cache);
    const { outcome, because } = await obtain(world);
    expect(statuses(outcome)).toEqual(["substituted"]);
    expect(because).toEqual(["not-valid", "not-offered", "offered", "references-valid", "substituted"]);
    expect(cache.taken).toEqual([deeper, reference, path]);
    expect(await world.isValid(reference)).toBe(true);
    expect(await world.ports.store.queryPathInfo(path)).toMatchObject({
      references: new Set([reference, path]),
      ultimate: false,
    });
  });

  test("that nobody offers says so (P4)", async () => {
    for (const world of [worldWith(), worldWith(new FakeSubstituter())]) {
      const { outcome, result, because } = await obtain(world);
      expect(because.at(-1)).toBe("no-substituters");
      expect(failureOf(result)).toMatchObject({
        status: "noSubstituters",
        errorMessage: `path '${path}' is required, but there is no substituter that can build it`,
      });
      expect(outcome.exitStatus).toBe(1);
    }
  });

  test("is not asked for when substitution is off (P3)", async () => {
    const cache = new FakeSubstituter();
    cache.offer(path, "x");
    const { because } = await obtain(worldWith(cache), path, { substitute: false });
    expect([because, cache.asked]).toEqual([["not-valid", "no-substituters"], []]);
  });

  test("is asked for in the order of priorities (P3)", async () => {
    const [low, high] = [
      new FakeSubstituter({ uri: "fake://low", priority: 50 }),
      new FakeSubstituter({ uri: "fake://high", priority: 10 }),
    ];
    for (const cache of [low, high]) cache.offer(path, "x");
    await obtain(worldWith(low, high));
    expect([low.asked, high.taken]).toEqual([[], [path]]);
  });

  test("of a store with another directory is only had by its content (P5, P6)", async () => {
    const tree = "the content";
    const hash = hashBytes("sha256", new TextEncoder().encode(tree));
    const ca = { method: "flat", hash } as const;
    const elsewhere = makeStoreDir("/elsewhere/store");
    const [here, there] = [defaultStoreDir, elsewhere].map((dir) =>
      computeContentAddressedPath(dir, "fixed", ca),
    );
    const cache = Object.assign(new FakeSubstituter({ trusted: false }), { storeDir: elsewhere });
    cache.offer(there as StorePath, tree, { ca });
    const world = worldWith(cache);
    const fixed = world.add({ name: "fixed", fixed: ca });
    expect(world.out(fixed)).toBe(here);
    expect(statuses(await world.realise([fixed]))).toEqual(["substituted"]);
    const other = worldWith(cache);
    expect((await obtain(other, here)).because).toEqual(["not-valid", "another-store", "no-substituters"]);
  });

  test("that a substituter cannot be asked for is asked of the next; a dead one once, with one warning (P8)", async () => {
    const [dead, cache] = [new FakeSubstituter({ uri: "fake://dead" }), new FakeSubstituter()];
    dead.behaviour = "throws";
    const reference = pathCalled("reference");
    cache.offer(reference, "r");
    cache.offer(path, "x", { references: new Set([reference]) });
    const { outcome, because, messages } = await obtain(worldWith(dead, cache));
    expect(statuses(outcome)).toEqual(["substituted"]);
    expect(because).toContain("does-not-answer");
    expect(dead.asked).toEqual([path]);
    expect(messages).toEqual(["substituter 'fake://dead' is not asked any more: connection refused"]);
  });

  test("that came under another name is taken only if its content leads to ours (P9)", async () => {
    const cache = new FakeSubstituter({ trusted: false });
    const other = pathCalled("other", "1");
    cache.queryPathInfo = async () => ({
      path: other,
      narHash: hashBytes("sha256", new Uint8Array()),
      narSizeBytes: 1,
      references: new Set(),
      registrationTimeSeconds: 0,
      ultimate: false,
      signatures: [],
    });
    const { because, messages } = await obtain(worldWith(cache));
    expect(because).toEqual(["not-valid", "another-path", "no-substituters"]);
    expect(messages).toEqual([`asked 'fake://cache' for '${path}' but got '${other}'`]);
  });

  test("is not taken from what vouches for another path by its content (P9, P10)", async () => {
    const tree = "something else";
    const ca = { method: "flat", hash: hashBytes("sha256", new TextEncoder().encode(tree)) } as const;
    const other = computeContentAddressedPath(defaultStoreDir, "other", ca);
    const cache = new FakeSubstituter({ trusted: false });
    cache.offer(other, tree, { ca });
    const info = await cache.queryPathInfo(other);
    cache.queryPathInfo = async () => info;
    const world = worldWith(cache);
    expect((await obtain(world)).because).toEqual(["not-valid", "not-trusted", "no-substituters"]);
    expect([cache.taken, await world.isValid(path)]).toEqual([[], false]);
  });

  test("that no trusted key signed is not taken, and not fetched (P10)", async () => {
    const cache = new FakeSubstituter({ trusted: false });
    cache.offer(path, "x");
    const { because, messages } = await obtain(worldWith(cache));
    expect(because).toEqual(["not-valid", "not-trusted", "no-substituters"]);
    expect(cache.taken).toEqual([]);
    expect(messages).toEqual([
      `ignoring substitute for '${path}' from 'fake://cache', as it's not signed by any of the keys in 'trusted-public-keys'`,
    ]);
    expect(statuses((await obtain(worldWith(cache), path, { requireSignatures: false })).outcome)).toEqual([
      "substituted",
    ]);
  });

  test("that a trusted key signed is taken (P10)", async () => {
    const key = await generateSecretKey("test-1");
    const cache = new FakeSubstituter({ trusted: false });
    cache.offer(path, "x");
    const info = await cache.queryPathInfo(path);
    if (info === undefined) throw new Error("it is offered");
    cache.offer(path, "x", { signatures: (await signPathInfo(info, key)).signatures });
    const trusting = { trustedPublicKeys: [publicKeyOf(key)] };
    expect(statuses((await obtain(worldWith(cache), path, trusting)).outcome)).toEqual(["substituted"]);
    // One bit of what is signed changed.
    cache.offer(path, "y", { signatures: (await signPathInfo(info, key)).signatures });
    expect((await obtain(worldWith(cache), path, trusting)).because).toContain("not-trusted");
  });

  test("whose reference nobody offers is an incomplete closure (P12)", async () => {
    const cache = new FakeSubstituter();
    cache.offer(path, "x", { references: new Set([pathCalled("absent")]) });
    const { because, result } = await obtain(worldWith(cache));
    expect(because.at(-1)).toBe("references-failed");
    expect(failureOf(result)).toMatchObject({
      status: "dependencyFailed",
      errorMessage: `some references of path '${path}' could not be realised`,
    });
    expect(cache.taken).toEqual([]);
  });

  test("that is gone is asked of the next, and is no failure (P16)", async () => {
    const [gone, cache] = [new FakeSubstituter({ uri: "fake://gone" }), new FakeSubstituter()];
    for (const each of [gone, cache]) each.offer(path, "x");
    gone.behaviour = "gone";
    const { because, messages } = await obtain(worldWith(gone, cache));
    expect(because.slice(-4)).toEqual(["gone", "offered", "references-valid", "substituted"]);
    expect(messages).toEqual([`substitute for '${path}' from 'fake://gone' is gone: 404`]);
  });

  test.each(["broken", "lies"] as const)(
    "that %s is refused whole, and asked of the next (P17)",
    async (behaviour) => {
      const [bad, cache] = [new FakeSubstituter({ uri: "fake://bad" }), new FakeSubstituter()];
      for (const each of [bad, cache]) each.offer(path, "x");
      bad.behaviour = behaviour;
      const { because, messages, outcome } = await obtain(worldWith(bad, cache));
      expect(because.slice(-4)).toEqual(["fetch-failed", "offered", "references-valid", "substituted"]);
      expect(messages[0]).toMatch(new RegExp(`^cannot substitute '${path}' from 'fake://bad': `, "u"));
      expect(statuses(outcome)).toEqual(["substituted"]);
      const alone = await obtain(worldWith(bad));
      expect(failureOf(alone.result).hint).toMatch(/^the last one that offered it failed: /u);
      expect(await worldWith(bad).isValid(path)).toBe(false);
    },
  );

  test("waits for a slot of its own pool, and is obtained even when nothing may be built (P14, A17)", async () => {
    const cache = new FakeSubstituter();
    const all = ["a", "b", "c"].map((name) => pathCalled(name));
    for (const each of all) cache.offer(each, each);
    const world = worldWith(cache);
    let [running, most] = [0, 0];
    cache.beforeArchive = async () => {
      running += 1;
      most = Math.max(most, running);
      await settled();
      running -= 1;
    };
    const requests = all.map((each) => ({ path: each }));
    const outcome = await world.run(requests, { maxJobs: 0, maxSubstitutionJobs: 2 });
    expect(statuses(outcome)).toEqual(["substituted", "substituted", "substituted"]);
    expect(most).toBe(2);
    const slots = world.events.all.flatMap((event) =>
      event.type === "slot" ? [`${event.pool} ${event.change}`] : [],
    );
    expect(slots.filter((slot) => slot === "substitution granted")).toHaveLength(3);
    expect(slots.some((slot) => slot.startsWith("build"))).toBe(false);
  });

  test("is obtained once, however many want it; the last to leave ends the transfer", async () => {
    const cache = new FakeSubstituter();
    cache.offer(path, "x");
    const world = worldWith(cache);
    const controller = new AbortController();
    let aborted = false;
    cache.beforeArchive = async () => {
      controller.abort();
      await settled();
      aborted = controller.signal.aborted;
    };
    const outcome = await world.run([{ path }, { path }], { signal: controller.signal });
    expect(statuses(outcome)).toEqual(["miscFailure", "miscFailure"]);
    expect([cache.asked, aborted]).toEqual([[path], true]);
    expect(await world.isValid(path)).toBe(false);
  });

  test("is counted: progress never runs backwards and ends complete", async () => {
    const cache = new FakeSubstituter();
    cache.offer(path, "x");
    const world = worldWith(cache);
    await obtain(world);
    const figures = world.events.all.flatMap((event) =>
      event.type === "progress" ? [event.substitutions] : [],
    );
    expect(figures.map(({ running }) => running)).toEqual([0, 0, 1, 0, 0]); // expected, its size, running, no more, done
    expect(figures.at(-1)).toEqual({ done: 1, expected: 1, running: 0, failed: 0 });
  });

  test("is counted in bytes once, whoever gives it in the end", async () => {
    const [first, second] = [new FakeSubstituter(), new FakeSubstituter({ uri: "fake://second" })];
    first.offer(path, "x", { downloadSizeBytes: 10 });
    first.behaviour = "broken";
    const { narSizeBytes } = second.offer(path, "x", { downloadSizeBytes: 7 });
    const world = worldWith(first, second);
    await obtain(world);
    const transfers = world.events.all.flatMap((event) =>
      event.type === "progress" ? [event.transfers] : [],
    );
    expect(transfers.at(-1)).toEqual({
      expectedDownloadBytes: 10,
      doneDownloadBytes: 7,
      expectedNarBytes: narSizeBytes,
      doneNarBytes: narSizeBytes,
    });
  });
});
