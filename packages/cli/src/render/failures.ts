import type { Event } from "@drvkit/goal";
import { renderDifferences } from "./differences.js";
import { renderFailure } from "./error.js";
import { type Style, styleFor } from "./style.js";
import { shortName } from "./units.js";

type EventOf<Type extends Event["type"]> = Extract<Event, { readonly type: Type }>;
type FailedBuild = Extract<EventOf<"goal-done">["result"], { readonly errorMessage: string }>;
type FailedPath = Extract<EventOf<"substitution-done">["result"], { readonly errorMessage: string }>;

/** How many causes a line names. */
const mostNames = 3;

/** What failed in a run: each once, what failed by itself before what failed because of it. */
export class Failures {
  readonly #builds: FailedBuild[] = [];
  readonly #paths = new Map<string, { readonly goal: string; readonly result: FailedPath }>();
  readonly #waitedFor = new Set<string>();

  event(event: Event): void {
    if (event.type === "goal-waits") for (const goal of event.for) this.#waitedFor.add(goal);
    else if (event.type === "goal-done") {
      if ("errorMessage" in event.result) this.#builds.push(event.result);
    } else if (event.type === "substitution-done") {
      const { goal, result } = event;
      if (result.exit !== "success") this.#paths.set(result.path, { goal, result });
    }
  }

  /** The text of all of them, which are forgotten then. */
  render(env: NodeJS.ProcessEnv): string {
    const causes = this.#builds.filter((failure) => !isConsequence(failure));
    const consequences = this.#builds.filter(isConsequence);
    const named = new Set<string>(consequences.flatMap(({ failedDependencies = [] }) => failedDependencies));
    const style = styleFor(process.stderr, env);
    const text = [
      ...causes.map((failure) => renderCause(failure, env)),
      ...this.#pathsOfTheirOwn(named).map((failure) => renderFailure(asFailure(failure), env)),
      ...consequences.map((failure) => renderConsequence(failure, style)),
    ].join("");
    this.#builds.length = 0;
    this.#paths.clear();
    this.#waitedFor.clear();
    return text;
  }

  /** That a path cannot be had matters when it was asked for itself, or when a build failed because of it. */
  #pathsOfTheirOwn(named: ReadonlySet<string>): readonly FailedPath[] {
    return [...this.#paths.values()]
      .filter(({ goal, result }) => !this.#waitedFor.has(goal) || named.has(result.path))
      .map(({ result }) => result);
  }
}

function isConsequence({ failedDependencies = [] }: FailedBuild): boolean {
  return failedDependencies.length > 0;
}

function renderCause(failure: FailedBuild, env: NodeJS.ProcessEnv): string {
  const { message, ...rest } = asFailure(failure);
  const command = `drv log ${failure.drvPath}`;
  const hasLog = failure.logTail !== undefined && failure.logTail.length > 0;
  const log = hasLog && !message.includes(command) ? `\nFor full logs, run '${command}'.` : "";
  const differences = renderDifferences(failure.differences ?? [], styleFor(process.stderr, env));
  return `${renderFailure({ ...rest, message: `${message}${log}` }, env)}${differences}`;
}

function renderConsequence({ drvPath, failedDependencies = [] }: FailedBuild, style: Style): string {
  const names = failedDependencies.map(shortName);
  const more = names.length > mostNames ? ` and ${names.length - mostNames} more` : "";
  return `${style.red("✗")} ${shortName(drvPath)} not built, because of ${names.slice(0, mostNames).join(", ")}${more}\n`;
}

function asFailure({ errorMessage: message, errorCode: code, hint }: FailedBuild | FailedPath) {
  return { message, code, hint };
}
