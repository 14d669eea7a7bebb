import { textOf } from "../bytes/text.js";
import { DrvError, SyntaxErrorAt } from "../error.js";
import { type JsonObject, type JsonValue, parseJson } from "../json/value.js";
import type { OutputName } from "../store-path/name.js";
import { baseNameOf, type StorePath, splitStorePath, storeDirOf } from "../store-path/store-path.js";
import type { Derivation } from "./derivation.js";
import { derivationType, hasKnownOutputPaths } from "./type.js";

/** Limits on what one output may be and refer to. List members are store paths or output names. */
export interface OutputChecks {
  /** Most bytes of its archive. */
  readonly maxSize?: number;
  /** Most bytes of all archives of its closure. */
  readonly maxClosureSize?: number;
  readonly allowedReferences?: readonly string[];
  readonly allowedRequisites?: readonly string[];
  readonly disallowedReferences?: readonly string[];
  readonly disallowedRequisites?: readonly string[];
  /** Whether a reference to itself does not count for the lists of requisites: so unless attributes are structured. */
  readonly ignoreSelfInRequisites: boolean;
}

/** One reference graph to put into the build. */
export interface ExportedGraph {
  /** File name, or name of the attribute with structured attributes. */
  readonly name: string;
  readonly paths: readonly StorePath[];
}

/** The attributes of a derivation that change how it is treated. */
export interface DerivationOptions {
  /** The object in `__json`; with it, variables are not consulted for anything else. */
  readonly structuredAttrs: JsonObject | undefined;
  /** Those that are asked for, and `ca-derivations` when output paths are not known before the build. */
  readonly requiredSystemFeatures: ReadonlySet<string>;
  /** Not to be offered to build hooks. */
  readonly preferLocalBuild: boolean;
  readonly allowSubstitutes: boolean;
  /** Asks to be built without a sandbox. */
  readonly noChroot: boolean;
  /** For macOS: rules, paths and a permission of its sandbox. */
  readonly sandboxProfile: string;
  readonly impureHostDeps: readonly string[];
  readonly allowLocalNetworking: boolean;
  /** Variables passed through to builds that are fixed or impure. */
  readonly impureEnvVars: readonly string[];
  /** Names of variables that become files; none with structured attributes. */
  readonly passAsFile: readonly string[];
  readonly exportReferencesGraph: readonly ExportedGraph[];
  /** What one output may be and refer to. @throws {@link DrvError} `ERR_DRV_ATTRIBUTE`. */
  outputChecks(output: OutputName): OutputChecks;
  /** Whether references of this output are forgotten. */
  unsafeDiscardReferences(output: OutputName): boolean;
}

/**
 * Reads the attributes, from `__json` if the derivation has it, else from its variables.
 *
 * @throws {@link DrvError} `ERR_DRV_ATTRIBUTE` for one of the wrong type; `ERR_DRV_TYPE`.
 * @see Nix: src/libstore/parsed-derivations.cc, `ParsedDerivation`
 */
export function derivationOptions(drvPath: StorePath, drv: Derivation): DerivationOptions {
  const structured = structuredAttrsOf(drvPath, drv);
  const attributes =
    structured === undefined
      ? new PlainAttributes(drvPath, drv)
      : new StructuredAttributes(drvPath, structured);
  return {
    structuredAttrs: structured,
    requiredSystemFeatures: new Set([
      ...(attributes.list("requiredSystemFeatures") ?? []),
      ...(hasKnownOutputPaths(derivationType(drv)) ? [] : ["ca-derivations"]),
    ]),
    preferLocalBuild: attributes.boolean("preferLocalBuild", false),
    allowSubstitutes: attributes.boolean("allowSubstitutes", true),
    noChroot: attributes.boolean("__noChroot", false),
    sandboxProfile: attributes.string("__sandboxProfile") ?? "",
    impureHostDeps: attributes.list("__impureHostDeps") ?? [],
    allowLocalNetworking: attributes.boolean("__darwinAllowLocalNetworking", false),
    impureEnvVars: attributes.list("impureEnvVars") ?? [],
    passAsFile: structured === undefined ? (attributes.list("passAsFile") ?? []) : [],
    exportReferencesGraph: attributes.exportedGraphs(),
    outputChecks: (output) => attributes.outputChecks(output),
    unsafeDiscardReferences: (output) => attributes.discardsReferences(output),
  };
}

function structuredAttrsOf(drvPath: StorePath, drv: Derivation): JsonObject | undefined {
  const json = drv.env.get("__json");
  if (json === undefined) return undefined;
  try {
    const value = parseJson(json);
    if (value.type === "object") return value;
    throw new SyntaxErrorAt("ERR_JSON_SYNTAX", 0, "an object", value.type);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DrvError(
      "ERR_DRV_ATTRIBUTE",
      `cannot process __json attribute of '${baseNameOf(drvPath)}': ${reason}`,
      { cause },
    );
  }
}

interface Attributes {
  string(name: string): string | undefined;
  boolean(name: string, initial: boolean): boolean;
  list(name: string): readonly string[] | undefined;
  exportedGraphs(): readonly ExportedGraph[];
  outputChecks(output: OutputName): OutputChecks;
  discardsReferences(output: OutputName): boolean;
}

const checkLists = [
  "allowedReferences",
  "allowedRequisites",
  "disallowedReferences",
  "disallowedRequisites",
] as const;

/** Variables of the environment: `1` is true, lists are words. */
class PlainAttributes implements Attributes {
  constructor(
    private readonly drvPath: StorePath,
    private readonly drv: Derivation,
  ) {}

  boolean(name: string, initial: boolean): boolean {
    const text = this.string(name);
    return text === undefined ? initial : text === "1";
  }

  list(name: string): readonly string[] | undefined {
    return this.string(name)
      ?.split(/[ \t\r\n]+/u)
      .filter((word) => word !== "");
  }

  exportedGraphs(): readonly ExportedGraph[] {
    const words = this.list("exportReferencesGraph") ?? [];
    if (words.length % 2 !== 0)
      throw new DrvError(
        "ERR_DRV_ATTRIBUTE",
        `odd number of tokens in 'exportReferencesGraph': '${this.string("exportReferencesGraph")}'`,
      );
    return Array.from({ length: words.length / 2 }, (_, index) => {
      const [name = "", path = ""] = words.slice(index * 2);
      if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/u.test(name))
        throw new DrvError("ERR_DRV_ATTRIBUTE", `invalid file name '${name}' in 'exportReferencesGraph'`);
      return { name, paths: [storePathIn(this.drvPath, path)] };
    });
  }

  outputChecks(): OutputChecks {
    const lists = checkLists.flatMap((name) => {
      const list = this.list(name);
      return list === undefined ? [] : [[name, list] as const];
    });
    return { ...Object.fromEntries(lists), ignoreSelfInRequisites: true };
  }

  discardsReferences(): boolean {
    return false;
  }

  string(name: string): string | undefined {
    const bytes = this.drv.env.get(name);
    if (bytes === undefined) return undefined;
    try {
      return textOf(bytes);
    } catch (cause) {
      throw wrongType(this.drvPath, name, "a string", cause);
    }
  }
}

/** Members of the JSON object; the environment is not consulted. */
class StructuredAttributes implements Attributes {
  constructor(
    private readonly drvPath: StorePath,
    private readonly attrs: JsonObject,
  ) {}

  boolean(name: string, initial: boolean): boolean {
    return this.#booleanIn(this.attrs, name) ?? initial;
  }

  string(name: string): string | undefined {
    const value = this.attrs.members.get(name);
    if (value === undefined) return undefined;
    if (value.type !== "string") throw wrongType(this.drvPath, name, "a string");
    return value.value;
  }

  list(name: string): readonly string[] | undefined {
    return this.#listIn(this.attrs, name);
  }

  exportedGraphs(): readonly ExportedGraph[] {
    const graphs = this.attrs.members.get("exportReferencesGraph");
    if (graphs?.type !== "object") return [];
    return [...graphs.members].map(([name, value]) => ({ name, paths: this.#paths(value) }));
  }

  outputChecks(output: OutputName): OutputChecks {
    const all = this.attrs.members.get("outputChecks");
    const checks = all?.type === "object" ? all.members.get(output) : undefined;
    if (checks === undefined) return { ignoreSelfInRequisites: false };
    if (checks.type !== "object") throw wrongType(this.drvPath, `outputChecks.${output}`, "an object");
    const lists = checkLists.flatMap((name) => {
      const list = this.#listIn(checks, name);
      return list === undefined ? [] : [[name, list] as const];
    });
    const sizes = (["maxSize", "maxClosureSize"] as const).flatMap((name) => {
      const size = this.#sizeIn(checks, name);
      return size === undefined ? [] : [[name, size] as const];
    });
    return { ...Object.fromEntries(lists), ...Object.fromEntries(sizes), ignoreSelfInRequisites: false };
  }

  discardsReferences(output: OutputName): boolean {
    const all = this.attrs.members.get("unsafeDiscardReferences");
    if (all === undefined) return false;
    if (all.type !== "object") throw wrongType(this.drvPath, "unsafeDiscardReferences", "an object");
    return this.#booleanIn(all, output) ?? false;
  }

  #booleanIn(object: JsonObject, name: string): boolean | undefined {
    const value = object.members.get(name);
    if (value === undefined) return undefined;
    if (value.type !== "boolean") throw wrongType(this.drvPath, name, "a Boolean");
    return value.value;
  }

  #listIn(object: JsonObject, name: string): readonly string[] | undefined {
    const value = object.members.get(name);
    if (value === undefined) return undefined;
    if (value.type !== "array") throw wrongType(this.drvPath, name, "a list of strings");
    return value.items.map((item) => {
      if (item.type !== "string") throw wrongType(this.drvPath, name, "a list of strings");
      return item.value;
    });
  }

  #sizeIn(object: JsonObject, name: string): number | undefined {
    const value = object.members.get(name);
    if (value === undefined) return undefined;
    const size = value.type === "number" && /^\d+$/u.test(value.text) ? Number(value.text) : Number.NaN;
    if (Number.isNaN(size)) throw wrongType(this.drvPath, name, "an integer");
    return size;
  }

  /** One path, or arrays of them, nested as deep as they come. */
  #paths(value: JsonValue): readonly StorePath[] {
    if (value.type === "string") return [storePathIn(this.drvPath, value.value)];
    if (value.type === "array") return value.items.flatMap((item) => this.#paths(item));
    throw wrongType(this.drvPath, "exportReferencesGraph", "a list of strings");
  }
}

/** A path at or below a store path means the store path. */
function storePathIn(drvPath: StorePath, text: string): StorePath {
  try {
    return splitStorePath(storeDirOf(drvPath), text).path;
  } catch (cause) {
    throw new DrvError("ERR_DRV_ATTRIBUTE", `'exportReferencesGraph' contains a non-store path '${text}'`, {
      cause,
    });
  }
}

function wrongType(drvPath: StorePath, name: string, type: string, cause?: unknown): DrvError {
  return new DrvError(
    "ERR_DRV_ATTRIBUTE",
    `attribute '${name}' of derivation '${baseNameOf(drvPath)}' must be ${type}`,
    { cause },
  );
}
