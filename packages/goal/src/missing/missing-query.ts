import {
  compareText,
  type Derivation,
  derivationOptions,
  outputPathsOf,
  type StorePath,
} from "@drvkit/drv-parser";
import {
  areWantedKnown,
  inputRequests,
  pathRequests,
  refuseUnknownNames,
  wantedOutputs,
} from "../goals/derivation/wanted.js";
import type { SubstitutableInfo } from "../ports/substituter.js";
import type { PathRequest } from "../worker/context.js";
import { type OutputSelection, WantedOutputs } from "../worker/wanted.js";
import { inputsFirst } from "./inputs-first.js";
import { Offers } from "./offers.js";
import type { Missing, QueryMissingOptions } from "./query-missing.js";

/** Works in waves: everything that is known to be of interest is asked of the store at once. */
export class MissingQuery {
  readonly #willBuild = new Map<StorePath, readonly StorePath[]>();
  readonly #willSubstitute = new Map<StorePath, SubstitutableInfo>();
  readonly #unknown = new Set<StorePath>();
  readonly #seenPaths = new Set<StorePath>();
  readonly #wanted = new Map<StorePath, WantedOutputs>();
  readonly #offers: Offers;
  readonly #signal: AbortSignal;
  #paths: PathRequest[] = [];
  #derivations = new Set<StorePath>();

  constructor(private readonly options: QueryMissingOptions) {
    this.#signal = options.signal ?? new AbortController().signal;
    this.#offers = new Offers(options, this.#signal);
  }

  wantPath(request: PathRequest): void {
    if (this.#seenPaths.has(request.path)) return;
    this.#seenPaths.add(request.path);
    this.#paths.push(request);
  }

  /** A derivation is looked at again only for outputs that nobody wanted before. */
  wantOutputs(drvPath: StorePath, outputs: OutputSelection): void {
    if (this.#willBuild.has(drvPath)) return;
    const wanted = this.#wanted.get(drvPath) ?? new WantedOutputs(new Set());
    const { version } = wanted;
    wanted.add(outputs);
    if (this.#wanted.has(drvPath) && wanted.version === version) return;
    this.#wanted.set(drvPath, wanted);
    this.#derivations.add(drvPath);
  }

  async run(): Promise<void> {
    while (this.#paths.length > 0 || this.#derivations.size > 0) {
      this.#signal.throwIfAborted();
      const [paths, derivations] = [this.#paths, this.#derivations];
      this.#paths = [];
      this.#derivations = new Set();
      await this.#lookAtPaths(paths);
      await this.#lookAtDerivations(derivations);
    }
  }

  missing(): Missing {
    const infos = [...this.#willSubstitute.values()];
    return {
      willBuild: inputsFirst(this.#willBuild),
      willSubstitute: [...this.#willSubstitute.keys()].sort(compareText),
      unknown: [...this.#unknown].sort(compareText),
      downloadSizeBytes: infos.reduce((sum, info) => sum + (info.downloadSizeBytes ?? 0), 0),
      narSizeBytes: infos.reduce((sum, info) => sum + info.narSizeBytes, 0),
    };
  }

  async #lookAtPaths(requests: readonly PathRequest[]): Promise<void> {
    const valid = await this.options.ports.store.queryValidPaths(requests.map(({ path }) => path));
    await Promise.all(
      requests.filter(({ path }) => !valid.has(path)).map((request) => this.#lookAtPath(request)),
    );
  }

  async #lookAtPath(request: PathRequest): Promise<void> {
    const offer = await this.#offers.of(request);
    if (offer === undefined) this.#unknown.add(request.path);
    else this.#willSubstitute.set(request.path, offer);
    for (const path of offer?.references ?? []) this.wantPath({ path });
  }

  async #lookAtDerivations(drvPaths: Iterable<StorePath>): Promise<void> {
    const { store } = this.options.ports;
    const valid = await store.queryValidPaths(drvPaths);
    const read: Read[] = [];
    for (const drvPath of drvPaths) {
      const wanted = this.#wanted.get(drvPath);
      if (wanted === undefined || this.#willBuild.has(drvPath)) continue;
      if (valid.has(drvPath)) read.push({ drvPath, wanted, drv: await store.readDerivation(drvPath) });
      else this.#unknown.add(drvPath);
    }
    for (const each of read) refuseUnknownNames(each, each.drv);
    const outputs = read.flatMap((each) => [...wantedOutputs(each, outputPathsOf(each.drv)).values()]);
    const there = await store.queryValidPaths(outputs);
    await Promise.all(read.map((each) => this.#lookAtDerivation(each, there)));
  }

  async #lookAtDerivation(read: Read, valid: ReadonlySet<StorePath>): Promise<void> {
    const { drvPath, drv } = read;
    if (areWantedKnown(read, outputPathsOf(drv))) {
      const missing = pathRequests(read, drv).filter(({ path }) => !valid.has(path));
      if (missing.length === 0) return;
      if (this.#maySubstitute(read) && (await this.#areOffered(missing))) {
        for (const request of missing) this.wantPath(request);
        return;
      }
    }
    const inputs = inputRequests(drv);
    this.#willBuild.set(
      drvPath,
      inputs.map((input) => input.drvPath),
    );
    for (const input of inputs) this.wantOutputs(input.drvPath, input.outputs);
  }

  async #areOffered(requests: readonly PathRequest[]): Promise<boolean> {
    const offers = await Promise.all(requests.map((request) => this.#offers.of(request)));
    return !offers.includes(undefined);
  }

  #maySubstitute({ drvPath, drv }: Read): boolean {
    if (!this.#offers.areAny) return false;
    return this.options.settings.alwaysAllowSubstitutes || derivationOptions(drvPath, drv).allowSubstitutes;
  }
}

/** A derivation that was read, and what is wanted of it. */
interface Read {
  readonly drvPath: StorePath;
  readonly wanted: WantedOutputs;
  readonly drv: Derivation;
}
