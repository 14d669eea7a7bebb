import { concatBytes, hashBytes, type StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { encodeHookValues } from "../../src/hook/wire.js";
import { archiveOf, memoryPorts, pathInfoOf } from "../../src/testing/index.js";
import { FakeHook, HookWorld } from "../support/fake-hook.js";
import { failureOf, outputsOf, settled, statuses } from "../support/world.js";

/** A world, a derivation with an input source, and the hook that is asked for it. */
async function asked(how: Parameters<HookWorld["run"]>[1] = {}, recipe: object = {}) {
  const world = new HookWorld();
  const source = world.ports.store.addText("source", "x");
  const drvPath = world.add({ name: "elsewhere", sources: [source], ...recipe });
  const running = world.run([drvPath], how);
  const hook = await world.nextHook();
  await hook.heard();
  return { world, drvPath, source, running, hook, out: world.out(drvPath) };
}

const messages = ({ events }: HookWorld) => events.of("message").map(({ level, text }) => [level, text]);

/** As a hook does that has built: the output is valid when it ends. */
async function bringBack(world: HookWorld, drvPath: StorePath): Promise<void> {
  const [path, tree] = [world.out(drvPath), "made elsewhere\n"];
  world.ports.trees.put(world.ports.store.realPathOf(path), tree);
  await world.ports.store.registerValidPaths([pathInfoOf(path, archiveOf(tree))]);
}

describe("what a hook is asked", () => {
  test("is byte for byte what Nix says: settings, the question, and after `accept` two sets (A13)", async () => {
    const world = new HookWorld(
      new Map([
        ["system", "x86_64-linux"],
        ["cores", "2"],
      ]),
    );
    const source = world.ports.store.addText("source", "x");
    const drvPath = world.add({
      name: "asked",
      sources: [source],
      outputs: ["out", "dev"],
      env: { requiredSystemFeatures: "kvm big-parallel" },
    });
    const running = world.run([drvPath], { maxJobs: 0 });
    const hook = await world.nextHook();
    const expected = [
      ...[1, "cores", "2", 1, "system", "x86_64-linux", 0],
      ...["try", 0, "x86_64-linux", drvPath, new Set(["kvm", "big-parallel"])],
    ];
    expect(await hook.heard()).toEqual(encodeHookValues(expected));
    hook.say("# accept", "ssh://far");
    expect(await hook.heard()).toEqual(encodeHookValues([new Set([source]), new Set(["dev", "out"])]));
    await settled();
    expect(hook.inputClosed).toBe(true);
    hook.exit(1);
    await running;
  });

  test("is encoded with lengths of 8 bytes, zeros to the next 8, and sets in byte order", () => {
    const hex = Buffer.from(encodeHookValues([1, "try", "12345678", "", new Set(["b", "a"])])).toString(
      "hex",
    );
    expect(hex).toBe(
      [
        "0100000000000000",
        "03000000000000007472790000000000",
        "08000000000000003132333435363738",
        "0000000000000000",
        "0200000000000000",
        "01000000000000006100000000000000",
        "01000000000000006200000000000000",
      ].join(""),
    );
  });

  test("says that a slot is free only while one is", async () => {
    const world = new HookWorld();
    const busy = world.add({ name: "a-busy", env: { preferLocalBuild: "1" } });
    const asks = world.add({ name: "b-asks" });
    const running = world.run([busy, asks]);
    const hook = await world.nextHook();
    const question = (willing: number) =>
      encodeHookValues(["try", willing, "x86_64-linux", asks, new Set<string>()]);
    const build = await world.building(busy);
    expect(await hook.heard()).toEqual(concatBytes([encodeHookValues([0]), question(0)]));
    hook.say("# decline");
    await settled();
    build.succeed();
    expect(await hook.heard()).toEqual(question(1));
    hook.say("# decline");
    (await world.building(asks)).succeed();
    expect(statuses(await running)).toEqual(["built", "built"]);
    expect(world.hooks).toHaveLength(1);
    await world.hook.close();
    expect(hook.closed).toBe(true);
  });

  test.each([
    { name: "one that prefers to be built here and can be", env: { preferLocalBuild: "1" }, asked: false },
    { name: "one that prefers it and cannot be", env: { preferLocalBuild: "1" }, maxJobs: 0, asked: true },
    {
      name: "one that prefers it and needs what is not here",
      env: { preferLocalBuild: "1", requiredSystemFeatures: "gpu" },
      asked: true,
    },
    { name: "one for another system", system: "riscv64-linux", asked: true },
  ])("of $name: $asked", async ({ asked: isAsked, maxJobs = 1, env = {}, system }) => {
    const world = new HookWorld();
    const drvPath = world.add({ name: "asked", env, ...(system === undefined ? {} : { system }) });
    const stop = new AbortController();
    world.ports.sandbox.conduct = (build) => build.succeed();
    const running = world.run([drvPath], { maxJobs, signal: stop.signal });
    await settled();
    expect(world.hooks.length).toBe(isAsked ? 1 : 0);
    stop.abort(new Error("enough"));
    await running;
  });
});

describe("what a hook replies (A12)", () => {
  test("`decline`: it is built here", async () => {
    const { world, drvPath, hook, running } = await asked();
    hook.say("# decline");
    (await world.building(drvPath)).succeed();
    expect(statuses(await running)).toEqual(["built"]);
    expect(world.events.of("build-started")).toMatchObject([{ machine: "" }]);
  });

  test("`decline` of what cannot be built here fails with every reason (A17)", async () => {
    const { drvPath, hook, running } = await asked({ maxJobs: 0 });
    hook.say("# decline");
    const [result] = (await running).results;
    expect(failureOf(result).status).toBe("inputRejected");
    expect(failureOf(result).errorMessage).toBe(
      [
        `Cannot build '${drvPath}'.`,
        "Reason: local builds are disabled (max-jobs = 0)",
        "Hint: set 'max-jobs' to a non-zero value to enable local builds, or configure remote builders via 'builders'",
      ].join("\n"),
    );
  });

  test("`postpone`, then `accept`: it waits without a lock, says so once, and is built elsewhere", async () => {
    const { world, drvPath, hook, running, out } = await asked();
    for (let round = 0; round < 2; round += 1) {
      hook.say("# postpone");
      await settled();
      expect(world.ports.store.locked.size).toBe(0);
      world.ports.clock.advance(5000);
      await hook.heard();
    }
    hook.say("# accept", "ssh://far");
    await hook.heard();
    await bringBack(world, drvPath);
    hook.exit(0);
    const outcome = await running;
    expect(statuses(outcome)).toEqual(["built"]);
    expect(outputsOf(outcome.results[0])).toEqual({ out });
    expect(world.events.of("waiting-for-machine")).toMatchObject([{ drvPath }]);
    expect(world.events.of("build-started")).toMatchObject([{ drvPath, machine: "ssh://far", layers: [] }]);
    expect(world.events.of("build-finished")).toMatchObject([{ status: "built" }]);
    expect(world.ports.sandbox.builds).toEqual([]);
    expect(world.ports.store.deletedLocks).toEqual(new Set([out]));
    expect([hook.closed, world.ports.store.locked.size]).toEqual([true, 0]);
  });

  test("`decline-permanently`: it is not asked again, and ends", async () => {
    const world = new HookWorld();
    const drvPaths = ["a", "b"].map((name) => world.add({ name })) as [StorePath, StorePath];
    world.ports.sandbox.conduct = (build) => build.succeed();
    const running = world.run(drvPaths);
    const hook = await world.nextHook();
    await hook.heard();
    hook.say("# decline-permanently");
    expect(statuses(await running)).toEqual(["built", "built"]);
    expect([world.hooks.length, hook.closed]).toEqual([1, true]);
  });

  test("something else: the goal fails, and the next question goes to a new one", async () => {
    const world = new HookWorld();
    const [first, second] = ["a", "b"].map((name) => world.add({ name })) as [StorePath, StorePath];
    const running = world.run([first, second], { keepGoing: true });
    const hook = await world.nextHook();
    hook.say("# perhaps");
    (await world.nextHook()).say("# decline");
    (await world.building(second)).succeed();
    const { results } = await running;
    expect(failureOf(results[0])).toMatchObject({
      status: "miscFailure",
      errorCode: "ERR_HOOK_PROTOCOL",
      errorMessage: "bad hook reply 'perhaps'",
    });
    expect(results[1]?.status).toBe("built");
    expect(hook.closed).toBe(true);
  });

  test("lines that are none are passed on, in pieces too, and JSON lines are messages", async () => {
    const { world, drvPath, hook, running } = await asked();
    hook.say("some garbage", '@nix {"action":"msg","level":1,"msg":"beware"}', "@nix ][");
    hook.output.push('@nix {"action":"start","id":18446744073709551615,"level":4,"type":0,"te');
    hook.output.push('xt":"connecting","fields":[]}\n# dec');
    hook.output.push("line\n");
    (await world.building(drvPath)).succeed();
    await running;
    expect(messages(world)).toEqual([
      ["notice", "some garbage"],
      ["warn", "beware"],
      ["notice", "@nix ]["],
    ]);
    expect(world.events.of("activity")).toMatchObject([
      { message: { action: "start", id: 18446744073709551615n, type: 0n, text: "connecting" } },
    ]);
  });
});

describe("a hook that dies (A12)", () => {
  test("before its reply has declined, with what it said last", async () => {
    const { world, drvPath, hook, running } = await asked();
    hook.output.push("cannot find my configuration\n");
    hook.exit(1);
    const build = await world.building(drvPath);
    build.succeed();
    expect(statuses(await running)).toEqual(["built"]);
    expect(messages(world)).toEqual([
      ["notice", "cannot find my configuration"],
      ["error", "build hook died unexpectedly: "],
    ]);
    expect(hook.closed).toBe(true);
  });

  test("before the question has declined; the next question starts another", async () => {
    const world = new HookWorld(new Map(), memoryPorts(), () =>
      Object.assign(new FakeHook(), { isDeaf: true }),
    );
    const drvPaths = ["a", "b"].map((name) => world.add({ name })) as [StorePath, StorePath];
    world.ports.sandbox.conduct = (build) => build.succeed();
    const running = world.run(drvPaths, { maxJobs: 2 });
    for (let count = 0; count < 2; count += 1) (await world.nextHook()).output.push("no room\nleft");
    expect(statuses(await running)).toEqual(["built", "built"]);
    expect(messages(world).map(([, text]) => text)).toContain("build hook died unexpectedly: no room\nleft");
    expect(world.hooks).toHaveLength(2);
  });

  test("before it names its machine fails the goal", async () => {
    const { hook, running } = await asked();
    hook.say("# accept");
    hook.exit(0);
    expect(failureOf((await running).results[0])).toMatchObject({
      errorCode: "ERR_HOOK_PROTOCOL",
      errorMessage: "unexpected EOF reading a line",
    });
  });

  test("after it has accepted fails the build, and what was said is in its log", async () => {
    const { world, drvPath, hook, running } = await asked();
    hook.say("# accept", "far");
    await hook.heard();
    hook.log.push("half a line");
    hook.die(11);
    const failure = failureOf((await running).results[0]);
    expect(failure).toMatchObject({ status: "miscFailure", logTail: ["half a line"] });
    expect(failure.errorMessage).toContain("failed due to signal 11 (Segmentation fault)");
    expect(world.ports.log.textOf(drvPath)).toBe("half a line");
  });

  test("while the sets are sent fails the goal", async () => {
    const { hook, running } = await asked();
    hook.isDeaf = true;
    hook.say("# accept", "far");
    expect(failureOf((await running).results[0])).toMatchObject({ status: "miscFailure" });
    expect(hook.closed).toBe(true);
  });

  test("that cannot be started is said once and asked no more", async () => {
    const world = new HookWorld(new Map(), memoryPorts(), () => {
      throw new Error("no such file");
    });
    world.ports.sandbox.conduct = (build) => build.succeed();
    expect(statuses(await world.run(["a", "b"].map((name) => world.add({ name }))))).toEqual([
      "built",
      "built",
    ]);
    expect(messages(world)).toEqual([["error", "cannot start the build hook: no such file"]]);
  });
});

describe("a hook that builds", () => {
  test.each([
    { code: 100, fixed: false, status: "permanentFailure", exitStatus: 100 },
    { code: 100, fixed: true, status: "transientFailure", exitStatus: 1 },
    { code: 101, fixed: false, status: "timedOut", exitStatus: 101 },
    { code: 1, fixed: false, status: "miscFailure", exitStatus: 1 },
  ] as const)("and ends with $code (fixed output: $fixed) has status $status (A12)", async (row) => {
    const fixed = { method: "flat", hash: hashBytes("sha256", new Uint8Array()) } as const;
    const { world, hook, running } = await asked({}, row.fixed ? { fixed } : {});
    hook.say("# accept", "far");
    await hook.heard();
    hook.exit(row.code);
    const outcome = await running;
    expect([statuses(outcome), outcome.exitStatus]).toEqual([[row.status], row.exitStatus]);
    expect(failureOf(outcome.results[0]).errorMessage).toContain(`failed with exit code ${row.code}`);
    expect(world.ports.store.locked.size).toBe(0);
  });

  test("and brings nothing back fails the goal", async () => {
    const { hook, running } = await asked();
    hook.say("# accept", "far");
    await hook.heard();
    hook.exit(0);
    expect(failureOf((await running).results[0])).toMatchObject({
      status: "miscFailure",
      errorCode: "ERR_HOOK_OUTPUTS",
      errorMessage: "some outputs are unexpectedly invalid",
    });
  });

  test("takes no slot: another is built here meanwhile", async () => {
    const world = new HookWorld();
    const [far, here] = ["a-far", "b-here"].map((name) => world.add({ name })) as [StorePath, StorePath];
    const running = world.run([far, here]);
    const hook = await world.nextHook();
    hook.say("# accept", "far");
    (await world.nextHook()).say("# decline");
    (await world.building(here)).succeed();
    await bringBack(world, far);
    hook.exit(0);
    expect(statuses(await running)).toEqual(["built", "built"]);
    expect(world.events.of("progress").at(-1)?.builds).toEqual({
      done: 2,
      expected: 2,
      running: 0,
      failed: 0,
    });
  });

  test("and writes more than 4096 bytes right before its end has all of it in its log (A14)", async () => {
    const { world, drvPath, hook, running } = await asked();
    hook.say("# accept", "far");
    await hook.heard();
    const text = Array.from({ length: 2000 }, (_, index) => `line ${index}\n`).join("");
    hook.log.push(text);
    await bringBack(world, drvPath);
    hook.exit(0);
    expect(statuses(await running)).toEqual(["built"]);
    expect(world.ports.log.textOf(drvPath)).toBe(text);
    expect(world.events.of("build-line")).toHaveLength(2000);
  });

  test("tells lines and phases of the builder as messages: they are in the log; downloads are not", async () => {
    const { world, drvPath, hook, running } = await asked();
    hook.say(
      "# accept",
      "far",
      '@nix {"action":"start","id":1,"level":3,"type":101,"text":"download","fields":["u"]}',
      '@nix {"action":"result","id":2,"type":101,"fields":["compiling"]}',
      '@nix {"action":"result","id":2,"type":104,"fields":["installPhase"]}',
      '@nix {"action":"setPhase","phase":"fixupPhase"}',
      "not for anybody",
      '@nix {"action":"stop","id":1}',
    );
    hook.output.push("unfinished");
    await hook.heard();
    await bringBack(world, drvPath);
    hook.exit(0);
    await running;
    const phase = (name: string) => `@nix {"action":"setPhase","phase":"${name}"}\n`;
    expect(world.ports.log.textOf(drvPath)).toBe(`compiling\n${phase("installPhase")}${phase("fixupPhase")}`);
    expect(world.events.of("build-line").map(({ line }) => line)).toEqual(["compiling"]);
    expect(world.events.of("build-phase").map(({ phase }) => phase)).toEqual(["installPhase", "fixupPhase"]);
    expect(world.events.of("activity").map(({ message }) => message.action)).toEqual(["start", "stop"]);
  });

  test("is exempt from the limits of time, not from that of the log (A6)", async () => {
    const { world, hook, running } = await asked({
      timeoutSeconds: 1,
      maxSilentTimeSeconds: 1,
      maxBuildLogSizeBytes: 10,
    });
    hook.say("# accept", "far");
    await hook.heard();
    world.ports.clock.advance(100_000);
    await settled();
    expect(hook.signals).toEqual([]);
    hook.log.push("eleven byte");
    expect(statuses(await running)).toEqual(["logLimitExceeded"]);
    expect(hook.signals[0]).toBe("SIGTERM");
  });

  test.each([
    { name: "that obeys is ended by SIGTERM", obeysTerm: true, signals: ["SIGTERM"] },
    {
      name: "that does not is ended by SIGKILL 500 ms later",
      obeysTerm: false,
      signals: ["SIGTERM", "SIGKILL"],
    },
  ])("$name when nobody waits any more", async ({ obeysTerm, signals }) => {
    const stop = new AbortController();
    const { world, hook, running } = await asked({ signal: stop.signal });
    hook.obeysTerm = obeysTerm;
    hook.say("# accept", "far");
    await hook.heard();
    stop.abort(new Error("enough"));
    await settled();
    world.ports.clock.advance(499);
    await settled();
    expect(hook.signals).toEqual(["SIGTERM"]);
    world.ports.clock.advance(1);
    expect(statuses(await running)).toEqual(["miscFailure"]);
    expect(hook.signals).toEqual(signals);
    expect([hook.closed, world.ports.store.locked.size]).toEqual([true, 0]);
  });

  test("is killed with its question when nobody waits for the reply", async () => {
    const stop = new AbortController();
    const { world, hook, running } = await asked({ signal: stop.signal });
    stop.abort(new Error("enough"));
    await running;
    expect([hook.signals, hook.closed]).toEqual([["SIGKILL"], true]);
    expect(world.ports.store.locked.size).toBe(0);
  });

  test("is let go when what it accepted cannot begin", async () => {
    const { world, source, hook, running } = await asked();
    world.ports.store.queryClosure = async () => {
      throw new Error(`${source} has gone`);
    };
    hook.say("# accept", "far");
    expect(failureOf((await running).results[0]).errorMessage).toContain("has gone");
    expect([hook.closed, world.ports.store.locked.size]).toEqual([true, 0]);
  });

  test("is let go when nobody waits any more at the moment it accepts", async () => {
    const stop = new AbortController();
    const world = new HookWorld();
    const { ask } = world.hook;
    world.hook.ask = async (question, options) => {
      const reply = await ask.call(world.hook, question, options);
      stop.abort(new Error("enough"));
      return reply;
    };
    const running = world.run([world.add({ name: "late" })], { signal: stop.signal });
    const hook = await world.nextHook();
    hook.say("# accept", "far");
    expect(statuses(await running)).toEqual(["miscFailure"]);
    expect([hook.closed, world.ports.store.locked.size]).toEqual([true, 0]);
  });

  test("check and repair never ask it", async () => {
    const world = new HookWorld();
    const drvPath = world.add({ name: "checked" });
    await bringBack(world, drvPath);
    world.ports.sandbox.conduct = (build) => build.exit(1);
    await world.run([drvPath], { mode: "check" });
    expect([world.hooks.length, world.ports.sandbox.builds.length]).toEqual([0, 1]);
  });
});
