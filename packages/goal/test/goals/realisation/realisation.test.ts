import { hashBytes, makeOutputName, type StorePath } from "@drvkit/drv-parser";
import {
  generateSecretKey,
  printDrvOutput,
  publicKeyOf,
  type Realisation,
  signRealisation,
} from "@drvkit/narinfo";
import { describe, expect, test } from "vitest";
import { FakeSubstituter, memoryPorts } from "../../../src/testing/index.js";
import { outputsOf, type RunHow, settled, statuses, World } from "../../support/world.js";

const out = makeOutputName("out");
const on: RunHow = { experimentalFeatures: new Set(["ca-derivations"]) };

const because = (world: World) => world.events.of("realisation-stage").map(({ because }) => because);
const warnings = (world: World) =>
  world.events.of("message").flatMap(({ level, text }) => (level === "warn" ? [text] : []));

/** A floating derivation, what a cache says of its output, and a path that the cache has. */
async function offered(...substituters: readonly FakeSubstituter[]) {
  const world = new World({ ...memoryPorts(), substituters });
  const drvPath = world.add({ name: "float", kind: "floating" });
  const hash = (await world.ports.store.queryOutputHashes(drvPath)).get(out);
  if (hash === undefined) throw new Error("no output");
  const path = "/nix/store/0c41ecb451zz0c41ecb451zz0c41ecb4-float" as StorePath;
  const realisation: Realisation = {
    id: { type: "hash", hash, outputName: out },
    outPath: path,
    signatures: [],
    dependentRealisations: new Map(),
  };
  return { world, drvPath, path, realisation, id: printDrvOutput(realisation.id) };
}

describe("an output whose path is not known", () => {
  test("is obtained by what a substituter says of it (H5, O2, O4, O8, O10)", async () => {
    const cache = new FakeSubstituter();
    const { world, drvPath, path, realisation } = await offered(cache);
    cache.offerRealisation(realisation);
    cache.offer(path, "from the cache");
    const outcome = await world.realise([drvPath], on);
    expect([statuses(outcome), outputsOf(outcome.results[0])]).toEqual([["substituted"], { out: path }]);
    expect(because(world)).toEqual(["not-known", "offered", "registered"]);
    expect(await world.ports.store.queryRealisation(realisation.id)).toEqual(realisation);
    expect(world.events.of("realisation-done")[0]?.result).toEqual({
      id: printDrvOutput(realisation.id),
      exit: "success",
      outPath: path,
    });
  });

  test("fails when what is said of it leads back to itself, and is built with a fallback (O9)", async () => {
    const cache = new FakeSubstituter();
    const { world, drvPath, path, realisation } = await offered(cache);
    const hash = hashBytes("sha256", new TextEncoder().encode("another"));
    const other = { ...realisation, id: { type: "hash", hash, outputName: out } } as const;
    const after = (before: Realisation) => new Map([[printDrvOutput(before.id), path]]);
    cache.offerRealisation({ ...realisation, dependentRealisations: after(other) });
    cache.offerRealisation({ ...other, dependentRealisations: after(realisation) });
    cache.offer(path, "from the cache");
    expect(statuses(await world.realise([drvPath], on))).toEqual(["transientFailure"]);
    expect(statuses(await world.realise([drvPath], { ...on, fallback: true }))).toEqual(["built"]);
    const results = world.events.of("realisation-done").map(({ result }) => Object(result).errorCode);
    expect(results).toContain("ERR_GOAL_CYCLE");
  });

  test("is built when nobody knows it (O3, O6)", async () => {
    const { world, drvPath } = await offered(new FakeSubstituter());
    expect(statuses(await world.realise([drvPath], on))).toEqual(["built"]);
    expect(because(world)).toEqual(["not-known", "not-offered", "no-substituters"]);
  });

  test("is built when what was said leads to a path that nobody has, asked for twice (O9, S2, I3)", async () => {
    const cache = new FakeSubstituter();
    const { world, drvPath, realisation } = await offered(cache);
    cache.offerRealisation(realisation);
    expect(statuses(await world.realise([drvPath], on))).toEqual(["built"]);
    const once = ["not-known", "offered", "path-failed"];
    expect(because(world)).toEqual([...once, ...once]);
    expect(world.events.of("realisation-done")[0]?.result.exit).toBe("incompleteClosure");
  });

  test("is a failure when its path was offered and does not come (O9, S1)", async () => {
    const cache = new FakeSubstituter();
    const { world, drvPath, path, realisation } = await offered(cache);
    cache.offerRealisation(realisation);
    cache.offer(path, "x");
    cache.behaviours.set(path, "lies");
    expect(statuses(await world.realise([drvPath], on))).toEqual(["transientFailure"]);
    expect(world.events.of("realisation-done")[0]?.result.exit).toBe("failed");
  });

  test("is not believed without a signature that counts (A20)", async () => {
    const [stranger, friend] = [
      new FakeSubstituter({ uri: "fake://stranger", trusted: false }),
      new FakeSubstituter({ uri: "fake://friend", trusted: false, priority: 1 }),
    ];
    const { world, drvPath, path, realisation, id } = await offered(stranger, friend);
    const key = await generateSecretKey("friend-1");
    stranger.offerRealisation({ ...realisation, outPath: path.replace("-float", "-evil") as StorePath });
    const signed = await signRealisation(realisation, key);
    friend.offerRealisation(signed);
    const content = friend.offer(path, "x", {
      ca: { method: "nar", hash: hashBytes("sha256", new Uint8Array()) },
    });
    expect(content.path).toBe(path);
    const trustedPublicKeys = [await publicKeyOf(key)];
    await world.realise([drvPath], { ...on, trustedPublicKeys });
    expect(because(world).slice(0, 3)).toEqual(["not-known", "not-trusted", "offered"]);
    expect(warnings(world)[0]).toBe(
      `ignoring substitute for build trace '${id}' -> '${path.replace("-float", "-evil")}' from 'fake://stranger', as it's not signed by any of the keys in 'trusted-public-keys'`,
    );
    expect(await world.ports.store.queryRealisation(realisation.id)).not.toMatchObject({
      outPath: path.replace("-float", "-evil"),
    });
  });

  test("is taken unsigned where no signatures are asked for", async () => {
    const cache = new FakeSubstituter({ trusted: false });
    const { world, drvPath, path, realisation } = await offered(cache);
    cache.offerRealisation(realisation);
    cache.offer(path, "x");
    expect(statuses(await world.realise([drvPath], { ...on, requireSignatures: false }))).toEqual([
      "substituted",
    ]);
  });

  test("comes with what it depends on, and not when that has another path here (O7, O8)", async () => {
    const [cache, other] = [new FakeSubstituter(), new FakeSubstituter({ uri: "fake://other", priority: 1 })];
    const { world, drvPath, path, realisation } = await offered(cache, other);
    const { store } = world.ports;
    const lib = world.add({ name: "lib", kind: "floating" });
    const built = await world.realise([lib], { ...on, substitute: false });
    const here = outputsOf(built.results[0])["out"] as StorePath;
    const libHash = (await store.queryOutputHashes(lib)).get(out);
    const libId = `sha256:${Buffer.from(libHash?.digest ?? []).toString("hex")}!out`;
    const there = "/nix/store/1c41ecb451zz0c41ecb451zz0c41ecb4-lib" as StorePath;
    cache.offerRealisation({ ...realisation, dependentRealisations: new Map([[libId, there]]) });
    other.offerRealisation({ ...realisation, dependentRealisations: new Map([[libId, here]]) });
    cache.offer(path, "x");
    expect(statuses(await world.realise([drvPath], on))).toEqual(["substituted"]);
    expect(because(world).filter((each) => each === "incompatible")).toHaveLength(1);
    expect(warnings(world)).toEqual([
      `substituter 'fake://cache' has an incompatible realisation for '${libId}', ignoring.\nLocal:  ${here}\nRemote: ${there}`,
    ]);
    expect((await store.queryRealisation(realisation.id))?.dependentRealisations.get(libId)).toBe(here);
    // What it depends on was known: the goal of that was done at once (O1).
    expect(because(world)).toContain("already-known");
  });

  test("is not taken for another one", async () => {
    const cache = new FakeSubstituter();
    const { world, drvPath, realisation, id } = await offered(cache);
    const hash = hashBytes("sha256", new Uint8Array());
    const other = { ...realisation, id: { ...realisation.id, hash } as const };
    cache.offerRealisation(other as Realisation, realisation.id);
    expect(statuses(await world.realise([drvPath], on))).toEqual(["built"]);
    expect(warnings(world)).toEqual([
      `asked 'fake://cache' for '${id}' but got '${printDrvOutput(other.id as never)}'`,
    ]);
    expect(because(world)).toContain("another-output");
  });

  test("is not asked of a substituter with other paths, of a dead one once (O5)", async () => {
    const dead = new FakeSubstituter({ uri: "fake://dead" });
    dead.behaviour = "throws";
    const { world, drvPath } = await offered(dead);
    const second = world.add({ name: "second", kind: "floating" });
    expect(statuses(await world.realise([drvPath, second], on))).toEqual(["built", "built"]);
    expect(because(world).filter((each) => each === "does-not-answer")).toHaveLength(2);
    expect(warnings(world)).toEqual(["substituter 'fake://dead' is not asked any more: connection refused"]);

    const foreign = Object.assign(new FakeSubstituter(), { storeDir: "/other/store" as never });
    const elsewhere = await offered(foreign);
    foreign.offerRealisation(elsewhere.realisation);
    expect(statuses(await elsewhere.world.realise([elsewhere.drvPath], on))).toEqual(["built"]);
    expect(because(elsewhere.world)).toContain("another-store");
  });

  test("fails when the store learnt another path meanwhile (O10)", async () => {
    const cache = new FakeSubstituter();
    const { world, drvPath, path, realisation } = await offered(cache);
    cache.offerRealisation(realisation);
    cache.offer(path, "x");
    const text = world.ports.store.addText("other", "text");
    cache.beforeArchive = async () => {
      await world.ports.store.registerRealisation({ ...realisation, outPath: text });
      await settled();
    };
    const outcome = await world.realise([drvPath], on);
    expect(because(world).at(-1)).toBe("error");
    expect(statuses(outcome)).toEqual(["transientFailure"]);
  });
});
