import {
  baseNameOf,
  compareText,
  type JsonValue,
  printContentAddress,
  printHash,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";

/** A closure with what is known of its members, in byte order. */
export interface Graph {
  readonly members: readonly PathInfo[];
  /** Sum of the NAR sizes of what each member's closure holds. */
  readonly closureSizes: ReadonlyMap<StorePath, number>;
}

/** The file of `exportReferencesGraph`: path, no deriver, count of references, references. */
export function printReferencesGraph({ members }: Graph): string {
  return members
    .map(({ path, references }) => {
      const sorted = [...references].sort(compareText);
      return [path, "", String(sorted.length), ...sorted].map((line) => `${line}\n`).join("");
    })
    .join("");
}

/** The attribute of `exportReferencesGraph` in structured attributes. @see Nix: src/libstore/store-api.cc, `pathInfoToJSON` */
export function referencesGraphToJson({ members, closureSizes }: Graph): JsonValue {
  return {
    type: "array",
    items: members.map((info) => memberToJson(info, closureSizes.get(info.path) ?? 0)),
  };
}

function memberToJson(info: PathInfo, closureSize: number): JsonValue {
  const string = (value: string): JsonValue => ({ type: "string", value });
  const number = (value: number): JsonValue => ({ type: "number", text: String(value) });
  const members: [string, JsonValue][] = [
    ["closureSize", number(closureSize)],
    ["narHash", string(printHash(info.narHash, "prefixedNix32"))],
    ["narSize", number(info.narSizeBytes)],
    ["path", string(info.path)],
    ["references", { type: "array", items: [...info.references].sort(compareText).map(string) }],
  ];
  if (info.ca !== undefined) members.push(["ca", string(printContentAddress(info.ca))]);
  return { type: "object", members: new Map(members) };
}

/** Closure sizes of every member, each from its references within the members. */
export function closureSizes(members: readonly PathInfo[]): ReadonlyMap<StorePath, number> {
  const byPath = new Map(members.map((info) => [info.path, info]));
  return new Map(members.map(({ path }) => [path, sizeOf(path, byPath)]));
}

function sizeOf(start: StorePath, byPath: ReadonlyMap<StorePath, PathInfo>): number {
  const seen = new Set([start]);
  const stack = [start];
  let size = 0;
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const info = byPath.get(path);
    if (info === undefined) throw new Error(`bug: '${baseNameOf(path)}' is not in its closure`);
    size += info.narSizeBytes;
    for (const reference of info.references) {
      if (seen.has(reference)) continue;
      seen.add(reference);
      stack.push(reference);
    }
  }
  return size;
}
