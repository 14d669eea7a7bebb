import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, sandboxWorks } from "./drv-command.js";
import { root } from "./workspace.js";

const why = sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)";
const schema = JSON.parse(readFileSync(join(root, "packages/goal/events.schema.json"), "utf8"));
const types: readonly string[] = schema.oneOf.map(
  (each: { readonly properties: { readonly type: { readonly const: string } } }) =>
    each.properties.type.const,
);
const isEvent = new Ajv().compile(schema);

/** Events of a stream; throws for a line that is none. */
function eventsIn(stream: string): readonly { readonly type: string }[] {
  return stream
    .trimEnd()
    .split("\n")
    .map((line) => {
      const event = JSON.parse(line);
      if (!isEvent(event)) throw new Error(`${line}: ${JSON.stringify(isEvent.errors?.slice(0, 3))}`);
      return event as { readonly type: string };
    });
}

describe("docs/events.md", () => {
  const text = readFileSync(join(root, "docs/events.md"), "utf8");

  test("describes every type of event, and no other", () => {
    const table = text.slice(text.indexOf("| `type` |"), text.indexOf("A goal is named"));
    const rows = [...table.matchAll(/^\| (`[^|]*`) \|/gmu)].slice(1).map(([, cell = ""]) => cell);
    const named = rows.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/gu)].map(([, name]) => name));
    expect([...named].sort()).toEqual([...types].sort());
  });

  test("has an example that is a stream of events", () => {
    const example = text.slice(text.indexOf("```json\n") + 8, text.indexOf("```\n\n## Reading it"));
    const events = eventsIn(example);
    expect(events[0]?.type).toBe("run-started");
    expect(events.at(-1)?.type).toBe("run-finished");
  });
});

describe("an exhaustive switch over events", { timeout: 60_000 }, () => {
  const file = join(root, "examples/06-render-events.ts");
  const source = readFileSync(file, "utf8");

  /** What the compiler has against the example, its text changed. */
  function complaints(change: (text: string) => string): readonly string[] {
    const { options } = ts.parseJsonConfigFileContent(
      ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config,
      ts.sys,
      root,
    );
    const host = ts.createCompilerHost(options);
    const readFile = host.readFile.bind(host);
    host.readFile = (path) => (path === file ? change(source) : readFile(path));
    const getSourceFile = host.getSourceFile.bind(host);
    host.getSourceFile = (path, how) =>
      path === file ? ts.createSourceFile(path, change(source), how) : getSourceFile(path, how);
    const program = ts.createProgram([file], options, host);
    const found = program.getSemanticDiagnostics(program.getSourceFile(file));
    return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  }

  test("compiles", () => {
    expect(complaints((text) => text)).toEqual([]);
  });

  test("does not when a type of event is added", () => {
    const broken = complaints((text) =>
      text.replace(
        'import type { Event } from "@drvkit/goal";',
        'import type { Event as Known } from "@drvkit/goal";\ntype Event = Known | { readonly type: "news" };',
      ),
    );
    expect(broken).toEqual(["Not all code paths return a value."]);
  });
});

describe.skipIf(!sandboxWorks)(`drv build --events${why}`, () => {
  const suite = buildSuite();

  test("writes a stream to standard output instead of output paths", async () => {
    const file = suite.drvs.write({ name: "stream", script: "echo hello; echo x > $out" });
    const { status, stdout } = await suite.build(suite.drvs.fileOf(file), "--events", "-");
    expect(status).toBe(0);
    const seen = eventsIn(stdout).map(({ type }) => type);
    expect(seen[0]).toBe("run-started");
    expect(seen.at(-1)).toBe("run-finished");
    expect(seen).toEqual(expect.arrayContaining(["build-started", "build-line", "registered", "goal-done"]));
  });

  test("writes it to a file, of a failure too, and the output paths as ever", async () => {
    const good = suite.drvs.write({ name: "good", script: "echo x > $out" });
    const bad = suite.drvs.write({ name: "bad", script: "echo oh; exit 3" });
    const { status, stdout } = await suite.build(
      suite.drvs.fileOf(good),
      suite.drvs.fileOf(bad),
      "--keep-going",
      "--events",
      suite.scratch.path("events"),
    );
    expect(status).toBe(100);
    expect(stdout).toBe(`${suite.drvs.outputOf(good)}\n`);
    const events = eventsIn(readFileSync(suite.scratch.path("events"), "utf8"));
    expect(events.at(-1)).toMatchObject({ type: "run-finished", exitStatus: 100 });
  });

  test("fails before anything is built when the file cannot be opened", async () => {
    const file = suite.drvs.write({ name: "unwritten", script: "echo x > $out" });
    const { status, stderr } = await suite.build(
      suite.drvs.fileOf(file),
      "--events",
      suite.scratch.path("no", "events"),
    );
    expect(status).toBe(1);
    expect(stderr).toContain(`cannot write '${suite.scratch.path("no", "events")}' [ERR_OUTPUT]`);
    expect((await drv(["path-info", suite.drvs.outputOf(file), "--store", suite.scratch.store])).status).toBe(
      1,
    );
  });

  test("warns once when the file cannot be written any more, and builds", async () => {
    const file = suite.drvs.write({ name: "full", script: "echo x > $out" });
    const { status, stderr } = await suite.build(suite.drvs.fileOf(file), "--events", "/dev/full");
    expect(status).toBe(0);
    expect(stderr.match(/its events end here/gu)).toHaveLength(1);
  });

  test("refuses to print JSON and events on one standard output", async () => {
    const { status, stderr } = await suite.build("--events", "-", "--json", suite.scratch.path("none.drv"));
    expect(status).toBe(1);
    expect(stderr).toContain("[ERR_USAGE]");
  });

  test("follows a build to its end though a slow reader takes the stream from a pipe", async () => {
    const file = suite.drvs.write({
      name: "many-lines",
      script: "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done; echo x > $out",
    });
    writeFileSync(suite.scratch.path("slow.sh"), "sleep 1; exec wc -l");
    const piped = await drv([], {
      before: [
        "/bin/sh",
        "-c",
        `"$0" "$1" build --no-link ${suite.drvs.fileOf(file)} --store ${suite.scratch.store} --events - | sh ${suite.scratch.path("slow.sh")}`,
      ],
      cwd: suite.scratch.folder,
    });
    expect(Number(piped.stdout)).toBeGreaterThan(20_000);
  });
});
