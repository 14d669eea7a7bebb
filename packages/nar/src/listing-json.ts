import { bytesOf, compareBytes } from "./bytes.js";
import { NarError } from "./error.js";
import { defaultNarLimits } from "./limits.js";
import type { NarListing } from "./listing.js";
import { nameViolation } from "./rules.js";

/**
 * The text of a `.ls` file: compact JSON, entries in byte order.
 *
 * @see Nix: src/libstore/binary-cache-store.cc, `addToStoreCommon`
 */
export function printNarListing(listing: NarListing): string {
  return `{"version":1,"root":${printNode(listing)}}`;
}

function printNode(node: NarListing): string {
  switch (node.type) {
    case "regular": {
      const executable = node.executable ? ',"executable":true' : "";
      return `{"type":"regular","size":${node.sizeBytes}${executable},"narOffset":${node.narOffset}}`;
    }
    case "symlink":
      return `{"type":"symlink","target":${JSON.stringify(node.target)}}`;
    case "directory": {
      const sorted = [...node.entries].sort(([a], [b]) => compareBytes(bytesOf(a), bytesOf(b)));
      const members = sorted.map(([name, entry]) => `${JSON.stringify(name)}:${printNode(entry)}`);
      return `{"type":"directory","entries":{${members.join(",")}}}`;
    }
  }
}

/**
 * The listing that the text of a `.ls` file holds. Unknown members are ignored.
 *
 * @throws {@link NarError} `ERR_NAR_LISTING` for anything else, a node without its place in the archive included.
 */
export function parseNarListing(text: string): NarListing {
  const whole = objectAt("the listing", parseJson(text));
  if (whole["version"] !== 1) refuse("the listing", "version 1", JSON.stringify(whole["version"]));
  return parseNode("root", whole["root"], 1);
}

type Members = Readonly<Record<string, unknown>>;

function parseNode(place: string, value: unknown, depth: number): NarListing {
  if (depth > defaultNarLimits.depth) refuse(place, `at most ${defaultNarLimits.depth} levels`, "one more");
  const node = objectAt(place, value);
  switch (node["type"]) {
    case "regular":
      return {
        type: "regular",
        sizeBytes: sizeAt(`${place}.size`, node["size"]),
        executable: executableAt(`${place}.executable`, node["executable"]),
        narOffset: sizeAt(`${place}.narOffset`, node["narOffset"]),
      };
    case "symlink": {
      const { target } = node as { readonly target?: unknown };
      if (typeof target !== "string" || target === "" || target.includes("\0"))
        return refuse(`${place}.target`, "a target", JSON.stringify(target));
      return { type: "symlink", target };
    }
    case "directory": {
      const entries = Object.entries(objectAt(`${place}.entries`, node["entries"]));
      return { type: "directory", entries: new Map(entries.map((entry) => parseEntry(place, entry, depth))) };
    }
    default:
      return refuse(`${place}.type`, "regular, symlink or directory", JSON.stringify(node["type"]));
  }
}

function parseEntry(
  place: string,
  [name, value]: readonly [string, unknown],
  depth: number,
): readonly [string, NarListing] {
  const violation = nameViolation(bytesOf(name), undefined);
  if (violation !== undefined) refuse(`${place}.entries`, violation.expected, violation.found);
  return [name, parseNode(`${place}.entries.${name}`, value, depth + 1)];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NarError("ERR_NAR_LISTING", "the listing is no JSON", { cause });
  }
}

function objectAt(place: string, value: unknown): Members {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  return refuse(place, "an object", JSON.stringify(value));
}

function sizeAt(place: string, value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  return refuse(place, "a number of bytes", JSON.stringify(value));
}

function executableAt(place: string, value: unknown): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  return refuse(place, "true or false", JSON.stringify(value));
}

const mostShown = 60;

function refuse(place: string, expected: string, found: string | undefined): never {
  const shown = found === undefined ? "nothing" : found.slice(0, mostShown);
  throw new NarError("ERR_NAR_LISTING", `expected ${expected} as ${place}, found ${shown}`, {
    hint: 'a listing is {"version":1,"root":…}',
  });
}
