import type { Event, Level } from "@drvkit/goal";
import { renderFailure, renderWarning } from "./error.js";
import { StatusBlock, type Terminal } from "./status-block.js";
import { styleFor } from "./style.js";
import { printDuration, shortName, stripControls } from "./units.js";

/** What a person sees of a run. */
export interface Renderer {
  event(event: Event): void;
  /** Restores the terminal. Idempotent. */
  end(): void;
}

type Failed = Extract<Extract<Event, { type: "goal-done" }>["result"], { readonly errorMessage: string }>;

/**
 * Renders events as lines, and on a terminal also as a block at its bottom. Consumes events only: what it shows is
 * what any other reader of the stream knows.
 */
export function makeRenderer(
  stream: Terminal,
  env: NodeJS.ProcessEnv,
  how: { readonly logLines: boolean; readonly quiet: boolean },
): Renderer {
  const style = styleFor(stream, env);
  const block =
    stream.isTTY === true && !how.quiet && env["TERM"] !== "dumb"
      ? new StatusBlock(stream, style)
      : undefined;
  const failures: Failed[] = [];
  const names = new Map<string, string>();
  let saidHostTools = false;
  const print = (text: string) => (block === undefined ? void stream.write(text) : block.print(text));
  const say = (text: string) => {
    if (!how.quiet) print(`${text}\n`);
  };

  const show = (event: Event): void => {
    switch (event.type) {
      case "build-started":
        names.set(event.goal, shortName(event.drvPath));
        showStart(event);
        break;
      case "build-line":
        if (how.logLines) say(`${style.dim(`${names.get(event.goal) ?? ""}>`)} ${stripControls(event.line)}`);
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
        say(`waiting for lock on ${event.outputs.map((path) => `'${path}'`).join(", ")}`);
        break;
      case "kept-build-dir":
        print(`note: keeping build directory '${event.path}'\n`);
        break;
      case "message":
        showMessage(event.level, event.text);
        break;
      case "goal-done":
        if ("errorMessage" in event.result) failures.push(event.result);
        break;
      default:
        break;
    }
  };

  /** On a terminal the block shows what runs; there only what holds for all builds is said, once. */
  const showStart = ({ mode, drvPath, hostTools }: Extract<Event, { type: "build-started" }>): void => {
    if (block === undefined)
      say(`${verbs[mode]} '${drvPath}'${hostTools ? style.dim(" (host tools visible)") : ""}`);
    else if (hostTools && !saidHostTools) say(style.dim("host tools are visible to builders"));
    saidHostTools ||= hostTools;
  };

  const showMessage = (level: Level, text: string): void => {
    if (level === "error") print(renderFailure({ message: text }, env));
    else if (level === "warn") print(renderWarning(text, env));
    else if (level === "notice" || level === "info") say(text);
  };

  /** Each failure once, what failed by itself before what failed because of it. */
  const summary = () => {
    block?.end();
    const derived = failures.filter((failure) => failure.status === "dependencyFailed");
    for (const failure of [...failures.filter((each) => !derived.includes(each)), ...derived])
      print(
        renderFailure({ message: failure.errorMessage, code: failure.errorCode, hint: failure.hint }, env),
      );
    failures.length = 0;
  };

  return {
    event(event) {
      block?.event(event);
      show(event);
    },
    end: summary,
  };
}

/** How a build ended, for a person; what is not here failed. */
const ends: Readonly<Record<string, string>> = {
  built: "built",
  timedOut: "timed out",
  logLimitExceeded: "exceeded the log limit",
  notDeterministic: "is not deterministic",
  outputRejected: "had its output rejected",
};

const verbs = { normal: "building", check: "checking outputs of", repair: "repairing outputs of" } as const;
