import { type Outcome, unwrap } from "./error.js";
import { loadAddon } from "./platform.js";

/** What calls take that may last. */
export interface Cancellable {
  /** Ends the call at the next file or chunk; it then fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A request to end, as the addon looks at it. */
export interface CancelFlag {
  request(): void;
}

interface CancelAddon {
  readonly CancelFlag: new () => CancelFlag;
}

/**
 * Makes a native call that ends early when `signal` is aborted.
 *
 * @throws The signal's reason when the call ended for it, else as `unwrap`.
 */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  call: (flag: CancelFlag) => Promise<Outcome<T>>,
): Promise<T> {
  if (signal === undefined) return unwrap(await call(neverRequested()));
  signal.throwIfAborted();
  const flag = makeCancelFlag();
  const request = () => flag.request();
  signal.addEventListener("abort", request, { once: true });
  try {
    const outcome = await call(flag);
    if (outcome.error?.code === "ERR_CANCELLED") signal.throwIfAborted();
    return unwrap(outcome);
  } finally {
    signal.removeEventListener("abort", request);
  }
}

/** A request that nobody has made yet. */
export function makeCancelFlag(): CancelFlag {
  return new (loadAddon() as CancelAddon).CancelFlag();
}

let shared: CancelFlag | undefined;

/** One for all calls that nobody ends. */
function neverRequested(): CancelFlag {
  shared ??= makeCancelFlag();
  return shared;
}
