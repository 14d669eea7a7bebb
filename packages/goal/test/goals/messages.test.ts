import { parseHash } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import type { FakeBuild, Recipe } from "../../src/testing/index.js";
import { failureOf, names, type RunHow, World } from "../support/world.js";

const fixed = {
  method: "flat",
  hash: parseHash("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
} as const; // of the text "abc"

async function fail(recipe: Omit<Recipe, "name">, conduct: (build: FakeBuild) => void, how: RunHow = {}) {
  const world = new World();
  const drvPath = world.add({ name: "broken", ...recipe });
  const running = world.run([drvPath], how);
  conduct(await world.building(drvPath));
  const { results, exitStatus } = await running;
  return { world, drvPath, exitStatus, failure: failureOf(results[0]) };
}

describe("a builder that fails", () => {
  test("is told with the tail of its log and where the rest is", async () => {
    const { drvPath, failure, exitStatus, world } = await fail(
      {},
      (build) => {
        build.write("one\ntwo\nthree\nfour");
        build.exit(2);
      },
      { logLines: 3 },
    );
    expect(failure).toMatchObject({
      status: "permanentFailure",
      errorMessage: `builder for '${drvPath}' failed with exit code 2;
last 3 log lines:
> two
> three
> four
For full logs, run 'drv log ${drvPath}'.`,
      logTail: ["two", "three", "four"],
      timesBuilt: 1,
      startTimeSeconds: 1_700_000_000,
    });
    expect(exitStatus).toBe(100);
    expect(await world.isValid(world.out(drvPath))).toBe(false);
    expect(world.ports.log.textOf(drvPath)).toBe("one\ntwo\nthree\nfour");
  });

  test("without a word is told in one line", async () => {
    const { drvPath, failure } = await fail({}, (build) => build.exit(1));
    expect(failure.errorMessage).toBe(`builder for '${drvPath}' failed with exit code 1`);
  });

  test("by a signal is told with its name", async () => {
    const { drvPath, failure, exitStatus } = await fail({}, (build) => build.kill());
    expect(failure.errorMessage).toBe(`builder for '${drvPath}' failed due to signal 9 (Killed)`);
    expect(exitStatus).toBe(100);
  });

  test("with closed output that runs on is killed (A4)", async () => {
    const { failure, exitStatus, world, drvPath } = await fail({}, (build) => build.closeOutput());
    expect(world.ports.sandbox.builds[0]?.killed).toBe(true);
    expect(failure.errorMessage).toBe(`builder for '${drvPath}' failed due to signal 9 (Killed)`);
    expect([failure.status, exitStatus]).toEqual(["permanentFailure", 100]);
  });

  test("B31: on a full disk has a note, and may work another time", async () => {
    const { failure, exitStatus } = await fail({}, (build) => build.exit(1), {});
    expect(failure.errorMessage).not.toContain("free disk space");
    const world = new World();
    world.ports.trees.free = 8 * 1024 * 1024 - 1;
    const drvPath = world.add({ name: "broken" });
    const running = world.run([drvPath]);
    (await world.building(drvPath)).exit(1);
    const full = await running;
    expect(failureOf(full.results[0])).toMatchObject({
      status: "transientFailure",
      errorMessage: `builder for '${drvPath}' failed with exit code 1
note: build failure may have been caused by lack of free disk space`,
    });
    expect([exitStatus, full.exitStatus]).toEqual([100, 1]);
  });

  test("A5: of a fixed output may work another time", async () => {
    const { failure, exitStatus } = await fail({ fixed }, (build) => build.exit(1));
    expect([failure.status, exitStatus]).toEqual(["transientFailure", 1]);
  });

  test("keeps its build directory with keep-failed, and says where", async () => {
    const { world } = await fail({}, (build) => build.exit(1), { keepFailed: true });
    expect(world.ports.sandbox.builds[0]?.closed).toEqual({ keepBuildDir: true });
    expect(world.events.of("kept-build-dir")).toMatchObject([{ path: "/fake-builds/0" }]);
  });
});

describe("limits", () => {
  test("`timeout` ends a builder that goes on talking (A6)", async () => {
    const world = new World();
    const drvPath = world.add({ name: "slow" });
    const running = world.run([drvPath], { timeoutSeconds: 10, maxSilentTimeSeconds: 8 });
    const build = await world.building(drvPath);
    for (const _ of [1, 2]) {
      build.write("still here\n");
      await world.events.next("build-line");
      await new Promise((resolve) => setImmediate(resolve));
      world.ports.clock.advance(5000);
    }
    const { results, exitStatus } = await running;
    expect(failureOf(results[0])).toMatchObject({
      status: "timedOut",
      errorMessage: `building of '${drvPath}!*' from .drv file timed out after 10 seconds`,
      logTail: ["still here", "still here"],
    });
    expect(exitStatus).toBe(101);
    expect(build.killed).toBe(true);
  });

  test("`max-silent-time` ends a builder that says nothing, counted from its last word (A6)", async () => {
    const world = new World();
    const drvPath = world.add({ name: "silent" });
    const running = world.run([drvPath], { maxSilentTimeSeconds: 8 });
    const build = await world.building(drvPath);
    await world.events.next("build-started");
    world.ports.clock.advance(5000);
    build.write("word\n");
    await world.events.next("build-line");
    world.ports.clock.advance(5000);
    expect(build.ended).toBe(false);
    world.ports.clock.advance(3000);
    const { results, exitStatus } = await running;
    expect(failureOf(results[0]).errorMessage).toBe(
      `building of '${drvPath}!*' from .drv file timed out after 8 seconds of silence`,
    );
    expect(exitStatus).toBe(101);
    expect(world.ports.clock.waiting).toBe(0);
  });

  test("a builder that ends in time leaves no timer", async () => {
    const world = new World();
    await world.realise([world.add({ name: "quick" })], { timeoutSeconds: 10 });
    expect(world.ports.clock.waiting).toBe(0);
  });

  test("too much log kills, and the next goal has the slot (A7)", async () => {
    const world = new World();
    const [loud, next] = ["loud", "next"].map((name) => world.add({ name })) as [never, never];
    const running = world.run([loud, next], { maxBuildLogSizeBytes: 10, keepGoing: true });
    const build = await world.building(loud);
    build.write("0123456789");
    build.write("x");
    (await world.building(next)).succeed();
    const { results, exitStatus } = await running;
    expect(failureOf(results[0])).toMatchObject({
      status: "logLimitExceeded",
      errorMessage: `building of '${loud}!*' from .drv file killed after writing more than 10 bytes of log output`,
    });
    expect([results[1]?.status, exitStatus, build.killed]).toEqual(["built", 1, true]);
    expect(world.ports.log.textOf(loud)).toBe("0123456789");
  });
});

describe("what a builder prints", () => {
  test.each([
    "@nix 1",
    "@nix {}",
    '@nix {"action":null}',
    "@nix ][",
    '@nix {"action":"setPhase","phase":1}',
    "@nix ",
    '@nix {"action":"start","id":1,"fields":[-1]}',
    '@nix {"action":"start","id":1,"level":3,"type":101,"text":"","fields":[true]}',
    '@nix {"action":"result","id":18446744073709551615,"fields":[true]}',
    '@nix {"action":"stop"}',
  ])("%s is text with a warning, and the build goes on (A8)", async (line) => {
    const world = new World();
    const drvPath = world.add({ name: "odd" });
    const running = world.run([drvPath]);
    const build = await world.building(drvPath);
    build.write(`${line}\n`);
    build.succeed();
    expect((await running).exitStatus).toBe(0);
    expect(world.events.of("build-line").map((event) => event.line)).toEqual([line]);
    expect(world.events.of("message")).toMatchObject([{ level: "warn" }]);
  });

  test("downloads are activities, and nothing else is: not what was not begun, nor what ended (A9)", async () => {
    const world = new World();
    const drvPath = world.add({ name: "downloads" });
    const running = world.run([drvPath]);
    const build = await world.building(drvPath);
    const id = 18_446_744_073_709_551_615n;
    const say = (action: string, more = "") => build.write(`@nix {"action":"${action}","id":${id}${more}}\n`);
    say("result", ',"type":105,"fields":[1,2]');
    say("start", ',"level":3,"type":105,"text":"a build of its own"');
    say("stop");
    say("start", ',"level":3,"type":101,"text":"","fields":["http://x"]');
    say("result", ',"type":105,"fields":[9007199254740993,2]');
    say("stop");
    say("stop");
    build.write('@nix {"action":"msg","level":1,"msg":"beware"}\n@nix {"action":"sing"}\nlast\n');
    build.succeed();
    await running;
    expect(world.events.of("activity").map(({ message }) => message)).toMatchObject([
      { action: "start", id, type: 101n, fields: ["http://x"] },
      { action: "result", id, fields: [9_007_199_254_740_993n, 2n] },
      { action: "stop", id },
    ]);
    expect(world.events.of("message")).toMatchObject([{ level: "warn", text: "beware" }]);
    expect(world.events.of("build-line").map((event) => event.line)).toEqual(["last"]);
  });

  test("a phase is an event", async () => {
    const world = new World();
    const drvPath = world.add({ name: "phased" });
    const running = world.run([drvPath]);
    const build = await world.building(drvPath);
    build.write('@nix {"action":"setPhase","phase":"buildPhase"}\n');
    build.succeed();
    await running;
    expect(world.events.of("build-phase")).toMatchObject([{ phase: "buildPhase" }]);
    expect(world.ports.log.textOf(drvPath)).toContain("setPhase");
  });
});

describe("a derivation that cannot be built here", () => {
  test.each([
    {
      name: "max-jobs 0",
      recipe: {},
      how: { maxJobs: 0 },
      lines: [
        "Reason: local builds are disabled (max-jobs = 0)",
        "Hint: set 'max-jobs' to a non-zero value to enable local builds, or configure remote builders via 'builders'",
      ],
    },
    {
      name: "another system",
      recipe: { system: "riscv64-linux" },
      how: {},
      lines: [
        "Reason: platform mismatch",
        "Required system: 'riscv64-linux'",
        "Current system: 'x86_64-linux'",
      ],
    },
    {
      name: "missing features",
      recipe: { env: { requiredSystemFeatures: "kvm big-parallel" } },
      how: { systemFeatures: new Set(["big-parallel", "benchmark"]) },
      lines: [
        "Reason: missing system features",
        "Required features: {big-parallel, kvm}",
        "Available features: {benchmark, big-parallel}",
      ],
    },
  ])("says why: $name", async ({ recipe, how, lines }) => {
    const world = new World();
    const drvPath = world.add({ name: "foreign", ...recipe });
    const { results, exitStatus } = await world.run([drvPath], how);
    expect(failureOf(results[0])).toMatchObject({
      status: "inputRejected",
      errorCode: "ERR_BUILD_REJECTED",
      errorMessage: [`Cannot build '${drvPath}'.`, ...lines].join("\n"),
    });
    expect(exitStatus).toBe(100);
  });

  test("is built when its system is one of `extra-platforms`", async () => {
    const world = new World();
    const drvPath = world.add({ name: "old", system: "i686-linux" });
    expect((await world.realise([drvPath], { extraPlatforms: ["i686-linux"] })).exitStatus).toBe(0);
  });

  test("refuses `__noChroot`, which is no build failure", async () => {
    const world = new World();
    const drvPath = world.add({ name: "open", env: { __noChroot: "1" } });
    const { results, exitStatus } = await world.run([drvPath]);
    expect([failureOf(results[0]).errorMessage, exitStatus]).toEqual([
      `derivation '${drvPath}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'`,
      1,
    ]);
  });

  test("refuses a builtin builder by name", async () => {
    const world = new World();
    const drvPath = world.add({ name: "fetch", builder: "builtin:fetchurl", system: "builtin" });
    const { results } = await world.run([drvPath]);
    expect(failureOf(results[0]).errorMessage).toBe("unsupported builtin builder 'fetchurl'");
  });

  test.each(["floating", "impure", "deferred"] as const)("%s: needs the feature", async (kind) => {
    const world = new World();
    const drvPath = world.add({ name: "later", kind });
    const { results, exitStatus } = await world.run([drvPath]);
    expect([failureOf(results[0]).errorMessage, exitStatus]).toEqual([
      "experimental Nix feature 'ca-derivations' is disabled; use '--extra-experimental-features ca-derivations' to override",
      1,
    ]);
  });

  test("impure: needs a feature of its own", async () => {
    const world = new World();
    const drvPath = world.add({ name: "later", kind: "impure" });
    const { results } = await world.run([drvPath], { experimentalFeatures: new Set(["ca-derivations"]) });
    expect(failureOf(results[0]).errorMessage).toBe(
      "experimental Nix feature 'impure-derivations' is disabled; use '--extra-experimental-features impure-derivations' to override",
    );
  });

  test("refuses a derivation without output paths that has no inputs either", async () => {
    const world = new World();
    const drvPath = world.add({ name: "vague", kind: "deferred" });
    const { results } = await world.run([drvPath], { experimentalFeatures: new Set(["ca-derivations"]) });
    expect(failureOf(results[0])).toMatchObject({ status: "miscFailure", errorCode: "ERR_GOAL_ATTRIBUTE" });
  });
});

describe("inputs that are missing", () => {
  test("a derivation", async () => {
    const world = new World();
    const drvPath = world.add({ name: "gone" });
    world.ports.store.forget(drvPath);
    const { results, exitStatus } = await world.run([drvPath]);
    expect([failureOf(results[0]).errorMessage, exitStatus]).toEqual([
      `cannot build missing derivation '${drvPath}'`,
      1,
    ]);
  });

  test("a source", async () => {
    const world = new World();
    const source = world.ports.store.addText("source", "text");
    const drvPath = world.add({ name: "needy", sources: [source] });
    world.ports.store.forget(source);
    const { results, exitStatus } = await world.run([drvPath]);
    expect([failureOf(results[0]).errorMessage, exitStatus]).toEqual([
      `dependency '${source}' of '${drvPath}' does not exist, and substitution is disabled`,
      1,
    ]);
  });

  test("an output that the input derivation does not have", async () => {
    const world = new World();
    const input = world.add({ name: "input" });
    const drv = world.ports.store.readDerivationSync(world.add({ name: "needy", inputs: [input] }));
    const drvPath = world.ports.store.addDerivationSync({
      ...drv,
      inputDrvs: new Map([[input, names("lib")]]),
    });
    const { results } = await world.run([drvPath]);
    expect(results[0]?.status).toBe("dependencyFailed");
    expect(world.events.of("goal-done")[0]?.result).toMatchObject({
      errorMessage: `derivation '${input}' does not have wanted outputs 'lib'`,
    });
  });
});
