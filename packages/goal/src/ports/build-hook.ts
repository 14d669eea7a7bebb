import type { BasicDerivation, OutputName, StorePath } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import type { LogMessage } from "../log/messages.js";
import type { ExitStatus } from "./sandbox.js";

/** A derivation that somebody else may build. */
export interface HookQuestion {
  readonly drvPath: StorePath;
  readonly platform: string;
  /** `ca-derivations` among them where output paths are not known. */
  readonly requiredFeatures: ReadonlySet<string>;
  /** Whether a slot is free here. */
  readonly amWilling: boolean;
}

/** What a build elsewhere starts from, and where it brings what it made. */
export interface HookBuild {
  readonly drvPath: StorePath;
  /** The derivation with `inputs` as its sources: all that another store needs to know of it. */
  readonly derivation: BasicDerivation;
  /** Closure of the inputs, in byte order: what has to be valid where it is built. */
  readonly inputs: readonly StorePath[];
  /** Outputs that are not valid here, in byte order. */
  readonly outputs: readonly OutputName[];
  /** Nobody waits for the build any more. */
  readonly signal: AbortSignal;
  /** Bytes of the builder, for its log. */
  write(bytes: Uint8Array): Promise<void>;
  /** What the hook says itself. */
  tell(message: LogMessage): void;
  /** Makes an output valid here, whose lock the goal holds; no signature is asked for. Throws what `addFromArchive` of the store throws. */
  add(info: PathInfo, archive: AsyncIterable<Uint8Array>): Promise<void>;
}

export type HookReply =
  /** `decline-permanently`: nothing more is asked. `postpone`: ask again in a while. */
  | { readonly reply: "decline" | "decline-permanently" | "postpone" }
  | {
      readonly reply: "accept";
      /** Where; for people. */
      readonly machine: string;
      /**
       * Builds. With exit code 0 the outputs are valid here; 100 is a builder that failed, 101 a build that took too long, everything else
       * a hook that failed, as does one that throws.
       */
      build(request: HookBuild): Promise<ExitStatus>;
      /** Lets go of what it holds for a build that will not be asked for; without effect afterwards. */
      abandon?(): Promise<void>;
    };

/** Who may build elsewhere. What `ask` throws fails the goal that asked. */
export interface BuildHookPort {
  ask(
    question: HookQuestion,
    options: { readonly signal: AbortSignal; readonly tell: (message: LogMessage) => void },
  ): Promise<HookReply>;
}
