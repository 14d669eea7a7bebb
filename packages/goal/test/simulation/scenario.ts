import type { StorePath } from "@drvkit/drv-parser";
import { parseStorePath } from "@drvkit/drv-parser";
import {
  addRecipe,
  FakeSubstituter,
  type MemoryPorts,
  MemoryStore,
  memoryPorts,
  outputsByName,
} from "../../src/testing/index.js";
import type { Random } from "./random.js";

/** What substituters have of a derivation. `forever`: one of its references is nowhere; `inputs`: they are outputs of its inputs. */
export type Offer = "none" | "whole" | "first" | "lies" | "broken" | "gone" | "forever" | "inputs";

export interface Input {
  readonly node: Node;
  readonly outputs: readonly string[];
}

/** A derivation and what fate has for it. */
export interface Node {
  readonly drvPath: StorePath;
  readonly outputs: Readonly<Record<string, StorePath>>;
  readonly inputs: readonly Input[];
  readonly fate: "succeeds" | "fails" | "is killed";
  readonly durationMs: number;
  readonly offer: Offer;
  /** Whether its sources can be had. */
  readonly sources: "good" | "damaged";
  /** Outputs that are valid from the start. */
  readonly valid: readonly string[];
  /** Another process holds its locks from the start. */
  readonly other: { readonly untilMs: number; readonly makesIt: boolean } | undefined;
}

export interface Scenario {
  readonly ports: MemoryPorts & { readonly substituters: readonly FakeSubstituter[] };
  readonly nodes: readonly Node[];
  readonly requests: readonly Input[];
  readonly settings: {
    readonly maxJobs: number;
    readonly maxSubstitutionJobs: number;
    readonly keepGoing: boolean;
    readonly fallback: boolean;
    readonly substitute: boolean;
    readonly pollIntervalMs: number;
  };
  /** When somebody interrupts the run. */
  readonly interruptMs: number | undefined;
}

const nowhere = parseStorePath("/nix/store" as never, `/nix/store/${"z".repeat(32)}-nowhere`);

/** `evalRandom`: says whether there is an evaluation store, and which sources derivations have then. */
export function makeScenario(random: Random, size: number, evalRandom: Random): Scenario {
  const ports = {
    ...memoryPorts(),
    ...(evalRandom.chance(0.3) ? { evalStore: new MemoryStore() } : {}),
    substituters: [new FakeSubstituter(), new FakeSubstituter({ priority: 1 })],
  };
  // In a run without troubles everything has to come to pass; in others much fails early.
  const trouble = random.pick([0, 0.02, 0.1, 0.3]);
  const [first, second] = ports.substituters as [FakeSubstituter, FakeSubstituter];
  const oneIsDead = random.chance(0.2);
  if (oneIsDead) second.behaviour = "throws";
  const caches = oneIsDead ? [first] : [first, second];
  const nodes: Node[] = [];
  const sources = new Sources(ports, evalRandom, trouble);
  for (let index = 0; index < size; index += 1)
    nodes.push(makeNode(random, { ports, caches, nodes, trouble, index, sources }));
  const wanted = random.some(nodes, random.pick([3 / size, 0.3]));
  return {
    ports,
    nodes,
    requests: [...wanted, nodes.at(-1) as Node].map((node) => ({ node, outputs: someOutputs(random, node) })),
    settings: {
      maxJobs: 1 + random.below(4),
      maxSubstitutionJobs: 1 + random.below(3),
      keepGoing: random.chance(0.7),
      fallback: random.chance(0.4),
      substitute: random.chance(0.8),
      pollIntervalMs: 50,
    },
    interruptMs: random.chance(0.15) ? random.below(size * 20) : undefined,
  };
}

interface Making {
  readonly ports: Scenario["ports"];
  /** Those that answer. */
  readonly caches: readonly FakeSubstituter[];
  readonly nodes: readonly Node[];
  readonly trouble: number;
  readonly index: number;
  readonly sources: Sources;
}

interface Text {
  readonly path: StorePath;
  readonly isDamaged: boolean;
}

/** Texts of an evaluation store, some of which refer to others, lie in the store as well, or were changed. */
class Sources {
  readonly #texts: Text[] = [];

  constructor(
    private readonly ports: Scenario["ports"],
    private readonly random: Random,
    private readonly trouble: number,
  ) {}

  /** For one derivation; none where there is one store. */
  some(): { readonly paths: readonly StorePath[]; readonly fate: Node["sources"] } {
    const { evalStore } = this.ports;
    if (evalStore === undefined) return { paths: [], fate: "good" };
    if (this.random.chance(0.5)) this.#add(evalStore);
    const chosen = this.#few(5);
    const isDamaged = chosen.some((each) => each.isDamaged);
    return { paths: chosen.map(({ path }) => path), fate: isDamaged ? "damaged" : "good" };
  }

  /** Fewer than that, each once. */
  #few(limit: number): readonly Text[] {
    const picked = Array.from({ length: this.random.below(limit) }, () =>
      this.random.below(this.#texts.length),
    );
    return [...new Set(picked)].flatMap((at) => this.#texts[at] ?? []);
  }

  #add(evalStore: MemoryStore): void {
    const references = this.#few(3);
    const [name, text] = [`source-${this.#texts.length}`, `source of ${this.#texts.length}`];
    const paths = references.map(({ path }) => path);
    const path = evalStore.addText(name, text, paths);
    const isWhole = references.every(({ isDamaged }) => !isDamaged);
    if (references.length === 0 && this.random.chance(0.2)) this.ports.store.addText(name, text);
    const isKnown =
      references.length === 0 && this.ports.store.trees.get(this.ports.store.realPathOf(path)) !== undefined;
    const isDamaged = !isKnown && (this.random.chance(this.trouble / 4) || !isWhole);
    if (isDamaged && isWhole) evalStore.trees.put(evalStore.realPathOf(path), "changed");
    this.#texts.push({ path, isDamaged });
  }
}

const troubles: readonly Offer[] = ["first", "lies", "broken", "gone", "forever", "inputs"];

function makeNode(random: Random, { ports, caches, nodes, trouble, index, sources }: Making): Node {
  const names = random.chance(0.3) ? ["out", "dev"] : ["out"];
  const inputs = inputsOf(random, nodes);
  const recipes = ports.evalStore ?? ports.store;
  const { paths, fate } = sources.some();
  const drvPath = addRecipe(recipes, {
    name: `n${random.below(1000)}-${index}`, // the order of keys is not that of the graph
    outputs: names,
    inputs: inputs.map(({ node, outputs }) => [node.drvPath, ...outputs] as const),
    sources: paths,
  });
  const node: Node = {
    drvPath,
    outputs: outputsByName(recipes, drvPath),
    inputs,
    sources: fate,
    fate: random.chance(trouble) ? random.pick(["fails", "is killed"]) : "succeeds",
    durationMs: random.below(200),
    offer: random.chance(trouble) ? random.pick(troubles) : random.chance(0.1) ? "whole" : "none",
    valid: random.chance(0.05) ? random.some(names, 0.7) : [],
    other: random.chance(trouble / 3)
      ? { untilMs: random.below(2000), makesIt: random.chance(0.5) }
      : undefined,
  };
  offer(random.pick(caches), node);
  return node;
}

/** Mostly near ones: deep graphs, and some wide ones. */
function inputsOf(random: Random, nodes: readonly Node[]): readonly Input[] {
  const inputs = new Map<Node, Input>();
  for (let left = random.below(4); left > 0 && nodes.length > 0; left -= 1) {
    const back = random.chance(0.7) ? random.below(Math.min(nodes.length, 8)) : random.below(nodes.length);
    const node = nodes[nodes.length - 1 - back] as Node;
    inputs.set(node, { node, outputs: someOutputs(random, node) });
  }
  return [...inputs.values()];
}

function someOutputs(random: Random, node: Node): readonly string[] {
  const names = Object.keys(node.outputs);
  const some = random.some(names, 0.6);
  return some.length === 0 ? names.slice(0, 1) : some;
}

function offer(cache: FakeSubstituter, node: Node): void {
  if (node.offer === "none") return;
  const paths = Object.values(node.outputs);
  for (const path of node.offer === "first" ? paths.slice(0, 1) : paths) {
    cache.offer(path, `made by ${node.drvPath}\n`, { references: new Set(referencesOf(node)) });
    if (node.offer === "lies" || node.offer === "broken" || node.offer === "gone")
      cache.behaviours.set(path, node.offer);
  }
}

function referencesOf(node: Node): readonly StorePath[] {
  if (node.offer === "forever") return [nowhere];
  return node.offer === "inputs" ? inputPathsNobodyOffers(node) : [];
}

/** What an offer of the kind `inputs` refers to. */
export function inputPathsNobodyOffers({ inputs }: Node): readonly StorePath[] {
  return inputs
    .filter(({ node }) => node.offer === "none")
    .flatMap(({ node, outputs }) => outputs.map((name) => node.outputs[name] as StorePath));
}
