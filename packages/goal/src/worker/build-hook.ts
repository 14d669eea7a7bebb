import type { BuildHookPort, HookQuestion, HookReply } from "../ports/build-hook.js";

/** The build hook of a worker, until it wants nothing more to do with it. */
export class BuildHook {
  #port: BuildHookPort | undefined;

  constructor(port: BuildHookPort | undefined) {
    this.#port = port;
  }

  /** Nobody need be asked. */
  get isOff(): boolean {
    return this.#port === undefined;
  }

  async ask(question: HookQuestion, options: Parameters<BuildHookPort["ask"]>[1]): Promise<HookReply> {
    const reply: HookReply = (await this.#port?.ask(question, options)) ?? { reply: "decline" };
    if (reply.reply === "decline-permanently") this.#port = undefined;
    return reply;
  }
}
