import { describeError } from "../../error.js";
import type { SubstitutableInfo } from "../../ports/substituter.js";
import type { SubstitutionContext } from "../../worker/context.js";
import type { TransferBytes } from "../../worker/counters.js";
import { asOurs } from "./ask.js";
import { copyError } from "./copy.js";
import { success } from "./result.js";
import type { AtPath, NextPath } from "./stages.js";

/** Puts into the store what was offered. Rows P14–P18. */
export async function fetch(
  { offer, next, failure }: AtPath<"fetch">,
  cx: SubstitutionContext,
): NextPath<"fetch"> {
  const { from, info } = offer;
  using _slot = await cx.slot();
  cx.counters.start();
  cx.emit({
    type: "substitution-started",
    goal: cx.key,
    path: cx.path,
    uri: from.uri,
    narSizeBytes: info.narSizeBytes,
  });
  let outcome: "substituted" | "gone" | "failed" = "failed";
  try {
    const added = cx.ports.store.addFromArchive(
      asOurs(info, cx.path),
      from.port.archive(info, { signal: cx.signal }),
      { signal: cx.signal, repair: cx.repair },
    );
    cx.leaveTurn();
    await added;
    cx.contents.markGood(cx.path);
    cx.counters.doneBytes(transferBytes(info));
    outcome = "substituted";
    return success(cx, "substituted", "substituted");
  } catch (error) {
    cx.signal.throwIfAborted();
    if (cx.copiedFrom !== undefined) throw copyError(error, from, cx);
    const { code, message: reason } = describeError(error);
    if (code === "ERR_SUBSTITUTE_GONE") {
      outcome = "gone";
      const text = `substitute for '${cx.path}' from '${from.uri}' is gone: ${reason}`;
      cx.emit({ type: "message", goal: cx.key, level: "warn", text });
      return { at: "tryNext", because: "gone", next, failure };
    }
    cx.emit({
      type: "message",
      goal: cx.key,
      level: "error",
      text: `cannot substitute '${cx.path}' from '${from.uri}': ${reason}`,
    });
    return { at: "tryNext", because: "fetch-failed", next, failure: reason };
  } finally {
    cx.counters.stop();
    cx.emit({ type: "substitution-finished", goal: cx.key, path: cx.path, uri: from.uri, outcome });
  }
}

/** What it takes to obtain an object. */
export function transferBytes({ downloadSizeBytes = 0, narSizeBytes }: SubstitutableInfo): TransferBytes {
  return { downloadBytes: downloadSizeBytes, narBytes: narSizeBytes };
}
