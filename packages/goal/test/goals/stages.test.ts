import { describe, expect, test } from "vitest";
import { build } from "../../src/goals/derivation/build.js";
import { load } from "../../src/goals/derivation/load.js";
import { needInputs, realiseInputs } from "../../src/goals/derivation/realise-inputs.js";
import { type Stage, transitions } from "../../src/goals/derivation/stages.js";
import { type BuildResult, defaultWorkerSettings } from "../../src/index.js";
import type { Recipe } from "../../src/testing/index.js";
import { BuildHook } from "../../src/worker/build-hook.js";
import { Contents } from "../../src/worker/contents.js";
import type { EventBody, GoalContext } from "../../src/worker/context.js";
import { Counters } from "../../src/worker/counters.js";
import { derivationStoreOf } from "../../src/worker/derivation-store.js";
import { makeDerivationGoalKey } from "../../src/worker/goal-key.js";
import { Substituters } from "../../src/worker/substituters.js";
import { WantedOutputs } from "../../src/worker/wanted.js";
import { names, outputsOf, World } from "../support/world.js";

/** A context without a worker: turns and slots are always there, inputs end as `results` says. */
function contextOf(
  recipe: Omit<Recipe, "name">,
  how: Partial<GoalContext> & { results?: readonly BuildResult[] } = {},
) {
  const world = new World();
  const drvPath = world.add({ name: "staged", ...recipe });
  const events: EventBody[] = [];
  const cx: GoalContext = {
    key: makeDerivationGoalKey(drvPath),
    name: "the goal",
    drvPath,
    mode: "normal",
    isInMemory: false,
    wanted: new WantedOutputs("all"),
    ports: world.ports,
    derivationStore: derivationStoreOf(how.ports ?? world.ports),
    settings: defaultWorkerSettings,
    signal: new AbortController().signal,
    throwIfAborted: () => undefined,
    counters: new Counters(() => undefined),
    turn: async () => undefined,
    leaveTurn: () => undefined,
    derivation: () => world.ports.store.readDerivation(drvPath),
    contents: new Contents(how.ports ?? world.ports, () => undefined),
    buildHook: new BuildHook(how.ports?.buildHook),
    away: (work) => work,
    substituters: new Substituters(
      { ports: how.ports ?? world.ports, settings: how.settings ?? defaultWorkerSettings },
      () => undefined,
    ),
    waitFor: async () => ({ derivations: how.results ?? [], paths: [], realisations: [] }),
    close: () => undefined,
    whenEnded: () => undefined,
    slot: async () => ({ [Symbol.dispose]: () => undefined }),
    isSlotFree: true,
    trySlot: () => ({ [Symbol.dispose]: () => undefined }),
    sleep: async () => undefined,
    afterwards: () => undefined,
    emit: (event) => events.push(event),
    ...how,
  };
  return { world, drvPath, cx, events };
}

const reached = ({ at, because }: Stage) => `${at} because ${because}`;

describe("load", () => {
  const enter = (cx: GoalContext) =>
    load({ at: "load", because: "created", tried: "not-yet" }, cx).then(reached);

  test("goes on when an output is missing", async () => {
    expect(await enter(contextOf({}).cx)).toBe("realiseInputs because needs-build");
  });

  test("is done when every wanted output is valid, the others do not matter", async () => {
    const { world, drvPath, cx } = contextOf(
      { outputs: ["out", "dev"] },
      { wanted: new WantedOutputs(names("dev")) },
    );
    await world.realise([drvPath]);
    world.ports.store.forget(world.out(drvPath));
    const stage = await load({ at: "load", because: "created", tried: "not-yet" }, cx);
    expect(reached(stage)).toBe("done because already-valid");
    if (stage.at === "done") expect(outputsOf(stage.result)).toEqual({ dev: world.out(drvPath, "dev") });
  });

  test("goes on to check what is valid", async () => {
    const { world, drvPath, cx } = contextOf({}, { mode: "check" });
    await world.realise([drvPath]);
    expect(await enter(cx)).toBe("realiseInputs because needs-check");
  });

  test("is done when there is nothing to check", async () => {
    expect(await enter(contextOf({}, { mode: "check" }).cx)).toBe("done because check-impossible");
  });

  test("is done when the derivation is not valid", async () => {
    const { world, drvPath, cx } = contextOf({});
    world.ports.store.forget(drvPath);
    expect(await enter(cx)).toBe("done because missing-derivation");
  });

  test.each(["floating", "deferred", "impure"] as const)("throws for %s outputs", async (kind) => {
    await expect(enter(contextOf({ kind }).cx)).rejects.toMatchObject({ code: "ERR_GOAL_FEATURE" });
  });

  test("throws for broken structured attributes, before anything is built", async () => {
    await expect(enter(contextOf({ env: { __json: "[" } }).cx)).rejects.toThrow(
      /^cannot process __json attribute of '[^/']*-staged\.drv': /u,
    );
  });
});

describe("realiseInputs", () => {
  const enter = async (cx: GoalContext) => {
    const stage = { at: "realiseInputs", because: "needs-build", tried: "once" } as const;
    const needed = await needInputs(stage, cx);
    if (!("waitees" in needed)) return needed;
    return realiseInputs(stage, { ...needed, results: await cx.waitFor(needed.waitees) }, cx);
  };
  const common = { timesBuilt: 0, startTimeSeconds: 0, stopTimeSeconds: 0 };

  test("goes on with sources and the outputs asked for, not with those that others wanted", async () => {
    const world = new World();
    const source = world.ports.store.addText("source", "x");
    const input = world.add({ name: "input", outputs: ["out", "dev"] });
    const drvPath = world.add({ name: "staged", sources: [source], inputs: [[input, "dev"]] });
    const { dev, out } = world.outputs(input) as Record<string, never>;
    const asked: unknown[] = [];
    const { cx } = contextOf(
      {},
      {
        drvPath,
        ports: world.ports,
        derivation: () => world.ports.store.readDerivation(drvPath),
        waitFor: async ({ derivations = [] }) => {
          asked.push(...derivations);
          const results: BuildResult[] = [
            {
              ...common,
              drvPath: input,
              status: "built",
              outputs: new Map([
                ["out", out],
                ["dev", dev],
              ] as never),
            },
          ];
          return { derivations: results, paths: [], realisations: [] };
        },
      },
    );
    expect(await enter(cx)).toEqual({ at: "build", because: "inputs-ready", inputs: [source, dev] });
    expect(asked).toEqual([{ drvPath: input, outputs: names("dev") }]);
  });

  test("is done when a source is missing, without waiting for anything", async () => {
    const { world, cx } = contextOf(
      {},
      {
        waitFor: async () => {
          throw new Error("nothing is to be realised");
        },
      },
    );
    const source = world.ports.store.addText("source", "x");
    const drvPath = world.add({ name: "needy", sources: [source] });
    world.ports.store.forget(source);
    const stage = await enter({
      ...cx,
      drvPath,
      derivation: () => world.ports.store.readDerivation(drvPath),
    });
    expect(reached(stage)).toBe("done because missing-source");
  });

  test("is done when an input failed, and counts only failures", async () => {
    const world = new World();
    const inputs = ["a", "b"].map((name) => world.add({ name })) as [never, never];
    const drvPath = world.add({ name: "staged", inputs });
    const failed: BuildResult = {
      ...common,
      drvPath: inputs[0],
      status: "permanentFailure",
      errorMessage: "x",
    };
    const { cx } = contextOf(
      {},
      {
        drvPath,
        ports: world.ports,
        derivation: () => world.ports.store.readDerivation(drvPath),
        waitFor: async () => ({ derivations: [failed, undefined], paths: [], realisations: [] }),
      },
    );
    const stage = await enter(cx);
    expect(reached(stage)).toBe("done because dependency-failed");
    expect(stage).toMatchObject({
      result: { errorMessage: `1 dependencies of derivation '${drvPath}' failed to build` },
    });
  });
});

describe("build", () => {
  const enter = (cx: GoalContext) =>
    build({ at: "build", because: "inputs-ready", inputs: [] }, cx).then(reached);

  test("is done with registered outputs", async () => {
    const { world, drvPath, cx } = contextOf({});
    world.ports.sandbox.conduct = (builder) => builder.succeed();
    expect(await enter(cx)).toBe("done because built");
    expect(await world.isValid(world.out(drvPath))).toBe(true);
  });

  test("is done when another process was first, without a builder", async () => {
    const { world, drvPath, cx } = contextOf({});
    await world.realise([drvPath]);
    expect(await enter(cx)).toBe("done because built-by-another");
    expect(world.ports.sandbox.builds).toHaveLength(1);
  });

  test("is done when the derivation cannot be built here, without a lock", async () => {
    const { world, cx } = contextOf({ system: "other" });
    world.ports.store.tryLockOutputs = async () => {
      throw new Error("no lock is to be taken");
    };
    expect(await enter(cx)).toBe("done because rejected");
  });

  test("is done when the builder fails", async () => {
    const { world, cx } = contextOf({});
    world.ports.sandbox.conduct = (builder) => builder.exit(1);
    expect(await enter(cx)).toBe("done because failed");
  });

  test("gives slot and lock back when looking for the lock fails", async () => {
    let held = 0;
    const { world, cx } = contextOf(
      {},
      {
        slot: async () => {
          held += 1;
          return { [Symbol.dispose]: () => void (held -= 1) };
        },
      },
    );
    world.ports.store.tryLockOutputs = async () => {
      throw new Error("no lock directory");
    };
    await expect(enter(cx)).rejects.toThrow("no lock directory");
    expect(held).toBe(0);
  });

  test("reports what it could not tidy up, and stays built", async () => {
    const { world, cx, events } = contextOf({});
    world.ports.log.open = async () => ({
      write: async () => undefined,
      close: async () => {
        throw new Error("no space for the log");
      },
    });
    world.ports.sandbox.conduct = (builder) => builder.succeed();
    expect(await enter(cx)).toBe("done because built");
    expect(events.filter(({ type }) => type === "message")).toMatchObject([
      { level: "warn", text: expect.stringContaining("no space for the log") },
    ]);
  });
});

test("every transition of the engine is in the table", async () => {
  const world = new World();
  const bad = world.add({ name: "bad" });
  const top = world.add({ name: "top", inputs: [bad, world.add({ name: "good" })] });
  const running = world.run([top], { keepGoing: true });
  (await world.building(bad)).exit(1);
  (await world.ports.sandbox.nextBuild()).succeed();
  await running;
  for (const { from, to } of world.events.of("goal-stage"))
    expect((transitions as Readonly<Record<string, readonly string[]>>)[from]).toContain(to);
});
