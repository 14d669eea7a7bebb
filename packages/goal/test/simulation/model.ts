import { type Input, inputPathsNobodyOffers, type Node, type Scenario } from "./scenario.js";

/** What comes of a request when everything is gone through to the end; `either`: it depends on what comes first. */
export type Verdict = "good" | "bad" | "either";

/** The plain recursive meaning of a scenario: no worker, no order, no time. */
export class Model {
  readonly #known = new Map<string, Verdict>();

  /** Inputs come before what needs them: gone through in this order nothing is deep. */
  constructor(private readonly scenario: Scenario) {
    for (const node of scenario.nodes) {
      const names = Object.keys(node.outputs);
      for (const outputs of [names, ...names.map((name) => [name])]) this.of({ node, outputs });
    }
  }

  /** A goal may be asked for more outputs while it runs: where that could matter the verdict is open. */
  of({ node, outputs }: Input): Verdict {
    const key = `${node.drvPath} ${outputs.join(" ")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const some = this.#wanted(node, outputs);
    const all = this.#wanted(node, Object.keys(node.outputs));
    const verdict = some === all ? some : "either";
    this.#known.set(key, verdict);
    return verdict;
  }

  #wanted(node: Node, outputs: readonly string[]): Verdict {
    const missing = outputs.filter((name) => !node.valid.includes(name));
    if (missing.length === 0) return "good";
    const alone = this.#alone(node, missing);
    return node.other?.makesIt === true && alone !== "good" ? "either" : alone;
  }

  #alone(node: Node, missing: readonly string[]): Verdict {
    if (!this.scenario.settings.substitute) return this.#built(node);
    switch (node.offer) {
      case "whole":
        return "good";
      case "first":
        return missing.every((name) => name === Object.keys(node.outputs)[0]) ? "good" : this.#built(node);
      case "lies":
      case "broken":
        return this.scenario.settings.fallback ? this.#built(node) : "bad";
      case "inputs":
        return this.#obtained(node);
      default:
        return this.#built(node);
    }
  }

  /** What was offered can be had once the inputs are there, or before if they are there by chance. */
  #obtained(node: Node): Verdict {
    if (inputPathsNobodyOffers(node).length === 0) return "good";
    return this.#inputs(node) === "good" ? "good" : "either";
  }

  #built(node: Node): Verdict {
    const inputs = this.#inputs(node);
    if (node.fate !== "succeeds" || node.sources === "damaged") return "bad";
    return inputs;
  }

  #inputs(node: Node): Verdict {
    if (node.sources === "damaged") return "bad"; // they come first
    const verdicts = node.inputs.map((input) => this.of(input));
    if (verdicts.includes("bad")) return "bad";
    return verdicts.includes("either") ? "either" : "good";
  }
}
