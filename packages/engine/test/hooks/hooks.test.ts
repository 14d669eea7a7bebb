import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { derivation, nix, type StorePath } from "@drvkit/drv-parser";
import type { BuildHookPort, Event, PostBuildHookPort } from "@drvkit/goal";
import { archiveOf, pathInfoOf } from "@drvkit/goal/testing";
import { removeTree } from "@drvkit/sandbox-native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Engine, type EngineOptions, openEngine } from "../../src/index.js";
import { settingTable } from "../../src/settings/table.js";
import { writeHookProgram } from "./hook-program.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drvkit-hooks-"));
});
afterEach(() => removeTree(folder));

const path = (name: string) => join(folder, name);
const recorded = (name: string) => JSON.parse(readFileSync(path(name), "utf8"));

function open(options: Partial<EngineOptions> = {}): Promise<Engine> {
  return openEngine({ store: path("store"), env: { HOME: folder, PATH: "/usr/bin:/bin" }, ...options });
}

/** Nobody here can build it. */
const far = derivation({
  name: "far",
  system: "far-away",
  builder: "/bin/sh",
  args: ["-c", "exit 1"],
  outputs: ["out", "dev"],
  requiredSystemFeatures: "gpu",
});

/** A hook that has built before it is asked. */
const instant: BuildHookPort = {
  ask: async () => ({
    reply: "accept",
    machine: "thin-air",
    async build({ derivation: { outputs }, write, add }) {
      await write(new TextEncoder().encode("made it\n"));
      for (const [name, output] of outputs) {
        const at = (output as { readonly path: StorePath }).path;
        const archive = archiveOf(`${name}\n`);
        await add(
          pathInfoOf(at, archive),
          (async function* () {
            yield archive;
          })(),
        );
      }
      return { kind: "exited", code: 0 };
    },
  }),
};

async function build(engine: Engine, target = far) {
  const events: Event[] = [];
  const run = engine.build([target]);
  for await (const event of run) events.push(event);
  return { events, ...(await run.result) };
}

describe("a build hook that is a program", () => {
  test("is told every setting in byte order, asked, and builds: its log is the build's", async () => {
    writeHookProgram(
      path("hook"),
      `
      const question = ask();
      const sets = accept("far:1");
      record(${JSON.stringify(path("asked.json"))}, { settings, question, sets, argv: process.argv.slice(2), cwd: process.cwd(), home: process.env.HOME });
      writeSync(4, "half a li");
      writeSync(4, "ne\\nlast line\\n");
      process.exit(100);
      `,
    );
    await using engine = await open({
      settings: { "build-hook": `${path("hook")}  with words`, cores: "3" },
    });
    const drvPath = await engine.instantiate(far);
    const { results, events, exitStatus } = await build(engine);
    expect(results).toMatchObject([{ status: "permanentFailure", logTail: ["half a line", "last line"] }]);
    expect(exitStatus).toBe(100);
    const asked = recorded("asked.json");
    expect(asked).toMatchObject({
      question: { word: "try", amWilling: 1, system: "far-away", drvPath, features: ["gpu"] },
      sets: { inputs: [], outputs: ["dev", "out"] },
      argv: ["with", "words", "3"],
      cwd: "/",
      home: folder,
    });
    expect(asked.settings.map(([name]: [string]) => name)).toEqual(Object.keys(settingTable).sort());
    expect(new Map(asked.settings).get("cores")).toBe("3");
    expect(new Map(asked.settings).get("system-features")).toMatch(/^nixos-test benchmark big-parallel/u);
    expect(events.find(({ type }) => type === "build-started")).toMatchObject({ machine: "far:1" });
  });

  test("that writes more than 4096 bytes right before its exit has all of it in the log (A14)", async () => {
    writeHookProgram(
      path("hook"),
      `ask(); accept("far"); writeSync(4, "x".repeat(40000) + "\\nend\\n"); process.exit(1);`,
    );
    await using engine = await open({ settings: { "build-hook": path("hook") } });
    const { results, events } = await build(engine);
    expect(results).toMatchObject([{ status: "miscFailure" }]);
    const lines = events.flatMap((event) => (event.type === "build-line" ? [event.line] : []));
    expect(lines).toEqual(["x".repeat(40_000), "end"]);
  });

  test.each([
    { name: "declines", reply: `ask(); console.error("# decline"); ask();` },
    { name: "declines for good", reply: `console.error("# decline-permanently");` },
    { name: "dies", reply: `ask(); console.error("oh no"); process.exit(3);` },
  ])("that $name leaves the build to this machine, which says why it cannot", async ({ reply }) => {
    writeHookProgram(path("hook"), reply);
    await using engine = await open({ settings: { "build-hook": path("hook") } });
    const { results } = await build(engine);
    expect(results).toMatchObject([{ status: "inputRejected", errorCode: "ERR_BUILD_REJECTED" }]);
  });

  test.each([
    { hook: "/no/such/hook", reason: "/no/such/hook" },
    { hook: "no-such-hook", reason: "there is no program 'no-such-hook' in PATH" },
  ])("that is not there is said: '$hook'", async ({ hook, reason }) => {
    await using engine = await open({ settings: { "build-hook": hook } });
    const { events } = await build(engine);
    expect(events.filter(({ type }) => type === "message")).toMatchObject([
      { level: "error", text: expect.stringContaining("cannot start the build hook: ") },
    ]);
    expect(JSON.stringify(events)).toContain(reason);
  });

  test("is gone when the engine is closed", async () => {
    writeHookProgram(
      path("hook"),
      `record(${JSON.stringify(path("pid.json"))}, process.pid); ask(); console.error("# decline"); ask();`,
    );
    const engine = await open({ settings: { "build-hook": path("hook") } });
    await build(engine);
    const pid = recorded("pid.json");
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await engine.close();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});

test("a list of machines without a hook is warned of", async () => {
  await using engine = await open({ settings: { builders: "ssh://far" } });
  expect(engine.warnings).toEqual([expect.stringContaining("'builders' has no effect")]);
});

describe("a post-build hook that is a program (A15)", () => {
  /** A program of a few lines. */
  const script = (lines: string, name = "after") => {
    writeFileSync(path(name), `#!/bin/sh\n${lines}\n`);
    chmodSync(path(name), 0o755);
    return path(name);
  };

  test("has what was built in its environment, whatever was there, and writes lines", async () => {
    const program = script(
      `printf '%s\\n' "$0" "$#" "$DRV_PATH" "$OUT_PATHS" "$OTHER"; printf '%s' "$NIX_CONFIG" > ${path("config")}; echo to stderr >&2; printf unfinished`,
    );
    await using engine = await open({
      buildHook: instant,
      settings: { "post-build-hook": program, "log-lines": "7" },
      env: { HOME: folder, DRV_PATH: "old", OUT_PATHS: "old", NIX_CONFIG: "old", OTHER: "kept" },
    });
    const drvPath = await engine.instantiate(far);
    const { results, events } = await build(engine);
    expect(results).toMatchObject([{ status: "built" }]);
    const outputs = [...(await engine.store.queryDerivationOutputs(drvPath)).values()].sort();
    const lines = events.flatMap((event) => (event.type === "post-build-hook-line" ? [event.line] : []));
    expect(lines).toEqual([program, "0", drvPath, outputs.join(" "), "kept", "to stderr", "unfinished"]);
    const config = readFileSync(path("config"), "utf8").split("\n");
    expect(config).toContain("log-lines = 7");
    expect(config.filter((line) => line.startsWith("post-build-hook = "))).toEqual([
      `post-build-hook = ${program}`,
    ]);
  });

  test("is looked for in PATH, and gets no arguments from its setting", async () => {
    script(`echo "found $0"`, "with blank");
    await using engine = await open({
      buildHook: instant,
      settings: { "post-build-hook": "with blank" },
      env: { HOME: folder, PATH: `/no/such:${folder}` },
    });
    const { events } = await build(engine);
    expect(events.filter(({ type }) => type === "post-build-hook-line")).toMatchObject([
      { line: `found ${path("with blank")}` },
    ]);
  });

  test.each([
    { lines: "exit 3", how: "failed with exit code 3" },
    { lines: "kill -9 $$", how: "failed due to signal 9 (Killed)" },
  ])("that ends by '$lines' fails the goal; the outputs are valid", async ({ lines, how }) => {
    const program = script(lines);
    await using engine = await open({ buildHook: instant, settings: { "post-build-hook": program } });
    const drvPath = await engine.instantiate(far);
    const { results, exitStatus } = await build(engine);
    expect(results).toMatchObject([
      {
        status: "miscFailure",
        errorCode: "ERR_POST_BUILD_HOOK",
        errorMessage: `program '${program}' ${how}`,
      },
    ]);
    expect(exitStatus).toBe(1);
    const outputs = (await engine.store.queryDerivationOutputs(drvPath)).values();
    expect((await engine.store.queryValidPaths(outputs)).size).toBe(2);
  });

  test("may be an object", async () => {
    const told: unknown[] = [];
    const postBuildHook: PostBuildHookPort = {
      program: "mine",
      run: async (built) => void told.push(built),
    };
    await using engine = await open({ buildHook: instant, postBuildHook });
    await build(engine);
    expect(told).toMatchObject([{ drvPath: await engine.instantiate(far) }]);
  });
});

describe("a secret key file", () => {
  test("that cannot be read is an error before anything is built", async () => {
    await using engine = await open({
      buildHook: instant,
      settings: { "secret-key-files": path("absent") },
    });
    await expect(engine.build([far]).result).rejects.toMatchObject({
      code: "ERR_SECRET_KEY",
      message: `cannot read the secret key file '${path("absent")}'`,
    });
  });
});

test("a derivation with inputs goes to the hook with the closure of its inputs as sources", async () => {
  const input = derivation({ name: "input", system: "far-away", builder: "/bin/sh" });
  const needs = derivation({
    name: "needs",
    system: "far-away",
    builder: "/bin/sh",
    args: ["-c", nix`cat ${input}`],
  });
  const requests: unknown[] = [];
  await using engine = await open({
    buildHook: {
      ask: async (question, options) => {
        const reply = await instant.ask(question, options);
        if (reply.reply !== "accept") return reply;
        return {
          ...reply,
          build: (request) => {
            requests.push([
              request.inputs,
              [...request.derivation.inputSrcs],
              request.derivation.inputDrvs.size,
            ]);
            return reply.build(request);
          },
        };
      },
    },
  });
  const { results } = await build(engine, needs);
  expect(results).toMatchObject([{ status: "built" }]);
  const [out] = [...(await engine.store.queryDerivationOutputs(await engine.instantiate(input))).values()];
  expect(requests).toEqual([
    [[], [], 0],
    [[out], [out], 0],
  ]);
});
