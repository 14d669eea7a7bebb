import { parseDrvOutput, printDrvOutput, type Realisation, verifyRealisation } from "@drvkit/narinfo";
import type { RealisationContext } from "../../worker/context.js";
import type { Substituter } from "../../worker/substituters.js";
import type { RealisationBecause } from "./stages.js";

/** What a substituter's word for an output comes to. */
export type RealisationAnswer =
  | {
      readonly because: Extract<
        RealisationBecause,
        | "another-store"
        | "does-not-answer"
        | "not-offered"
        | "another-output"
        | "not-trusted"
        | "incompatible"
      >;
      readonly realisation?: undefined;
    }
  | { readonly because: "offered"; readonly realisation: Realisation };

/** Asks one substituter for a realisation; what it says is not believed. Rows O4–O7. */
export async function askRealisation(from: Substituter, cx: RealisationContext): Promise<RealisationAnswer> {
  if (from.storeDir !== cx.ports.store.storeDir) return { because: "another-store" };
  if (cx.substituters.isDead(from)) return { because: "does-not-answer" };
  let realisation: Realisation | undefined;
  try {
    const asked = from.port.queryRealisation?.(cx.id, { signal: cx.signal });
    cx.leaveTurn();
    realisation = await asked;
  } catch (error) {
    cx.signal.throwIfAborted();
    cx.substituters.bury(from, error);
    return { because: "does-not-answer" };
  }
  if (realisation === undefined) return { because: "not-offered" };
  return judge(realisation, from, cx);
}

async function judge(
  realisation: Realisation,
  from: Substituter,
  cx: RealisationContext,
): Promise<RealisationAnswer> {
  const warn = (text: string) => cx.emit({ type: "message", goal: cx.key, level: "warn", text });
  const [id, got] = [printDrvOutput(cx.id), printDrvOutput(realisation.id)];
  if (got !== id) {
    warn(`asked '${from.uri}' for '${id}' but got '${got}'`);
    return { because: "another-output" };
  }
  const { requireSignatures, trustedPublicKeys } = cx.settings;
  const isTrusted =
    !requireSignatures || from.trusted || (await verifyRealisation(realisation, trustedPublicKeys)).size > 0;
  if (!isTrusted) {
    warn(
      `ignoring substitute for build trace '${id}' -> '${realisation.outPath}' from '${from.uri}', as it's not signed by any of the keys in 'trusted-public-keys'`,
    );
    return { because: "not-trusted" };
  }
  const conflict = await conflictWith(realisation, cx);
  if (conflict === undefined) return { because: "offered", realisation };
  const { dependency, local, remote } = conflict;
  warn(
    `substituter '${from.uri}' has an incompatible realisation for '${dependency}', ignoring.\nLocal:  ${local}\nRemote: ${remote}`,
  );
  return { because: "incompatible" };
}

/** Something that the output depends on and that has another path here. */
async function conflictWith({ dependentRealisations }: Realisation, cx: RealisationContext) {
  const { store } = cx.ports;
  for (const [dependency, remote] of dependentRealisations) {
    const local = (await store.queryRealisation(parseDrvOutput(dependency, store.storeDir)))?.outPath;
    if (local !== undefined && local !== remote) return { dependency, local, remote };
  }
  return undefined;
}
