import { GoalError, reasonOf } from "../error.js";
import { type LogMessage, tryParseLogMessage } from "../log/messages.js";
import type { BuildHookPort, HookBuild, HookQuestion, HookReply } from "../ports/build-hook.js";
import type { ClockPort } from "../ports/clock.js";
import { buildByHook } from "./build-by-hook.js";
import { HookLines } from "./hook-lines.js";
import type { HookProcess } from "./hook-process.js";
import { encodeHookValues, type HookValue, hookSettings } from "./wire.js";

/** A build hook that is a program. */
export interface ProcessHookOptions {
  /** Starts it; called again when the one before has taken a build over, or died. */
  readonly start: () => Promise<HookProcess>;
  /** All settings, as a configuration file has them: what it reads first. */
  readonly settings: ReadonlyMap<string, string>;
  readonly clock: ClockPort;
}

/** Build hook of Nix's protocol. Close it when nothing is asked any more. */
export interface ProcessHook extends BuildHookPort {
  close(): Promise<void>;
}

type AskOptions = Parameters<BuildHookPort["ask"]>[1];

/** One that answers questions, one at a time. */
interface Asked {
  readonly process: HookProcess;
  readonly lines: HookLines;
  hasSettings: boolean;
}

/**
 * A build hook that speaks Nix's protocol. One that cannot be started, or dies before it has replied, has declined; it is said.
 *
 * @see Nix: src/libstore/build/derivation-goal.cc, `tryBuildHook`
 */
export function makeProcessHook(options: ProcessHookOptions): ProcessHook {
  return new Hook(options);
}

class Hook implements ProcessHook {
  #current: Asked | undefined;
  #before: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: ProcessHookOptions) {}

  /** One question after another: the program reads them so. */
  ask(question: HookQuestion, options: AskOptions): Promise<HookReply> {
    const asked = this.#before.then(() => this.#ask(question, options));
    this.#before = asked.catch(() => undefined);
    return asked;
  }

  async close(): Promise<void> {
    await this.#before;
    await this.#drop();
  }

  async #ask(question: HookQuestion, { signal, tell }: AskOptions): Promise<HookReply> {
    signal.throwIfAborted();
    const kill = () => this.#current?.process.kill("SIGKILL");
    signal.addEventListener("abort", kill, { once: true });
    try {
      const reply = await this.#exchange(question, tell);
      if (!signal.aborted) return reply;
    } catch (error) {
      await this.#drop();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", kill);
    }
    await this.#drop();
    throw signal.reason;
  }

  async #exchange(question: HookQuestion, tell: (message: LogMessage) => void): Promise<HookReply> {
    let asked: Asked;
    try {
      asked = this.#current ??= await this.#start();
    } catch (error) {
      say(tell, `cannot start the build hook: ${reasonOf(error)}`);
      return { reply: "decline-permanently" };
    }
    const { process, lines } = asked;
    const settings = asked.hasSettings ? [] : hookSettings(this.options.settings);
    asked.hasSettings = true;
    try {
      await process.write(encodeHookValues([...settings, ...valuesOf(question)]));
    } catch {
      return this.#died(asked, tell);
    }
    const reply = await readReply(lines, tell);
    switch (reply) {
      case undefined:
        return this.#died(asked, tell);
      case "decline":
      case "postpone":
        return { reply };
      case "decline-permanently":
        await this.#drop();
        return { reply };
      case "accept":
        return this.#accepted(asked);
      default:
        throw new GoalError("ERR_HOOK_PROTOCOL", `bad hook reply '${reply}'`, {
          hint: "a build hook replies `accept`, `decline`, `decline-permanently` or `postpone`",
        });
    }
  }

  async #accepted({ process, lines }: Asked): Promise<HookReply> {
    const machine = await lines.next();
    if (machine === undefined)
      throw new GoalError("ERR_HOOK_PROTOCOL", "unexpected EOF reading a line", {
        hint: "the build hook ended while its machine name was read from it",
      });
    this.#current = undefined;
    const build = (request: HookBuild) => buildByHook({ process, lines }, request, this.options.clock);
    return { reply: "accept", machine, build, abandon: () => process.close() };
  }

  async #start(): Promise<Asked> {
    const process = await this.options.start();
    return { process, lines: new HookLines(process.output), hasSettings: false };
  }

  async #died({ process, lines }: Asked, tell: (message: LogMessage) => void): Promise<HookReply> {
    process.kill("SIGKILL");
    const left: string[] = [];
    for (let line = await lines.next(); line !== undefined; line = await lines.next()) left.push(line);
    const text = [...left, lines.unfinished].join("\n").replace(/\n$/u, "");
    say(tell, `build hook died unexpectedly: ${text}`);
    await this.#drop();
    return { reply: "decline" };
  }

  async #drop(): Promise<void> {
    const dropped = this.#current;
    this.#current = undefined;
    await dropped?.process.close();
  }
}

function valuesOf(question: HookQuestion): readonly HookValue[] {
  const { platform, drvPath, requiredFeatures, amWilling } = question;
  return ["try", amWilling ? 1 : 0, platform, drvPath, requiredFeatures];
}

/** The reply, after what is said before it; `undefined` when the hook has ended. */
async function readReply(lines: HookLines, tell: (message: LogMessage) => void): Promise<string | undefined> {
  for (;;) {
    const line = await lines.next();
    if (line?.startsWith("# ") !== false) return line?.slice(2);
    tell(tryParseLogMessage(line) ?? { action: "msg", level: 2n, msg: line });
  }
}

function say(tell: (message: LogMessage) => void, msg: string): void {
  tell({ action: "msg", level: 0n, msg });
}
