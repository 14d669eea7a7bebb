import type { StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { assembleFailure } from "../src/build-paths.js";
import {
  type BuildResult,
  buildPaths,
  defaultWorkerSettings,
  type FailureStatus,
  type GoalRequest,
} from "../src/index.js";
import { statuses, World } from "./support/world.js";

const drv = (name: string) => `/nix/store/${name.padEnd(32, "0")}-${name}.drv` as StorePath;
const path = (name: string) => `/nix/store/${name.padEnd(32, "0")}-${name}` as StorePath;
const times = { timesBuilt: 0, startTimeSeconds: 0, stopTimeSeconds: 0 };

/** A request for each word: `+a` succeeds, `-a` fails, `~a` was cancelled; `-/a` is a path. */
function ended(words: string): { requests: GoalRequest[]; results: BuildResult[] } {
  const requests: GoalRequest[] = [];
  const results: BuildResult[] = [];
  for (const word of words.split(" ")) {
    const isPath = word[1] === "/";
    const name = word.slice(isPath ? 2 : 1);
    const of = isPath ? path(name) : drv(name);
    requests.push(isPath ? { path: of } : { drvPath: of, outputs: "all" });
    const failed = (status: FailureStatus, errorMessage: string, more: object) =>
      results.push({ ...times, drvPath: of, status, errorMessage, ...more });
    if (word[0] === "+") results.push({ ...times, drvPath: of, status: "built", outputs: new Map() });
    if (word[0] === "-") failed("permanentFailure", `${name} is broken`, { errorCode: "ERR_BUILD_FAILED" });
    if (word[0] === "~")
      failed("miscFailure", "cancelled", { errorCode: "ERR_BUILD_CANCELLED", hint: "--keep-going" });
  }
  return { requests, results };
}

describe("failures as one error", () => {
  test.each<{ goals: string; message: string | undefined; before: readonly string[]; why: string }>([
    { goals: "+a +b", message: undefined, before: [], why: "nothing failed" },
    { goals: "-a", message: "a is broken", before: [], why: "the one failure is thrown as itself" },
    { goals: "+a -b +/c", message: "b is broken", before: [], why: "also beside others that succeeded" },
    { goals: "-a ~b ~c", message: "a is broken", before: [], why: "what was cancelled is no failure" },
    {
      goals: "-b -a",
      message: `build of '${drv("a")}', '${drv("b")}' failed`,
      before: ["a is broken", "b is broken"],
      why: "several are named in the order of their names; the first error is said last",
    },
    {
      goals: "-/a",
      message: `build of '${path("a")}' failed`,
      before: [],
      why: "a path has no error of its own",
    },
    {
      goals: "-/b -a",
      message: `build of '${drv("a")}', '${path("b")}' failed`,
      before: ["a is broken"],
      why: "a path and a derivation",
    },
    { goals: "-a -a", message: "a is broken", before: [], why: "one asked for twice failed once" },
  ])("$goals: $why", ({ goals, message, before }) => {
    const { requests, results } = ended(goals);
    const assembled = assembleFailure(requests, results);
    expect([assembled?.message, assembled?.alsoSaid ?? []]).toEqual([message, before]);
  });
});

describe("buildPaths", () => {
  const run = (world: World, drvPaths: readonly StorePath[], keepGoing = false, signal?: AbortSignal) =>
    buildPaths(
      drvPaths.map((drvPath) => ({ drvPath, outputs: "all" })),
      {
        ports: world.ports,
        settings: { ...defaultWorkerSettings, keepGoing, maxJobs: 2 },
        emit: world.events.emit,
        ...(signal === undefined ? {} : { signal }),
      },
    );

  test("gives the results of what succeeded", async () => {
    const world = new World();
    world.ports.sandbox.conduct = (build) => build.succeed();
    const results = await run(world, [world.add({ name: "a" }), world.add({ name: "b" })]);
    expect(statuses({ results, exitStatus: 0 })).toEqual(["built", "built"]);
  });

  test("throws the one failure with the exit status of the run", async () => {
    const world = new World();
    world.ports.sandbox.conduct = (build) => build.exit(3);
    const drvPath = world.add({ name: "a" });
    await expect(run(world, [drvPath])).rejects.toMatchObject({
      name: "BuildPathsError",
      message: expect.stringContaining(`builder for '${drvPath}' failed with exit code 3`),
      exitStatus: 100,
      results: [{ status: "permanentFailure" }],
    });
  });

  test("throws one error for several, and tells each", async () => {
    const world = new World();
    world.ports.sandbox.conduct = (build) => build.exit(3);
    const [a, b] = [world.add({ name: "a" }), world.add({ name: "b" })];
    await expect(run(world, [a, b], true)).rejects.toMatchObject({
      code: "ERR_BUILD_FAILED",
      exitStatus: 100,
    });
    const said = world.events.of("message").map(({ text }) => text);
    expect(said.filter((text) => text.includes("failed with exit code 3"))).toHaveLength(2);
  });

  test("throws that it was interrupted", async () => {
    const world = new World();
    const controller = new AbortController();
    world.ports.sandbox.conduct = () => controller.abort();
    await expect(run(world, [world.add({ name: "a" })], false, controller.signal)).rejects.toMatchObject({
      code: "ERR_BUILD_CANCELLED",
      message: "interrupted by the user",
      exitStatus: 1,
    });
  });
});
