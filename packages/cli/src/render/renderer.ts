import type { Event, Level } from "@drvkit/goal";
import { renderError, renderFailure, renderWarning } from "./error.js";
import { Failures } from "./failures.js";
import { StatusBlock, type Terminal } from "./status-block.js";
import { styleFor } from "./style.js";
import { printDuration, shortName, stripControls } from "./units.js";

/** What a person, or a program in their place, sees of a command that runs goals. */
export interface Renderer {
  event(event: Event): void;
  /** What went wrong besides. */
  error(error: unknown): void;
  warning(text: string): void;
  /** Says what failed, and restores the terminal. Idempotent. */
  end(): void;
}

/** How events are rendered. */
export interface RenderOptions {
  /** A block of what runs, where the stream is a terminal that can have one. */
  readonly bar: boolean;
  readonly logLines: boolean;
  readonly quiet: boolean;
}

/**
 * Renders events as lines, and on a terminal also as a block at its bottom. Consumes events only: what it shows is
 * what any other reader of the stream knows.
 */
export function makeRenderer(stream: Terminal, env: NodeJS.ProcessEnv, how: RenderOptions): Renderer {
  const style = styleFor(stream, env);
  const block =
    how.bar && stream.isTTY === true && !how.quiet && env["TERM"] !== "dumb"
      ? new StatusBlock(stream, style)
      : undefined;
  const failures = new Failures();
  const names = new Map<string, string>();
  let saidHostTools = false;
  const print = (text: string) => (block === undefined ? void stream.write(text) : block.print(text));
  const say = (text: string) => {
    if (!how.quiet) print(`${text}\n`);
  };
  const sayLine = (goal: string, of: string, line: string) => {
    if (how.logLines) say(`${style.dim(`${names.get(goal) ?? ""}${of}>`)} ${stripControls(line)}`);
  };

  const show = (event: Event): void => {
    switch (event.type) {
      case "build-started":
        names.set(event.goal, shortName(event.drvPath));
        showStart(event);
        break;
      case "build-line":
        sayLine(event.goal, "", event.line);
        break;
      case "post-build-hook-started":
        names.set(event.goal, shortName(event.drvPath));
        break;
      case "post-build-hook-line":
        sayLine(event.goal, " (post-build-hook)", event.line);
        break;
      case "build-finished": {
        const mark = event.status === "built" ? style.green("✓") : style.red("✗");
        const how = style.dim(`${ends[event.status] ?? "failed"} in ${printDuration(event.durationMs)}`);
        say(`${mark} ${shortName(event.drvPath)} ${how}`);
        break;
      }
      case "substitution-started":
        if (block === undefined) say(`copying path '${event.path}' from '${event.uri}'`);
        break;
      case "substitution-finished":
        if (event.outcome === "substituted")
          say(`${style.green("✓")} ${shortName(event.path)} ${style.dim(`copied from ${event.uri}`)}`);
        break;
      case "derivation-resolved":
        say(style.dim(`resolved derivation: '${event.drvPath}' -> '${event.resolved}'`));
        break;
      case "waiting-for-lock":
        if (block === undefined)
          say(`waiting for lock on ${event.outputs.map((path) => `'${path}'`).join(", ")}`);
        break;
      case "waiting-for-machine":
        if (block === undefined) say(`waiting for a machine to build '${event.drvPath}'`);
        break;
      case "kept-build-dir":
        print(`note: keeping build directory '${event.path}'\n`);
        break;
      case "message":
        showMessage(event.level, event.text);
        break;
      default:
        break;
    }
  };

  /** On a terminal the block shows what runs; there only what holds for all builds is said, once. */
  const showStart = ({ mode, drvPath, machine, hostTools }: BuildStarted): void => {
    const where = machine === "" ? "" : ` on '${stripControls(machine)}'`;
    if (block === undefined)
      say(`${verbs[mode]} '${drvPath}'${where}${hostTools ? style.dim(" (host tools visible)") : ""}`);
    else if (hostTools && !saidHostTools) say(style.dim("host tools are visible to builders"));
    saidHostTools ||= hostTools;
  };

  const showMessage = (level: Level, text: string): void => {
    if (level === "error") print(renderFailure({ message: text }, env));
    else if (level === "warn") print(renderWarning(text, env));
    else if (level === "notice" || level === "info") say(stripControls(text));
  };

  return {
    event(event) {
      block?.event(event);
      failures.event(event);
      show(event);
    },
    error: (error) => print(renderError(error, env)),
    warning: (text) => print(renderWarning(text, env)),
    end() {
      block?.end();
      print(failures.render(env));
    },
  };
}

type BuildStarted = Extract<Event, { readonly type: "build-started" }>;

/** How a build ended, for a person; what is not here failed. */
const ends: Readonly<Record<string, string>> = {
  built: "built",
  timedOut: "timed out",
  logLimitExceeded: "exceeded the log limit",
  notDeterministic: "is not deterministic",
  outputRejected: "had its output rejected",
};

const verbs = { normal: "building", check: "checking outputs of", repair: "repairing outputs of" } as const;
