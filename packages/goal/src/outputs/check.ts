import {
  compareText,
  type Derivation,
  derivationOptions,
  type OutputChecks,
  outputPathsOf,
  parseStorePath,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import type { StorePort } from "../ports/store.js";
import { OutputError } from "./error.js";

/** An output that is about to be registered. */
export interface CheckedOutput {
  readonly name: Parameters<ReturnType<typeof derivationOptions>["outputChecks"]>[0];
  readonly info: PathInfo;
}

/**
 * Holds every output against the limits its derivation sets.
 *
 * @throws {@link OutputError} `outputRejected`.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `checkOutputs`
 */
export async function checkOutputs(
  drvPath: StorePath,
  drv: Derivation,
  outputs: readonly CheckedOutput[],
  store: StorePort,
): Promise<void> {
  const options = derivationOptions(drvPath, drv);
  const checker = new Checker(drvPath, drv, new Map(outputs.map(({ info }) => [info.path, info])), store);
  for (const { name, info } of outputs) await checker.check(info, options.outputChecks(name));
}

class Checker {
  constructor(
    private readonly drvPath: StorePath,
    private readonly drv: Derivation,
    private readonly pending: ReadonlyMap<StorePath, PathInfo>,
    private readonly store: StorePort,
  ) {}

  async check(info: PathInfo, checks: OutputChecks): Promise<void> {
    if (checks.maxSize !== undefined && info.narSizeBytes > checks.maxSize)
      reject(
        `path '${info.path}' is too large at ${info.narSizeBytes} bytes; limit is ${checks.maxSize} bytes`,
      );
    if (checks.maxClosureSize !== undefined) {
      const size = (await this.#closure(info)).reduce((sum, each) => sum + each.narSizeBytes, 0);
      if (size > checks.maxClosureSize)
        reject(
          `closure of path '${info.path}' is too large at ${size} bytes; limit is ${checks.maxClosureSize} bytes`,
        );
    }
    const references = [...info.references];
    await this.#lists(
      info,
      references,
      checks.allowedReferences,
      checks.allowedRequisites,
      "allowed",
      checks,
    );
    await this.#lists(
      info,
      references,
      checks.disallowedReferences,
      checks.disallowedRequisites,
      "disallowed",
      checks,
    );
  }

  async #lists(
    info: PathInfo,
    references: readonly StorePath[],
    forReferences: readonly string[] | undefined,
    forRequisites: readonly string[] | undefined,
    kind: "allowed" | "disallowed",
    checks: OutputChecks,
  ): Promise<void> {
    if (forReferences !== undefined) this.#compare(info, references, forReferences, kind);
    if (forRequisites === undefined) return;
    const closure = (await this.#closure(info)).map(({ path }) => path);
    const used = checks.ignoreSelfInRequisites ? closure.filter((path) => path !== info.path) : closure;
    this.#compare(info, used, forRequisites, kind);
  }

  #compare(
    info: PathInfo,
    used: readonly StorePath[],
    list: readonly string[],
    kind: "allowed" | "disallowed",
  ): void {
    const named = new Set(list.map((specifier) => this.#path(specifier)));
    const bad = used.filter((path) => named.has(path) === (kind === "disallowed")).sort(compareText);
    if (bad.length > 0)
      reject(
        `output '${info.path}' is not allowed to refer to the following paths:${bad.map((path) => `\n  ${path}`).join("")}`,
      );
  }

  /** A store path, or the path of one of the derivation's outputs. */
  #path(specifier: string): StorePath {
    for (const [name, path] of outputPathsOf(this.drv))
      if (name === specifier && path !== undefined) return path;
    const path = parseOrUndefined(this.store.storeDir, specifier);
    return (
      path ??
      reject(
        `derivation contains an illegal reference specifier '${specifier}'`,
        `'${this.drvPath}' names what is neither a store path nor an output`,
      )
    );
  }

  /** The closure with the output itself; what is not registered yet is known here. */
  async #closure(start: PathInfo): Promise<readonly PathInfo[]> {
    const found = new Map<StorePath, PathInfo>();
    const stack = [start];
    for (let info = stack.pop(); info !== undefined; info = stack.pop()) {
      if (found.has(info.path)) continue;
      found.set(info.path, info);
      for (const reference of info.references) {
        if (found.has(reference)) continue;
        const next = this.pending.get(reference) ?? (await this.store.queryPathInfo(reference));
        if (next !== undefined) stack.push(next);
      }
    }
    return [...found.values()];
  }
}

function parseOrUndefined(storeDir: StoreDir, text: string): StorePath | undefined {
  try {
    return parseStorePath(storeDir, text);
  } catch {
    return undefined;
  }
}

function reject(message: string, hint?: string): never {
  throw new OutputError("outputRejected", message, hint === undefined ? {} : { hint });
}
