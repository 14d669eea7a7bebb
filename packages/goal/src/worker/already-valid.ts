import type { StorePath } from "@drvkit/drv-parser";
import { usesRealisations } from "../goals/derivation/realisations.js";
import { alreadyValid } from "../goals/derivation/result.js";
import { statedNow } from "../goals/derivation/validity.js";
import type { BuildResult } from "../result/build-result.js";
import type { WorkerSettings } from "../settings.js";
import type { Waitees } from "./context.js";
import type { DerivationStore } from "./derivation-store.js";
import { WantedOutputs } from "./wanted.js";

/** Where it is asked. */
interface Asked {
  readonly derivationStore: DerivationStore;
  readonly settings: WorkerSettings;
  readonly signal: AbortSignal;
}

/** As many are asked for before others of the event loop have their turn. */
const atOnce = 1000;

/**
 * The results of those derivations that a run asks for and whose wanted outputs are valid: protected and asked for
 * together, before a goal begins, which costs a fraction of asking one by one. What is not among them, or could not be
 * asked for, its goal finds out and says. Rows G1, G2, H4.
 */
export async function queryAlreadyValid(
  { derivations = [], mode = "normal" }: Waitees,
  { derivationStore, settings, signal }: Asked,
): Promise<ReadonlyMap<StorePath, BuildResult>> {
  const results = new Map<StorePath, BuildResult>();
  const stored = derivations.filter(({ derivation }) => derivation === undefined);
  const isEnough = mode === "normal" && !usesRealisations({ settings });
  const again = repeated(stored.map(({ drvPath }) => drvPath)); // one goal gives each who asks what it asked for
  try {
    for (let at = 0; at < stored.length && !signal.aborted; at += atOnce) {
      if (at > 0) await new Promise<void>((next) => setImmediate(next));
      const requests = stored.slice(at, at + atOnce);
      const drvPaths = requests.map(({ drvPath }) => drvPath);
      const known = await derivationStore.protectKnownOutputs(drvPaths);
      if (!isEnough) continue;
      for (const { drvPath, outputs } of requests) {
        const ofThis = known.get(drvPath);
        if (ofThis === undefined || again.has(drvPath)) continue;
        const wanting = { drvPath, wanted: new WantedOutputs(outputs) };
        const now = statedNow(wanting, ofThis);
        if (now.allValid) results.set(drvPath, alreadyValid(wanting, now).result);
      }
    }
  } catch {
    // The goals ask again, each for itself.
  }
  return results;
}

function repeated(paths: readonly StorePath[]): ReadonlySet<StorePath> {
  const seen = new Set<StorePath>();
  return new Set(paths.filter((path) => seen.size === seen.add(path).size));
}
