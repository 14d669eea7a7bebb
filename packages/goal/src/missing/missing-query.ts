import { compareText, type DerivationOutline, derivationOptions, type StorePath } from "@drvkit/drv-parser";
import { outputIds, usesRealisations } from "../goals/derivation/realisations.js";
import { unknownOutputs } from "../goals/derivation/wanted.js";
import type { SubstitutableInfo } from "../ports/substituter.js";
import type { PathRequest } from "../worker/context.js";
import { type DerivationReads, derivationReadsOf } from "../worker/derivation-store.js";
import { type OutputSelection, WantedOutputs } from "../worker/wanted.js";
import { inputsFirst, type ToBuild } from "./inputs-first.js";
import { Offers } from "./offers.js";
import type { Missing, QueryMissingOptions } from "./query-missing.js";

/** Works in waves: everything that is known to be of interest is asked of the store at once. */
export class MissingQuery {
  readonly #willSubstitute = new Map<StorePath, SubstitutableInfo>();
  readonly #unknown = new Set<StorePath>();
  readonly #seenPaths = new Set<StorePath>();
  readonly #derivations = new Map<StorePath, Wanted>();
  readonly #offers: Offers;
  readonly #derivationStore: DerivationReads;
  readonly #signal: AbortSignal;
  #nextPaths: PathRequest[] = [];
  #nextDerivations = new Set<Wanted>();

  constructor(private readonly options: QueryMissingOptions) {
    this.#signal = options.signal ?? new AbortController().signal;
    this.#derivationStore = derivationReadsOf(options.ports);
    this.#offers = new Offers(options, this.#signal);
  }

  wantPath(request: PathRequest): void {
    if (this.#seenPaths.has(request.path)) return;
    this.#seenPaths.add(request.path);
    this.#nextPaths.push(request);
  }

  /** A derivation is looked at again only for outputs that nobody wanted before. */
  wantOutputs(drvPath: StorePath, outputs: OutputSelection): Wanted {
    const known = this.#derivations.get(drvPath);
    if (known === undefined) {
      const added = { drvPath, wanted: new WantedOutputs(outputs), inputs: [], isToBuild: false };
      this.#derivations.set(drvPath, added);
      this.#nextDerivations.add(added);
      return added;
    }
    if (known.isToBuild) return known;
    const { version } = known.wanted;
    known.wanted.add(outputs);
    if (known.wanted.version !== version) this.#nextDerivations.add(known);
    return known;
  }

  async run(): Promise<void> {
    while (this.#nextPaths.length > 0 || this.#nextDerivations.size > 0) {
      this.#signal.throwIfAborted();
      const [paths, derivations] = [this.#nextPaths, this.#nextDerivations];
      this.#nextPaths = [];
      this.#nextDerivations = new Set();
      await this.#lookAtPaths(paths);
      await this.#lookAtDerivations([...derivations]);
    }
  }

  missing(): Missing {
    const infos = [...this.#willSubstitute.values()];
    return {
      willBuild: inputsFirst([...this.#derivations.values()].filter(({ isToBuild }) => isToBuild)),
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

  async #lookAtDerivations(derivations: readonly Wanted[]): Promise<void> {
    const outlines = await this.#derivationStore.queryDerivationOutlines(
      derivations.map(({ drvPath }) => drvPath),
    );
    const seen: Seen[] = [];
    for (const derivation of derivations) {
      const outline = outlines.get(derivation.drvPath);
      if (derivation.isToBuild) continue;
      if (outline === undefined) this.#unknown.add(derivation.drvPath);
      else seen.push({ derivation, outline });
    }
    seen.forEach(refuseUnknown);
    await this.#lookAtOutlined(await Promise.all(seen.map((each) => this.#withRealisations(each))));
  }

  async #lookAtOutlined(seen: readonly Seen[]): Promise<void> {
    const { store } = this.options.ports;
    const valid = await store.queryValidPaths(seen.flatMap(wantedPaths));
    const undecided = seen.filter((each) => !this.#isDecided(each, valid));
    await Promise.all(undecided.map((each) => this.#askSubstituters(each, valid)));
  }

  /** What the derivation does not state, the store may have learnt by building it. */
  async #withRealisations(seen: Seen): Promise<Seen> {
    if (!usesRealisations(this.options) || areAllKnown(seen)) return seen;
    const { store } = this.options.ports;
    const ids = await outputIds(seen.derivation.drvPath, this.#derivationStore);
    const outputs = await Promise.all(
      seen.outline.outputs.map(async (output) => {
        const id = output.path === undefined ? ids.get(output.name) : undefined;
        const path = id && (await store.queryRealisation(id))?.outPath;
        return path === undefined ? output : { ...output, path };
      }),
    );
    return { ...seen, outline: { ...seen.outline, outputs } };
  }

  /** Decides as far as the store alone can. */
  #isDecided(seen: Seen, valid: ReadonlySet<StorePath>): boolean {
    const known = areAllKnown(seen);
    if (known && wantedPaths(seen).every((path) => valid.has(path))) return true;
    if (known && this.#offers.areAny) return false;
    this.#wantInputs(seen);
    return true;
  }

  async #askSubstituters(seen: Seen, valid: ReadonlySet<StorePath>): Promise<void> {
    const missing = missingOutputs(seen, valid);
    if ((await this.#maySubstitute(seen)) && (await this.#areOffered(missing)))
      for (const request of missing) this.wantPath(request);
    else this.#wantInputs(seen);
  }

  #wantInputs({ derivation, outline }: Seen): void {
    derivation.isToBuild = true;
    derivation.inputs = outline.inputs.map(({ drvPath, outputs }) =>
      this.wantOutputs(drvPath, outputs.size === 0 ? "all" : outputs),
    );
  }

  async #areOffered(requests: readonly PathRequest[]): Promise<boolean> {
    const offers = await Promise.all(requests.map((request) => this.#offers.of(request)));
    return !offers.includes(undefined);
  }

  async #maySubstitute({ derivation: { drvPath }, outline }: Seen): Promise<boolean> {
    const { settings } = this.options;
    if (settings.alwaysAllowSubstitutes) return true;
    if (outline.allowSubstitutes !== undefined) return outline.allowSubstitutes;
    return derivationOptions(drvPath, await this.#derivationStore.readDerivation(drvPath)).allowSubstitutes; // says what is wrong
  }
}

/** A derivation of interest, and what became of it so far. */
interface Wanted extends ToBuild {
  readonly wanted: WantedOutputs;
  isToBuild: boolean;
  inputs: readonly Wanted[];
}

/** One that is valid. */
interface Seen {
  readonly derivation: Wanted;
  readonly outline: DerivationOutline;
}

/** @throws {@link GoalError} `ERR_GOAL_UNKNOWN_OUTPUT` */
function refuseUnknown({ derivation: { drvPath, wanted }, outline: { outputs } }: Seen): void {
  const names = wanted.names();
  if (names === "all") return;
  const known = new Set(outputs.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) throw unknownOutputs(drvPath, unknown, known);
}

/** Whether each wanted output has a path. */
function areAllKnown({ derivation: { wanted }, outline }: Seen): boolean {
  for (const { name, path } of outline.outputs) if (path === undefined && wanted.has(name)) return false;
  return true;
}

/** Paths of the wanted outputs, as far as they are known. */
function wantedPaths({ derivation: { wanted }, outline }: Seen): readonly StorePath[] {
  const paths: StorePath[] = [];
  for (const { name, path } of outline.outputs) if (path !== undefined && wanted.has(name)) paths.push(path);
  return paths;
}

function missingOutputs(
  { derivation: { wanted }, outline }: Seen,
  valid: ReadonlySet<StorePath>,
): readonly PathRequest[] {
  return outline.outputs.flatMap(({ name, path, ca }) =>
    path === undefined || valid.has(path) || !wanted.has(name) ? [] : [{ path, ca }],
  );
}
