import type { DynamicInput } from "../derivation/derivation.js";
import { HashModuloCache } from "../modulo.js";
import type { OutputName } from "../store-path/name.js";
import type { StorePath } from "../store-path/store-path.js";
import type { AuthoredDerivation } from "./authored.js";
import { type Dependency, type DerivationFile, DynamicOutput, Output, Source, type Text } from "./text.js";

interface Node {
  readonly outputs: Set<OutputName>;
  readonly dynamicOutputs: Map<OutputName, Node>;
}

const noNode = (): Node => ({ outputs: new Set(), dynamicOutputs: new Map() });

/** Everything that the texts of one derivation depend on. */
export class Context {
  /** Derivations that are named in whatever way. */
  readonly #derivations = new Map<StorePath, AuthoredDerivation>();
  /** What is wanted of their outputs. */
  readonly #wanted = new Map<StorePath, Node>();
  readonly #sources = new Map<StorePath, Source>();
  readonly #sourcePaths = new Set<StorePath>();

  /** The bare bytes; what they depend on is remembered. */
  take(text: Text): Uint8Array {
    for (const dependency of text.dependencies) this.#add(dependency);
    return text.bytes;
  }

  inputDrvs(): ReadonlyMap<StorePath, ReadonlySet<OutputName>> {
    return new Map([...this.#wanted].map(([path, { outputs }]) => [path, outputs]));
  }

  dynamicInputs(): ReadonlyMap<StorePath, ReadonlyMap<OutputName, DynamicInput>> | undefined {
    const nested = [...this.#wanted].filter(([, { dynamicOutputs }]) => dynamicOutputs.size > 0);
    return nested.length === 0
      ? undefined
      : new Map(nested.map(([path, { dynamicOutputs }]) => [path, dynamicOutputs]));
  }

  inputSrcs(): ReadonlySet<StorePath> {
    return this.#sourcePaths;
  }

  derivations(): readonly AuthoredDerivation[] {
    return [...this.#derivations.values()];
  }

  sources(): readonly Source[] {
    return [...this.#sources.values()];
  }

  /** Hashes of the direct inputs: all that is needed of what lies below. */
  cache(): HashModuloCache {
    const cache = new HashModuloCache();
    for (const [path, { modulo }] of this.#derivations) cache.set(path, modulo);
    return cache;
  }

  #add(dependency: Dependency): void {
    if (dependency instanceof Source) this.#addSource(dependency);
    else if (dependency instanceof Output) this.#nodeOf(dependency.derivation).outputs.add(dependency.name);
    else if (dependency instanceof DynamicOutput)
      this.#dynamicNodeOf(dependency.of).outputs.add(dependency.name);
    else if (dependency.closure) this.#addClosure(dependency);
    else {
      this.#derivations.set(dependency.derivation.drvPath, dependency.derivation);
      this.#sourcePaths.add(dependency.derivation.drvPath);
    }
  }

  #addSource(source: Source): void {
    this.#sources.set(source.path, source);
    this.#sourcePaths.add(source.path);
  }

  #nodeOf(derivation: AuthoredDerivation): Node {
    const node = this.#wanted.get(derivation.drvPath) ?? noNode();
    this.#wanted.set(derivation.drvPath, node);
    this.#derivations.set(derivation.drvPath, derivation);
    return node;
  }

  /** What is wanted of the derivation that this output is. */
  #dynamicNodeOf(output: Output | DynamicOutput): Node {
    const parent =
      output instanceof Output ? this.#nodeOf(output.derivation) : this.#dynamicNodeOf(output.of);
    const node = parent.dynamicOutputs.get(output.name) ?? noNode();
    parent.dynamicOutputs.set(output.name, node);
    return node;
  }

  /** All that a derivation file refers to, however far: with it whoever has the file can build it. */
  #addClosure(file: DerivationFile): void {
    const seen = new Set<AuthoredDerivation | Source>();
    const rest: (AuthoredDerivation | Source)[] = [file.derivation];
    for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      if (next instanceof Source) {
        this.#addSource(next);
        rest.push(...next.references);
        continue;
      }
      this.#sourcePaths.add(next.drvPath);
      for (const name of next.derivation.outputs.keys()) this.#nodeOf(next).outputs.add(name);
      rest.push(...next.inputs, ...next.sources);
    }
  }
}
