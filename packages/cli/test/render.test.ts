import type { Event } from "@drvkit/goal";
import { describe, expect, test } from "vitest";
import { renderError, renderFailure, renderWarning } from "../src/render/error.js";
import { makeRenderer } from "../src/render/renderer.js";
import { printBytes, printDuration, shortName, stripControls } from "../src/render/units.js";

const plain = { NO_COLOR: "1" };
const drv = "/nix/store/8bcasxcwbq1775gpp0x78jvxccsv5na5-hello-2.10.drv";
const goal = `b$hello-2.10.drv$${drv}`;

/** A terminal that remembers what was written. */
class Screen {
  text = "";
  constructor(
    readonly isTTY: boolean,
    readonly columns = 60,
    readonly rows = 10,
  ) {}
  write(text: string): void {
    this.text += text;
  }
}

function event(fields: Record<string, unknown>): Event {
  return { atMs: 0, goal, drvPath: drv, ...fields } as unknown as Event;
}

const started = event({ type: "build-started", mode: "normal", layers: [], hostTools: false });
const line = (text: string) => event({ type: "build-line", line: text });
const finished = (status: string) => event({ type: "build-finished", status, durationMs: 1234 });
const failed = (status: string, errorMessage: string) =>
  event({ type: "goal-done", result: { drvPath: drv, status, errorMessage } });

describe("units", () => {
  test.each([
    [400, "0.4s"],
    [12_345, "12s"],
    [185_000, "3m05s"],
    [3_720_000, "1h02m"],
  ])("%d ms is %s", (ms, text) => expect(printDuration(ms)).toBe(text));

  test.each([
    [120, "120 B"],
    [1340, "1.3 KiB"],
    [4 << 20, "4.0 MiB"],
  ])("%d bytes are %s", (bytes, text) => expect(printBytes(bytes)).toBe(text));

  test("a derivation is called by its name", () => expect(shortName(drv)).toBe("hello-2.10"));

  test("what a builder prints cannot drive the terminal", () => {
    expect(stripControls("a\u001b[2Jb\u001b]0;title\u0007c\rd\u009be\tf")).toBe("abcde f");
  });
});

describe("errors", () => {
  test("what a builder printed cannot steer the terminal from within a message", () => {
    const log = "\u001b]0;title\u0007> \u001b[31mred\r\u001b[2Jgone\u009b";
    const text = renderError(new Error(`builder failed;\nlast 1 log lines:\n${log}`), plain);
    expect(text).toBe("error: builder failed;\n       last 1 log lines:\n       > redgone\n");
    expect(renderWarning(`bad ${log}`, plain)).toBe("warning: bad > redgone\n");
  });

  test("have a code and a hint, and no stack", () => {
    const error = Object.assign(new Error("path 'x' is bad\nsecond line"), { code: "ERR_X", hint: "do y" });
    expect(renderError(error, plain)).toBe(
      "error: path 'x' is bad\n       second line [ERR_X]\nhint: do y\n",
    );
  });

  test("show their stack when asked", () => {
    expect(renderError(new Error("x"), { ...plain, DRVKIT_DEBUG: "1" })).toMatch(/\n\s+at /u);
    expect(renderFailure({ message: "x" }, { ...plain, DRVKIT_DEBUG: "1" })).not.toMatch(/\n\s+at /u);
  });
});

describe("without a terminal", () => {
  test("prints one line per start and end, log lines only when asked", () => {
    const [quiet, loud] = [new Screen(false), new Screen(false)];
    for (const [screen, logLines] of [
      [quiet, false],
      [loud, true],
    ] as const) {
      const renderer = makeRenderer(screen, plain, { logLines, quiet: false });
      for (const each of [started, line("compiling"), finished("built")]) renderer.event(each);
      renderer.end();
    }
    expect(quiet.text).toBe(`building '${drv}'\n✓ hello-2.10 built in 1.2s\n`);
    expect(loud.text).toContain("hello-2.10> compiling\n");
  });

  test("says how a build ended in words", () => {
    const screen = new Screen(false);
    const renderer = makeRenderer(screen, plain, { logLines: false, quiet: false });
    for (const status of ["permanentFailure", "timedOut"] as const) renderer.event(finished(status));
    expect(screen.text).toBe("✗ hello-2.10 failed in 1.2s\n✗ hello-2.10 timed out in 1.2s\n");
  });

  test("lists each failure once at the end, causes before consequences", () => {
    const screen = new Screen(false);
    const renderer = makeRenderer(screen, plain, { logLines: false, quiet: false });
    renderer.event(failed("dependencyFailed", "1 dependencies failed"));
    renderer.event(failed("permanentFailure", "builder failed"));
    renderer.end();
    renderer.end();
    expect(screen.text).toBe("error: builder failed\nerror: 1 dependencies failed\n");
  });
});

describe("on a terminal", () => {
  test("keeps a block of running builds and counts, and restores the cursor", () => {
    const screen = new Screen(true);
    const renderer = makeRenderer(screen, plain, { logLines: false, quiet: false });
    const substitutions = { done: 0, expected: 0, running: 0, failed: 0 };
    renderer.event(
      event({ type: "progress", builds: { done: 0, expected: 2, running: 1, failed: 0 }, substitutions }),
    );
    renderer.event(started);
    renderer.event(line("compiling main.c"));
    renderer.event(event({ type: "message", level: "info", text: "a note" }));
    expect(screen.text).toContain("hello-2.10 compiling main.c");
    expect(screen.text).toContain("0/2 built, 1 running");
    expect(screen.text).not.toContain("building '"); // the block shows it
    renderer.end();
    expect(screen.text.startsWith("\u001b[?25l")).toBe(true);
    expect(screen.text.endsWith("\u001b[?25h")).toBe(true);
  });

  test("what is copied from elsewhere runs and counts like a build", () => {
    const screen = new Screen(true);
    const renderer = makeRenderer(screen, plain, { logLines: false, quiet: false });
    const path = "/nix/store/8bcasxcwbq1775gpp0x78jvxccsv5na5-glibc";
    const uri = "https://cache.example";
    renderer.event(
      event({
        type: "progress",
        builds: { done: 0, expected: 1, running: 0, failed: 0 },
        substitutions: { done: 2, expected: 3, running: 1, failed: 0 },
      }),
    );
    renderer.event(event({ type: "substitution-started", path, uri }));
    renderer.event(event({ type: "substitution-finished", path, uri, outcome: "substituted" }));
    renderer.end();
    expect(screen.text).toContain("0/1 built, 2/3 copied, 1 running");
    expect(screen.text).toContain("✓ glibc copied from https://cache.example");
  });

  test("a terminal that does not know its width has 80 columns", () => {
    const screen = new Screen(true, 0);
    const renderer = makeRenderer(screen, plain, { logLines: false, quiet: false });
    renderer.event(started);
    renderer.event(line("compiling"));
    renderer.event(event({ type: "message", level: "info", text: "note" }));
    renderer.end();
    expect(screen.text).toContain("hello-2.10 compiling");
  });

  test("that builders see the machine's tools is said once", () => {
    const screen = new Screen(true);
    const renderer = makeRenderer(screen, plain, { logLines: false, quiet: false });
    for (const each of [1, 2, 3]) {
      renderer.event({ ...started, goal: `${each}`, hostTools: true } as typeof started);
      renderer.event(event({ type: "message", level: "info", text: "a note" }));
    }
    renderer.end();
    expect(screen.text.split("host tools are visible")).toHaveLength(2);
  });

  test("no row is wider than the terminal", () => {
    const screen = new Screen(true, 30);
    const renderer = makeRenderer(screen, plain, { logLines: false, quiet: true });
    expect(screen.text).toBe("");
    renderer.end();
    const wide = makeRenderer(screen, plain, { logLines: false, quiet: false });
    wide.event(started);
    wide.event(line("x".repeat(200)));
    wide.event(event({ type: "message", level: "info", text: "note" }));
    wide.end();
    const rows = screen.text.split("\n").filter((row) => row.includes("xxx"));
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row.length).toBeLessThan(30);
  });
});
