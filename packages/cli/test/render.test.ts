import { type Event, parseLogMessage } from "@drvkit/goal";
import { describe, expect, test } from "vitest";
import { renderDoctor } from "../src/render/doctor.js";
import { renderError, renderFailure, renderWarning } from "../src/render/error.js";
import { makeJsonRenderer } from "../src/render/json-renderer.js";
import { makeRenderer } from "../src/render/renderer.js";
import { styleFor } from "../src/render/style.js";
import { printBytes, printDuration, shortName, stripControls, widthOf } from "../src/render/units.js";

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

const started = event({ type: "build-started", mode: "normal", machine: "", layers: [], hostTools: false });
const line = (text: string) => event({ type: "build-line", line: text });
const finished = (status: string) => event({ type: "build-finished", status, durationMs: 1234 });
const failed = (status: string, errorMessage: string, more: Record<string, unknown> = {}) =>
  event({ type: "goal-done", result: { drvPath: drv, status, errorMessage, ...more } });
const figures = { done: 0, expected: 0, running: 0, failed: 0 };
const noBytes = { doneDownloadBytes: 0, expectedDownloadBytes: 0, doneNarBytes: 0, expectedNarBytes: 0 };
const progress = (more: Record<string, unknown>) =>
  event({ type: "progress", builds: figures, substitutions: figures, transfers: noBytes, ...more });

/** Lines that are left when everything is over. */
function render(
  events: readonly Event[],
  how: { readonly logLines?: boolean; readonly isTTY?: boolean } = {},
) {
  const screen = new Screen(how.isTTY ?? false, 100);
  const renderer = makeRenderer(screen, plain, { bar: true, logLines: how.logLines ?? false, quiet: false });
  for (const each of events) renderer.event(each);
  renderer.event(event({ type: "message", level: "info", text: "now" }));
  renderer.end();
  return screen.text;
}

test("what a check found stands below its error", () => {
  const files = [
    { file: "bin/tool", kind: "executable", onlyIn: "built" },
    { file: "list", kind: "contents", reason: "order", offset: 7, registeredSizeBytes: 9, builtSizeBytes: 9 },
    {
      file: "date",
      kind: "contents",
      reason: "time",
      offset: 3,
      registeredSizeBytes: 5,
      builtSizeBytes: 6,
      registered: "10:00",
      built: "10:010",
    },
    { file: "", kind: "type", registered: "regular", built: "directory" },
    { file: "l", kind: "target", registered: "/a/b", built: "/a/c", reason: "path" },
    ...Array.from({ length: 9 }, (_, n) => ({ file: `n${n}`, kind: "only", onlyIn: "registered" })),
  ];
  const differences = [{ output: "out", path: "/nix/store/x", files, count: 20 }];
  const text = render([failed("notDeterministic", "may not be deterministic", { differences })]);
  expect(text.split("\n").slice(1, 8)).toEqual([
    "error: may not be deterministic",
    "       in output 'out' 20 files differ:",
    "         bin/tool           executable only in the new one",
    "         list               the same lines in another order, from byte 7",
    '         date               from byte 3, 5 bytes, now 6: "10:00", now "10:010" (a time)',
    "         the output itself  regular, now directory",
    '         l                  link to "/a/b", now "/a/c" (a path)',
  ]);
  expect(text).toContain("         and 10 more\n");
});

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
      const renderer = makeRenderer(screen, plain, { bar: true, logLines, quiet: false });
      for (const each of [started, line("compiling"), finished("built")]) renderer.event(each);
      renderer.end();
    }
    expect(quiet.text).toBe(`building '${drv}'\n✓ hello-2.10 built in 1.2s\n`);
    expect(loud.text).toContain("hello-2.10> compiling\n");
  });

  test("says how a build ended in words", () => {
    const screen = new Screen(false);
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    for (const status of ["permanentFailure", "timedOut"] as const) renderer.event(finished(status));
    expect(screen.text).toBe("✗ hello-2.10 failed in 1.2s\n✗ hello-2.10 timed out in 1.2s\n");
  });

  test("lists each failure once at the end, causes before consequences", () => {
    const screen = new Screen(false);
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    const failedDependencies = [drv];
    const top = "/nix/store/0000000000000000000000000000000z-top.drv";
    renderer.event(failed("dependencyFailed", "1 dependencies failed", { drvPath: top, failedDependencies }));
    renderer.event(failed("permanentFailure", "builder failed"));
    renderer.end();
    renderer.end();
    expect(screen.text).toBe("error: builder failed\n✗ top not built, because of hello-2.10\n");
  });

  test("names at most three causes", () => {
    const failedDependencies = ["a", "b", "c", "d", "e"].map((name) => `${drv.slice(0, 44)}${name}.drv`);
    const text = render([failed("dependencyFailed", "5 dependencies failed", { failedDependencies })]);
    expect(text).toContain("✗ hello-2.10 not built, because of a, b, c and 2 more\n");
  });

  test.each([
    { name: "that does not say it", message: "timed out", logTail: ["x"], says: 1 },
    {
      name: "that says it",
      message: `failed; For full logs, run 'drv log ${drv}'.`,
      logTail: ["x"],
      says: 1,
    },
    { name: "without a log", message: "failed", logTail: [], says: 0 },
  ])("the command for the log is said once of a failure $name", ({ message, logTail, says }) => {
    const text = render([failed("permanentFailure", message, { logTail })]);
    expect(text.split(`drv log ${drv}`)).toHaveLength(says + 1);
  });

  describe("a path that nobody has", () => {
    const path = "/nix/store/8bcasxcwbq1775gpp0x78jvxccsv5na5-glibc";
    const result = { path, exit: "noSubstituters", status: "noSubstituters", errorMessage: "nobody has it" };
    const done = event({ type: "substitution-done", goal: `a$glibc$${path}`, result });
    const waits = event({ type: "goal-waits", for: [`a$glibc$${path}`] });

    test("is a failure when it was asked for", () => {
      expect(render([done])).toContain("error: nobody has it\n");
    });

    test("is none when it was built instead", () => {
      expect(render([waits, done, finished("built")])).not.toContain("nobody has it");
    });

    test("is one when something failed because of it", () => {
      const text = render([waits, done, failed("dependencyFailed", "x", { failedDependencies: [path] })]);
      expect(text).toContain("error: nobody has it\n✗ hello-2.10 not built, because of glibc\n");
    });
  });

  test("says where a build runs and what it waits for", () => {
    const text = render([
      event({ type: "waiting-for-lock", outputs: ["/nix/store/a", "/nix/store/b"] }),
      event({ type: "waiting-for-machine" }),
      { ...started, machine: "ssh://far" } as Event,
    ]);
    expect(text).toContain(
      `waiting for lock on '/nix/store/a', '/nix/store/b'\nwaiting for a machine to build '${drv}'\nbuilding '${drv}' on 'ssh://far'\n`,
    );
  });

  test("shows what the hook after a build says with the log lines only", () => {
    const hook = [
      event({ type: "post-build-hook-started", program: "/bin/upload" }),
      event({ type: "post-build-hook-line", line: "uploading" }),
      event({ type: "post-build-hook-finished" }),
    ];
    expect(render(hook)).toBe("now\n");
    expect(render(hook, { logLines: true })).toBe("hello-2.10 (post-build-hook)> uploading\nnow\n");
  });
});

describe("on a terminal", () => {
  test("keeps a block of running builds and counts, and restores the cursor", () => {
    const screen = new Screen(true);
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    renderer.event(progress({ builds: { ...figures, expected: 2, running: 1 } }));
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
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    const path = "/nix/store/8bcasxcwbq1775gpp0x78jvxccsv5na5-glibc";
    const uri = "https://cache.example";
    renderer.event(
      progress({
        builds: { ...figures, expected: 1 },
        substitutions: { done: 2, expected: 3, running: 1, failed: 0 },
        transfers: { ...noBytes, doneNarBytes: 3 << 20, expectedNarBytes: 5 << 20 },
      }),
    );
    renderer.event(event({ type: "substitution-started", path, uri }));
    renderer.event(event({ type: "substitution-finished", path, uri, outcome: "substituted" }));
    renderer.end();
    expect(screen.text).toContain("0/1 built, 2/3 copied, 3.0 MiB of 5.0 MiB, 1 running");
    expect(screen.text).toContain("✓ glibc copied from https://cache.example");
  });

  test("a terminal that does not know its width has 80 columns", () => {
    const screen = new Screen(true, 0);
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    renderer.event(started);
    renderer.event(line("compiling"));
    renderer.event(event({ type: "message", level: "info", text: "note" }));
    renderer.end();
    expect(screen.text).toContain("hello-2.10 compiling");
  });

  test("that builders see the machine's tools is said once", () => {
    const screen = new Screen(true);
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    for (const each of [1, 2, 3]) {
      renderer.event({ ...started, goal: `${each}`, hostTools: true } as typeof started);
      renderer.event(event({ type: "message", level: "info", text: "a note" }));
    }
    renderer.end();
    expect(screen.text.split("host tools are visible")).toHaveLength(2);
  });

  test("no row is wider than the terminal", () => {
    const screen = new Screen(true, 30);
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: true });
    expect(screen.text).toBe("");
    renderer.end();
    const wide = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    wide.event(started);
    wide.event(line("x".repeat(200)));
    wide.event(event({ type: "message", level: "info", text: "note" }));
    wide.end();
    const rows = screen.text.split("\n").filter((row) => row.includes("xxx"));
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row.length).toBeLessThan(30);
  });

  test("a build elsewhere has its machine, and what its hook does, in its row", () => {
    const message = { action: "start", id: 1n, level: 4n, type: 0n, text: "copying outputs", fields: [] };
    const text = render(
      [{ ...started, machine: "ssh://far" } as Event, event({ type: "activity", message })],
      {
        isTTY: true,
      },
    );
    expect(text).toMatch(/0\.0s hello-2\.10 on ssh:\/\/far copying outputs\n/u);
  });

  test("what waits is in the block until it runs or has ended", () => {
    const waits = event({ type: "waiting-for-machine" });
    const row = "hello-2.10 waits for a machine";
    expect(render([waits], { isTTY: true })).toContain(row);
    expect(render([waits, started], { isTTY: true })).not.toContain(row);
    expect(render([waits, failed("miscFailure", "gave up")], { isTTY: true })).not.toContain(row);
  });

  test("a row has the phase of the build", () => {
    const phase = event({ type: "build-phase", phase: "checkPhase" });
    expect(render([started, phase, line("1 of 9")], { isTTY: true })).toContain("(checkPhase) 1 of 9");
  });

  test("raw has no block", () => {
    const screen = new Screen(true);
    const renderer = makeRenderer(screen, plain, { bar: false, logLines: false, quiet: false });
    renderer.event(started);
    renderer.end();
    expect(screen.text).toBe(`building '${drv}'\n`);
  });

  test("wide characters do not make a row wrap", () => {
    const screen = new Screen(true, 40);
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    renderer.event(started);
    renderer.event(line("漢字🙂".repeat(40)));
    renderer.event(event({ type: "message", level: "info", text: "note" }));
    renderer.end();
    const [row = ""] = screen.text.split("\n").filter((each) => each.includes("漢"));
    expect(widthOf(row.replace(/^.*?(?= )/u, ""))).toBeLessThan(40);
  });

  test("a terminal that became narrower is cleared of rows that it has wrapped", () => {
    const screen = {
      ...new Screen(true),
      text: "",
      columns: 80,
      write: (text: string) => (screen.text += text),
    };
    const renderer = makeRenderer(screen, plain, { bar: true, logLines: false, quiet: false });
    renderer.event(started);
    renderer.event(line("x".repeat(200)));
    renderer.event(event({ type: "message", level: "info", text: "note" }));
    screen.columns = 40;
    renderer.end();
    expect(screen.text).toContain(`\u001b[2A${"\u001b[2K\u001b[1B".repeat(2)}\u001b[2A`);
  });
});

describe("for programs", () => {
  const written = (act: (renderer: ReturnType<typeof makeJsonRenderer>) => void) => {
    const screen = new Screen(false);
    act(makeJsonRenderer(screen, 4242));
    return screen.text;
  };

  test("events, errors and warnings are messages of Nix's logger", () => {
    const text = written((renderer) => {
      renderer.event(started);
      renderer.error(new Error("no such target"));
      renderer.warning("old setting");
      renderer.end();
    });
    expect(text.trimEnd().split("\n").map(parseLogMessage)).toMatchObject([
      { action: "start", id: 4242n << 32n, type: 105n },
      { action: "msg", level: 0n, msg: "error: no such target" },
      { action: "msg", level: 1n, msg: "warning: old setting" },
    ]);
  });
});

describe("what a machine has", () => {
  const hint = "the sysctl user.max_user_namespaces is 0 here: set it to 15000 or more";
  const lost = { works: false, required: true, detail: 'not reached: the step "clone" failed', hint };
  const report = {
    ready: false,
    layers: [
      { layer: "user-namespace", ...lost, setting: "sandbox" },
      { layer: "seccomp", ...lost, setting: "filter-syscalls" },
    ],
    machine: [
      { name: "kvm", works: false, required: false, detail: "there is none", setting: "system-features" },
      {
        name: "pasta",
        works: true,
        required: false,
        detail: "'/bin/pasta'",
        setting: "fixed-output-network",
      },
    ],
  } as const;
  const style = styleFor({ isTTY: false }, plain);
  const shown = (columns?: number, changes = {}) =>
    renderDoctor({ ...report, ...changes }, { reason: undefined, columns, style }).split("\n");

  test("is marked by what it means, and a hint is said once", () => {
    expect(shown()).toEqual([
      "Layers of the sandbox [setting]",
      '  ✗ user-namespace     not reached: the step "clone" failed',
      `    hint: ${hint}`,
      '  ✗ seccomp            not reached: the step "clone" failed [filter-syscalls]',
      "",
      "What builds use [setting]",
      "  – kvm                there is none [system-features]",
      "  ✓ pasta              '/bin/pasta' [fixed-output-network]",
      "",
      "this machine cannot build with these settings",
      "",
    ]);
    expect(shown(80, { ready: true }).at(-2)).toBe(
      "this machine can build, without 3 things that can be missing",
    );
  });

  test("fits into a narrow terminal", () => {
    expect(shown(50).filter((line) => widthOf(line) > 50)).toEqual([]);
    expect(shown(50)).toContain("    hint: the sysctl user.max_user_namespaces is 0");
  });

  test("is not looked at where there is no sandbox", () => {
    const none = { ready: false, layers: [], machine: [] };
    expect(renderDoctor(none, { reason: "not Linux", columns: 80, style })).toBe(
      "✗ platform: not Linux\n\nthis machine cannot build with these settings\n",
    );
  });
});
