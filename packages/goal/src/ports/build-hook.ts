import type { StorePath } from "@drvkit/drv-parser";

/** Who may build elsewhere. No adapter exists yet; without one every build is local. */
export interface BuildHookPort {
  ask(question: {
    readonly drvPath: StorePath;
    readonly platform: string;
    readonly requiredFeatures: ReadonlySet<string>;
    readonly amWilling: boolean;
  }): Promise<"decline" | "postpone" | "decline-permanently">;
}
