import type { StorePath } from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";

/** A store that offers objects. No adapter exists yet: the plan treats every missing object as not offered. */
export interface SubstituterPort {
  readonly uri: string;
  readonly priority: number;
  queryPathInfo(path: StorePath, signal: AbortSignal): Promise<PathInfo | undefined>;
}
