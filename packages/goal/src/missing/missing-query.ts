import { compareText, derivationOptions, type StorePath } from "@drvkit/drv-parser";
import type { SubstitutableInfo } from "../ports/substituter.js";
import type { PathRequest } from "../worker/context.js";
import { type OutputSelection, WantedOutputs } from "../worker/wanted.js";
import { inputsFirst } from "./inputs-first.js";
import { Offers } from "./offers.js";
import type { Missing, QueryMissingOptions } from "./query-missing.js";
import { addressOf, type Wanted, wantedOf } from "./wanted.js";

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
    const read: Wanted[] = [];
    for (const drvPath of drvPaths) {
      const wanted = this.#wanted.get(drvPath);
      if (wanted === undefined || this.#willBuild.has(drvPath)) continue;
      if (valid.has(drvPath)) read.push(wantedOf(drvPath, await store.readDerivation(drvPath), wanted));
      else this.#unknown.add(drvPath);
    }
    const there = await store.queryValidPaths(read.flatMap(({ paths }) => paths));
    await Promise.all(read.map((each) => this.#lookAtDerivation(each, there)));
  }

  async #lookAtDerivation(wanted: Wanted, valid: ReadonlySet<StorePath>): Promise<void> {
    const { drvPath, drv, paths, isKnown } = wanted;
    const missing = paths.filter((path) => !valid.has(path));
    if (isKnown && missing.length === 0) return;
    if (isKnown && this.#maySubstitute(wanted)) {
      const requests = missing.map((path) => ({ path, ca: addressOf(drv, path) }));
      const offers = await Promise.all(requests.map((request) => this.#offers.of(request)));
      if (!offers.includes(undefined)) {
        for (const request of requests) this.wantPath(request);
        return;
      }
    }
    this.#willBuild.set(drvPath, [...drv.inputDrvs.keys()]);
    for (const [input, outputs] of drv.inputDrvs)
      this.wantOutputs(input, outputs.size === 0 ? "all" : outputs);
  }

  #maySubstitute({ drvPath, drv }: Wanted): boolean {
    if (!this.#offers.areAny) return false;
    return this.options.settings.alwaysAllowSubstitutes || derivationOptions(drvPath, drv).allowSubstitutes;
  }
}
