import { computeContentAddressedPath, namePartOf, type StorePath } from "@drvkit/drv-parser";
import { isContentAddressed, isTrusted, type PathInfo } from "@drvkit/narinfo";
import type { SubstitutableInfo } from "../../ports/substituter.js";
import type { PathRequest, SubstitutionContext } from "../../worker/context.js";
import type { Substituter } from "../../worker/substituters.js";
import type { PathBecause } from "./stages.js";

/** What a substituter's word for a path comes to. */
export type Answer =
  | {
      readonly because: Extract<
        PathBecause,
        "does-not-answer" | "another-store" | "not-offered" | "another-path" | "not-trusted"
      >;
      readonly info?: undefined;
    }
  | { readonly because: "offered"; readonly info: SubstitutableInfo };

/** What asking needs; goals of paths have it. */
export interface Asking extends Pick<SubstitutionContext, "settings" | "substituters" | "signal"> {
  readonly ports: { readonly store: Pick<SubstitutionContext["ports"]["store"], "storeDir"> };
  /** Called when the question is on its way. */
  leaveTurn?(): void;
  warn(text: string): void;
}

/** Asks one substituter for a path; what it says is not believed. Rows P5–P11. */
export async function ask(from: Substituter, { path, ca }: PathRequest, cx: Asking): Promise<Answer> {
  if (cx.substituters.isDead(from)) return { because: "does-not-answer" };
  const there = pathAt(from, { path, ca }, cx);
  if (there === undefined) return { because: "another-store" };
  let info: SubstitutableInfo | undefined;
  try {
    const asked = from.port.queryPathInfo(there, { signal: cx.signal });
    cx.leaveTurn?.();
    info = await asked;
  } catch (error) {
    cx.signal.throwIfAborted();
    cx.substituters.bury(from, error);
    return { because: "does-not-answer" };
  }
  if (info === undefined) return { because: "not-offered" };
  if (!leadsTo(info, path)) {
    cx.warn(`asked '${from.uri}' for '${path}' but got '${info.path}'`);
    return { because: "another-path" };
  }
  const { requireSignatures, trustedPublicKeys } = cx.settings;
  // Under our path: content that leads to another one vouches for nothing here.
  if (requireSignatures && !from.trusted && !(await isTrusted(asOurs(info, path), trustedPublicKeys))) {
    cx.warn(
      `ignoring substitute for '${path}' from '${from.uri}', as it's not signed by any of the keys in 'trusted-public-keys'`,
    );
    return { because: "not-trusted" };
  }
  return { because: "offered", info };
}

/** The path at a substituter: with another store directory only content leads to one. Rows P5, P6. */
function pathAt(
  { storeDir }: Substituter,
  { path, ca }: PathRequest,
  { ports }: Asking,
): StorePath | undefined {
  if (ca !== undefined) return computeContentAddressedPath(storeDir, namePartOf(path), ca);
  return storeDir === ports.store.storeDir ? path : undefined;
}

/** What content alone leads to may come under another path; nothing else may. Row P9. */
function leadsTo(info: SubstitutableInfo, path: StorePath): boolean {
  return info.path === path || (isContentAddressed(info) && info.references.size === 0);
}

/** What the store keeps: nothing of what only the substituter's word stands for. */
export function asOurs(
  { downloadSizeBytes: _downloadSizeBytes, builderSaw: _builderSaw, ...info }: SubstitutableInfo,
  path: StorePath,
): PathInfo {
  return { ...info, path, registrationTimeSeconds: 0, ultimate: false };
}
