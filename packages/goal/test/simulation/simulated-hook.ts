import type { StorePath } from "@drvkit/drv-parser";
import type { BuildHookPort, ExitStatus, HookBuild, HookReply } from "../../src/index.js";
import { archiveOf, pathInfoOf } from "../../src/testing/index.js";
import type { Random } from "./random.js";
import type { Node } from "./scenario.js";

/** What the world of a run gives to its hook. */
interface HookWorld {
  readonly random: Random;
  readonly nodeOf: (drvPath: StorePath) => Node;
  readonly pause: () => Promise<void>;
  readonly after: (ms: number, callback: () => void) => void;
}

/** A hook that answers as it likes, and builds as fate has it. */
export class SimulatedHook implements BuildHookPort {
  /** Derivations that it has built to their end. */
  readonly finished: StorePath[] = [];
  #building = 0;

  constructor(private readonly world: HookWorld) {}

  get building(): number {
    return this.#building;
  }

  async ask({ drvPath }: { readonly drvPath: StorePath }): Promise<HookReply> {
    await this.world.pause();
    const { random } = this.world;
    if (random.chance(0.01)) return { reply: "decline-permanently" };
    if (random.chance(0.2)) return { reply: "postpone" };
    if (random.chance(0.5)) return { reply: "decline" };
    return {
      reply: "accept",
      machine: "far",
      build: (request) => this.#build(this.world.nodeOf(drvPath), request),
    };
  }

  async #build(node: Node, request: HookBuild): Promise<ExitStatus> {
    this.#building += 1;
    try {
      await request.write(new TextEncoder().encode("far away\n"));
      await new Promise<void>((resolve) => {
        this.world.after(node.durationMs, resolve);
        request.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      if (request.signal.aborted) return { kind: "signalled", signal: 15 };
      if (node.fate === "is killed") return { kind: "signalled", signal: 9 };
      if (node.fate === "fails") return { kind: "exited", code: 100 };
      for (const name of request.outputs) await this.#bring(node, node.outputs[name] as StorePath, request);
      this.finished.push(node.drvPath);
      return { kind: "exited", code: 0 };
    } finally {
      this.#building -= 1;
    }
  }

  async #bring(node: Node, path: StorePath, { add }: HookBuild): Promise<void> {
    const archive = archiveOf(`made by ${node.drvPath}\n`);
    const bytes = async function* () {
      yield archive;
    };
    await add(pathInfoOf(path, archive), bytes());
  }
}
