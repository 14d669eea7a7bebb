import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { StorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { comparable, processOf, readStream, unbalanced } from "../../scripts/logger-streams.mjs";
import {
  ActivityIds,
  type Event,
  InternalJson,
  type LogMessage,
  printLogMessage,
  printLogMessageJson,
} from "../../src/index.js";
import { FakeSubstituter, memoryPorts } from "../../src/testing/index.js";
import { World } from "../support/world.js";

const processId = 4242;
/** As it is read again from the lines. */
const rawOf = (messages: readonly LogMessage[]) => readStream(messages.map(printLogMessage).join("\n"));
const follow = (events: readonly Event[], logger = new InternalJson(new ActivityIds(processId))) =>
  events.flatMap((event) => logger.messages(event));

describe("a run, as Nix 2.8 tells it", () => {
  /** `app` needs `lib`, `top` needs `bad`. */
  function graph(world: World) {
    const lib = world.add({ name: "lib" });
    const bad = world.add({ name: "bad" });
    return {
      lib,
      bad,
      app: world.add({ name: "app", inputs: [lib] }),
      top: world.add({ name: "top", inputs: [bad] }),
    };
  }

  function conduct(world: World): void {
    const said: Readonly<Record<string, string>> = {
      "lib.drv": `making lib\n@nix {"action":"setPhase","phase":"buildPhase"}\n`,
      "app.drv": "making app\n",
      "bad.drv": "going wrong\n",
    };
    world.ports.sandbox.conduct = (build) => {
      const name = build.spec.drvPath.replace(/^.*\/.{33}/u, "");
      build.write(said[name] ?? "");
      if (name === "bad.drv") build.exit(3);
      else build.succeed();
    };
  }

  async function run(name: "app" | "bad" | "top", times = 1): Promise<readonly Event[]> {
    const world = new World();
    conduct(world);
    const drvs = graph(world);
    let before = 0;
    for (let time = 0; time < times; time += 1) {
      before = world.events.all.length;
      await world.run([drvs[name]]);
    }
    return world.events.all.slice(before);
  }

  /** From a cache with the sizes that Nix's had. */
  async function substituted(): Promise<readonly Event[]> {
    const cache = new FakeSubstituter({ uri: "file:///cache" });
    const world = new World({ ...memoryPorts(), substituters: [cache] });
    const { app, lib } = graph(world);
    const [appOut, libOut] = [world.out(app), world.out(lib)];
    cache.offer(libOut, "lib\n", { downloadSizeBytes: 128 });
    cache.offer(appOut, `lib\n${libOut}\n`, { downloadSizeBytes: 176, references: new Set([libOut]) });
    await world.run([app]);
    return world.events.all;
  }

  test.each([
    { name: "success", events: () => run("app") },
    { name: "cached", events: () => run("app", 2) },
    { name: "failure", events: () => run("bad") },
    { name: "failed-dependency", events: () => run("top") },
    { name: "substituted", events: substituted },
  ])("$name", async ({ name, events }) => {
    const recorded = readFileSync(
      join(import.meta.dirname, `../../testdata/internal-json/${name}.log`),
      "utf8",
    );
    const paths = [[/\/nix\/store\/[0-9a-z]{32}-/gu, "/nix/store/HASH-"]] as const;
    const ours = rawOf(follow(await events()));
    expect(comparable(ours, "ours", paths).messages).toEqual(
      comparable(readStream(recorded), "nix", paths).messages,
    );
    expect(unbalanced(ours)).toEqual([]);
    expect(processOf(ours)).toBe(processId);
  });
});

describe("the messages of an event", () => {
  const drvPath = "/nix/store/8bcasxcwbq1775gpp0x78jvxccsv5na5-hello.drv" as StorePath;
  const goal = `b$hello.drv$${drvPath}`;
  const event = (fields: Record<string, unknown>) =>
    ({ atMs: 0, goal, drvPath, ...fields }) as unknown as Event;
  const began = event({ type: "build-started", mode: "normal", machine: "", layers: [], hostTools: false });
  const started = event({ type: "run-started", version: 4, targets: [] });
  const finished = event({ type: "run-finished", exitStatus: 0 });
  const told = (message: Record<string, unknown>) => event({ type: "activity", message });
  const failed = (path: string, errorMessage: string, status = "permanentFailure") =>
    event({ type: "goal-done", goal: path, result: { drvPath: path, status, errorMessage } });
  const texts = (messages: readonly LogMessage[]) =>
    messages.flatMap((message) =>
      message.action === "start" ? [message.text] : message.action === "msg" ? [message.msg] : [],
    );
  const starts = (...events: Event[]) =>
    follow(events).flatMap((message) => (message.action === "start" ? [message] : []));

  test.each([
    { mode: "normal", machine: "", text: `building '${drvPath}'` },
    { mode: "check", machine: "", text: `checking outputs of '${drvPath}'` },
    { mode: "repair", machine: "", text: `repairing outputs of '${drvPath}'` },
    { mode: "normal", machine: "ssh://far", text: `building '${drvPath}' on 'ssh://far'` },
  ])("$text is a build", ({ mode, machine, text }) => {
    expect(starts({ ...began, mode, machine } as Event)).toEqual([
      { action: "start", id: 4242n << 32n, level: 3n, type: 105n, text, fields: [drvPath, machine, 1n, 1n] },
    ]);
  });

  test.each([
    {
      name: "a lock",
      waits: event({ type: "waiting-for-lock", outputs: ["/nix/store/a", "/nix/store/b"] }),
      text: "waiting for lock on '/nix/store/a', '/nix/store/b'",
    },
    {
      name: "a machine",
      waits: event({ type: "waiting-for-machine" }),
      text: `waiting for a machine to build '${drvPath}'`,
    },
  ])("waiting for $name is an activity at warn that ends when the build begins", ({ waits, text }) => {
    const [waiting, stopped, building] = follow([waits, began]);
    expect(waiting).toMatchObject({ action: "start", level: 1n, type: 111n, text, fields: [] });
    expect(stopped).toEqual({ action: "stop", id: waiting !== undefined && "id" in waiting && waiting.id });
    expect(building).toMatchObject({ action: "start", type: 105n });
  });

  test("waiting ends with the goal that never built", () => {
    const messages = follow([
      started,
      event({ type: "waiting-for-machine" }),
      failed(goal, "gave up"),
      finished,
    ]);
    expect(unbalanced(rawOf(messages))).toEqual([]);
  });

  test("a resolved derivation is an activity with both paths", () => {
    const resolved = "/nix/store/00000000000000000000000000000000-hello.drv";
    expect(starts(event({ type: "derivation-resolved", resolved }))).toMatchObject([
      {
        level: 3n,
        type: 111n,
        text: `resolved derivation: '${drvPath}' -> '${resolved}'`,
        fields: [drvPath, resolved],
      },
    ]);
  });

  test("the hook after a build is an activity with lines", () => {
    const messages = follow([
      event({ type: "post-build-hook-started", program: "/bin/upload" }),
      event({ type: "post-build-hook-line", line: "uploading" }),
      event({ type: "post-build-hook-finished" }),
    ]);
    const id = 4242n << 32n;
    const text = "running post-build-hook '/bin/upload'";
    expect(messages).toEqual([
      { action: "start", id, level: 3n, type: 110n, text, fields: [drvPath] },
      { action: "result", id, type: 107n, fields: ["uploading"] },
      { action: "stop", id },
    ]);
  });

  test("what a hook tells of has ids of ours, whatever ids it says", () => {
    const start = { action: "start", level: 4n, type: 0n, text: "copying", fields: ["x"], parent: 3n };
    const messages = follow([
      began,
      told({ ...start, id: 7n }),
      { ...told({ ...start, id: 7n }), goal: "b$other" } as Event,
      told({ action: "result", id: 7n, type: 105n, fields: [1n, 2n] }),
      told({ action: "stop", id: 7n }),
      told({ action: "result", id: 7n, type: 105n, fields: [2n, 2n] }),
      told({ action: "stop", id: 99n }),
    ]);
    const first = 4242n << 32n;
    expect(messages.slice(1)).toEqual([
      { action: "start", id: first + 1n, level: 4n, type: 0n, text: "copying", fields: ["x"] },
      { action: "start", id: first + 2n, level: 4n, type: 0n, text: "copying", fields: ["x"] },
      { action: "result", id: first + 1n, type: 105n, fields: [1n, 2n] },
      { action: "stop", id: first + 1n },
    ]);
  });

  test("an id that a hook begins twice ends in between", () => {
    const start = { action: "start", id: 7n, level: 4n, type: 0n, text: "", fields: [] };
    expect(follow([told(start), told(start)]).map(({ action }) => action)).toEqual([
      "start",
      "stop",
      "start",
    ]);
  });

  test("what is open when a goal ends, or the run, is stopped", () => {
    const open = told({ action: "start", id: 1n, level: 4n, type: 0n, text: "", fields: [] });
    const withGoal = follow([started, began, open, failed(goal, "oh"), finished]);
    const withRun = follow([started, began, open, finished]);
    for (const messages of [withGoal, withRun]) expect(unbalanced(rawOf(messages))).toEqual([]);
  });

  test("a failure is said when it happens if somebody waits for it, else after everything has ended", () => {
    const waits = event({ type: "goal-waits", goal: "b$top", for: [goal] });
    const cause = failed(goal, "builder failed");
    const consequence = failed("b$top", "1 dependencies failed", "dependencyFailed");
    const messages = follow([started, waits, began, cause, consequence, finished]);
    const said = messages.findIndex((message) => message.action === "msg");
    expect(messages[said]).toEqual({
      action: "msg",
      level: 0n,
      msg: "error: builder failed",
      rawMsg: "builder failed",
    });
    expect(messages[said + 1]).toMatchObject({ action: "stop" });
    expect(messages.at(-1)).toMatchObject({ action: "msg", msg: "error: 1 dependencies failed" });
  });

  test("several failures are followed by one line that names them", () => {
    const [a, b] = ["/nix/store/b-x.drv", "/nix/store/a-x.drv"];
    const said = texts(follow([started, failed(a, "first"), failed(b, "second"), finished]));
    expect(said.slice(-3)).toEqual([
      "error: second",
      "error: first",
      `error: build of '${b}', '${a}' failed`,
    ]);
  });

  test("a failure of one run is not said again in the next", () => {
    const logger = new InternalJson(new ActivityIds(processId));
    follow([started, failed(goal, "oh"), finished], logger);
    expect(texts(follow([started, finished], logger)).filter((text) => text !== "")).toEqual([]);
  });

  test.each([
    { level: "error", msg: { level: 0n, msg: "error: x", rawMsg: "x" } },
    { level: "warn", msg: { level: 1n, msg: "warning: x" } },
    { level: "info", msg: { level: 3n, msg: "x" } },
  ])("a message at $level has Nix's number", ({ level, msg }) => {
    expect(follow([event({ type: "message", level, text: "x" })])).toEqual([{ action: "msg", ...msg }]);
  });

  test("messages beyond the verbosity are left out", () => {
    const talkative = event({ type: "message", level: "talkative", text: "x" });
    expect(follow([talkative])).toEqual([]);
    expect(follow([talkative], new InternalJson(new ActivityIds(1), "chatty"))).toHaveLength(1);
  });

  test("ids begin with the process id and go on from run to run", () => {
    const ids = new ActivityIds(2 ** 22 - 1);
    expect([ids.next(), ids.next()]).toEqual([4_194_303n << 32n, (4_194_303n << 32n) + 1n]);
  });

  test("an error names a position that nobody knows, as Nix's does", () => {
    const [message] = follow([event({ type: "message", level: "error", text: "x" })]) as [LogMessage];
    const line =
      '{"action":"msg","column":null,"file":null,"level":0,"line":null,"msg":"error: x","raw_msg":"x"}';
    expect(printLogMessageJson(message)).toBe(line);
    expect(printLogMessage(message)).toBe(`@nix ${line}`);
  });
});
