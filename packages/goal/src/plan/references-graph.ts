import {
  compareText,
  type JsonValue,
  printContentAddress,
  printHash,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { invariant } from "../error.js";

/** What is known of the members of a closure, in byte order. */
export type Graph = readonly PathInfo[];

/** The file of `exportReferencesGraph`: path, no deriver, count of references, references. */
export function printReferencesGraph(members: Graph): string {
  return members
    .map(({ path, references }) => {
      const sorted = [...references].sort(compareText);
      return [path, "", String(sorted.length), ...sorted].map((line) => `${line}\n`).join("");
    })
    .join("");
}

/** The attribute of `exportReferencesGraph` in structured attributes. @see Nix: src/libstore/store-api.cc, `pathInfoToJSON` */
export function referencesGraphToJson(members: Graph): JsonValue {
  const byPath = new Map(members.map((info) => [info.path, info]));
  return {
    type: "array",
    items: members.map((info) => memberToJson(info, closureSizeOf(info.path, byPath))),
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

/** Sum of the NAR sizes of what is reachable. */
function closureSizeOf(start: StorePath, byPath: ReadonlyMap<StorePath, PathInfo>): number {
  const seen = new Set([start]);
  const stack = [start];
  let size = 0;
  for (let path = stack.pop(); path !== undefined; path = stack.pop()) {
    const info = byPath.get(path);
    invariant(info !== undefined, `'${path}' is not in its closure`);
    size += info.narSizeBytes;
    for (const reference of info.references) {
      if (seen.has(reference)) continue;
      seen.add(reference);
      stack.push(reference);
    }
  }
  return size;
}
