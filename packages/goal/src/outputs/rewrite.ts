import { hashPartOf, type StorePath } from "@drvkit/drv-parser";
import type { GoalContext } from "../worker/context.js";
import type { Collected } from "./collect.js";
import type { Copies } from "./copies.js";

/** Puts final paths in the place of those that outputs had while they were built. What is changed is a copy. */
export class Rewriter {
  /** Final path of each output that got another one. */
  readonly #moved = new Map<StorePath, StorePath>();
  #copied = 0;

  constructor(
    private readonly copies: Copies,
    private readonly cx: GoalContext,
  ) {}

  /** The output, referring to the final paths of the outputs that are finished. */
  withFinalSiblings(output: Collected): Promise<Collected> {
    return this.#rewritten(output, this.#moved);
  }

  /** What refers to one path refers to the other. */
  follow(from: StorePath, to: StorePath): void {
    this.#moved.set(from, to);
  }

  /** The output under its final path; what refers to it later refers to that. */
  async moved(output: Collected, path: StorePath): Promise<Collected> {
    if (path === output.scratch) return output;
    this.follow(output.scratch, path);
    return this.#rewritten(output, new Map([[output.scratch, path]]));
  }

  async #rewritten(output: Collected, paths: ReadonlyMap<StorePath, StorePath>): Promise<Collected> {
    const { trees } = this.cx.ports;
    const found = [...paths].filter(([from]) => output.mentions.has(from));
    if (found.length === 0) return output;
    this.#copied += 1;
    const location = await this.copies.placeOf(`rewritten ${this.#copied}`); // no output has such a name
    const parts = new Map(found.map(([from, to]) => [hashPartOf(from), hashPartOf(to)]));
    await trees.rewrite(output.location, location, parts, this.cx);
    const options = { signal: this.cx.signal };
    const { narHash, narSizeBytes } = await trees.canonicaliseAndScan(location, [], options);
    const moved = (all: ReadonlySet<StorePath>) => new Set([...all].map((path) => paths.get(path) ?? path));
    const [references, mentions] = [moved(output.references), moved(output.mentions)];
    return { ...output, location, narHash, narSizeBytes, references, mentions };
  }
}
