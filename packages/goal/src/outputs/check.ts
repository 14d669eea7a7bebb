import {
  compareText,
  type DerivationOptions,
  type OutputChecks,
  type OutputName,
  parseStorePath,
  type StoreDir,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import type { StorePort } from "../ports/store.js";
import { OutputError } from "./error.js";

/** An output that is about to be registered. */
export interface CheckedOutput {
  readonly name: OutputName;
  readonly info: PathInfo;
}

/** What outputs are held against. */
export interface Checks {
  readonly drvPath: StorePath;
  readonly options: DerivationOptions;
  /** All outputs of the derivation, built now or before. */
  readonly made: ReadonlyMap<OutputName, StorePath>;
}

/**
 * Holds every output against the limits its derivation sets.
 *
 * @throws {@link OutputError} `outputRejected`.
 * @see Nix: src/libstore/build/local-derivation-goal.cc, `checkOutputs`
 */
export async function checkOutputs(
  { drvPath, options, made }: Checks,
  outputs: readonly CheckedOutput[],
  store: StorePort,
): Promise<void> {
  const checker = new Checker(drvPath, made, new Map(outputs.map(({ info }) => [info.path, info])), store);
  for (const { name, info } of outputs) await checker.check(name, info, options.outputChecks(name));
}

class Checker {
  constructor(
    private readonly drvPath: StorePath,
    private readonly made: Checks["made"],
    private readonly pending: ReadonlyMap<StorePath, PathInfo>,
    private readonly store: StorePort,
  ) {}

  async check(name: OutputName, info: PathInfo, checks: OutputChecks): Promise<void> {
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
    for (const kind of ["allowed", "disallowed"] as const) {
      const [forReferences, forRequisites] = [checks[`${kind}References`], checks[`${kind}Requisites`]];
      if (forReferences !== undefined)
        this.#compare(info, [...info.references], this.#paths(name, forReferences), kind);
      if (forRequisites === undefined) continue;
      const closure = (await this.#closure(info)).map(({ path }) => path);
      const used = checks.ignoreSelfInRequisites ? closure.filter((path) => path !== info.path) : closure;
      this.#compare(info, used, this.#paths(name, forRequisites), kind);
    }
  }

  #compare(
    { path }: PathInfo,
    used: readonly StorePath[],
    listed: ReadonlySet<StorePath>,
    kind: "allowed" | "disallowed",
  ): void {
    const bad = used.filter((each) => listed.has(each) === (kind === "disallowed")).sort(compareText);
    if (bad.length > 0)
      reject(
        `output '${path}' is not allowed to refer to the following paths:${bad.map((each) => `\n  ${each}`).join("")}`,
      );
  }

  /** Store paths as they are, names of outputs as the paths of these, whether they were built now or before. */
  #paths(output: OutputName, specifiers: readonly string[]): ReadonlySet<StorePath> {
    const outputs: ReadonlyMap<string, StorePath> = this.made;
    return new Set(
      specifiers.map(
        (specifier) =>
          parseOrUndefined(this.store.storeDir, specifier) ??
          outputs.get(specifier) ??
          reject(
            `derivation '${this.drvPath}' output check for '${output}' contains output name '${specifier}', but this is not a valid output of this derivation. (Valid outputs are [${[...outputs.keys()].join(", ")}].)`,
          ),
      ),
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

function reject(message: string): never {
  throw new OutputError("outputRejected", message);
}
