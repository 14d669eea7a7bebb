import { loadAddon } from "./platform.js";

/** One row of the call filter: a call that a builder cannot make. */
export interface SystemCallRule {
  /** As the kernel names it. */
  readonly call: string;
  readonly numbers: SystemCallNumbers;
  /** When it is refused; otherwise it is allowed, like every call without a row. */
  readonly condition: SystemCallCondition;
  /** The error with which it is refused; with `ENOSYS`, programs fall back to an older call. */
  readonly action: "EPERM" | "ENOTSUP" | "ENOSYS";
  readonly reason: string;
}

/** The numbers of a call, for each architecture that has it. A machine filters all that its kernel takes. */
export interface SystemCallNumbers {
  readonly x86_64?: number;
  /** Also what a 64-bit program calls by `int 0x80`. */
  readonly i386?: number;
  /** With the bit 0x40000000, by which the kernel tells it from x86_64. */
  readonly x32?: number;
  readonly aarch64?: number;
  readonly arm?: number;
}

/** What a rule asks of the arguments; `mode` and `flags` are indices of arguments, from 0. */
export type SystemCallCondition =
  | { readonly kind: "always" }
  /** The set-uid or set-gid bit is in the mode. */
  | { readonly kind: "mode-has-set-id"; readonly mode: number }
  /** The same, and the flags make a file: only then is there a mode. */
  | { readonly kind: "creates-with-set-id"; readonly flags: number; readonly mode: number }
  /** `PR_SET_PDEATHSIG` to anything but SIGKILL. */
  | { readonly kind: "disarms-death-signal" };

interface SystemCallsAddon {
  systemCallRules(): SystemCallRule[];
}

/**
 * The table from which the call filter of every sandbox is made, one row a call; no sandbox is started.
 *
 * @throws SandboxError `ERR_PLATFORM` where there is no sandbox.
 * @see Nix: src/libstore/linux/build/linux-derivation-builder.cc, `setupSeccomp`
 * @example
 * systemCallRules().find(({ call }) => call === "fchmodat2")?.action // "EPERM"
 */
export function systemCallRules(): readonly SystemCallRule[] {
  return (loadAddon() as SystemCallsAddon).systemCallRules();
}
