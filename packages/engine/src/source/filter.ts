import type { Ignore } from "ignore";
import { EngineSetupError } from "../error.js";

/**
 * What of a folder is taken. Patterns are those of gitignore, case counts, and they are matched from the top of the source; names that are
 * no UTF-8 cannot be matched and are refused.
 */
export interface SourceFilters {
  /** Only what these match, with the folders on the way to it. */
  readonly include?: readonly string[];
  /** Not what these match; a folder that they match is not looked into. */
  readonly exclude?: readonly string[];
  /**
   * Name of the files, such as `.gitignore`, whose patterns hold for the folder that they lie in and below it. The deepest that says
   * something about a path decides. With `.gitignore` the folders `.git` are left out too.
   */
  readonly ignoreFile?: string;
}

/** `search`: a folder that is taken if something in it is. */
export type Verdict = "take" | "leave" | "search";

/** The patterns of one ignore file. */
export interface IgnoreLayer {
  /** Its folder: empty or ended by a slash. */
  readonly below: string;
  readonly rules: Ignore;
}

/** Decides about the entries of one source. */
export interface SourceFilter {
  readonly ignoreFile: string | undefined;
  /** `path` from the top, ended by a slash for a folder; its parent was not left out. The deepest layer comes last. */
  judge(path: string, layers: readonly IgnoreLayer[]): Verdict;
  makeLayer(below: string, text: string): IgnoreLayer;
}

/**
 * The filter, if there is anything to filter.
 *
 * @throws EngineSetupError `ERR_SOURCE_FILTER` for an `ignoreFile` that is no name.
 */
export async function makeFilter(filters: SourceFilters): Promise<SourceFilter | undefined> {
  const { include, exclude, ignoreFile } = filters;
  if (include === undefined && exclude === undefined && ignoreFile === undefined) return undefined;
  if (ignoreFile !== undefined) checkName(ignoreFile);
  const { default: ignore } = await import("ignore");
  const rulesOf = (patterns: readonly string[]) => ignore({ ignorecase: false }).add(patterns);
  const included = include && rulesOf(include);
  const excluded = rulesOf([...(exclude ?? []), ...(ignoreFile === ".gitignore" ? [".git"] : [])]);
  return {
    ignoreFile,
    judge(path, layers) {
      if (excluded.ignores(path) || isIgnored(path, layers)) return "leave";
      if (included === undefined || included.ignores(path)) return "take";
      return path.endsWith("/") ? "search" : "leave";
    },
    makeLayer: (below, text) => ({ below, rules: ignore({ ignorecase: false }).add(text) }),
  };
}

function checkName(ignoreFile: string): void {
  if (ignoreFile !== "" && ignoreFile !== "." && ignoreFile !== ".." && !/[/\0]/.test(ignoreFile)) return;
  throw new EngineSetupError("ERR_SOURCE_FILTER", `ignore file '${ignoreFile}' is not a file name`, {
    hint: "give the name alone, such as .gitignore: it is looked for in every folder",
  });
}

function isIgnored(path: string, layers: readonly IgnoreLayer[]): boolean {
  for (const { below, rules } of [...layers].reverse()) {
    const inside = path.slice(below.length);
    const { ignored, unignored } = rules.test(inside);
    if (unignored) return false;
    // A verdict on the parent folder is void for what lies in it: a deeper file has already overruled it.
    if (ignored && !isParentIgnored(inside, rules)) return true;
  }
  return false;
}

function isParentIgnored(inside: string, rules: Ignore): boolean {
  const slash = inside.lastIndexOf("/", inside.length - 2);
  return slash > 0 && rules.ignores(inside.slice(0, slash + 1));
}
