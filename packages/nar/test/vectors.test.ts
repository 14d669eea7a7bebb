import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  listNar,
  NarError,
  type NarTree,
  narTreeEvents,
  parseNar,
  parseNarListing,
  printNar,
  printNarListing,
  readNarTree,
} from "../src/index.js";
import { concat } from "./support/archives.js";

const path = join(import.meta.dirname, "../../../../shared/vectors/nar.json");

interface VectorTree {
  readonly type: NarTree["type"];
  readonly executable?: boolean;
  readonly size?: number;
  readonly contentsBase64?: string;
  readonly targetBase64?: string;
  readonly entries?: readonly { readonly nameBase64: string; readonly node: VectorTree }[];
}

interface Vectors {
  readonly valid: readonly {
    readonly name: string;
    readonly tree: VectorTree;
    readonly narSize: number;
    readonly narSha256Hex: string;
    readonly narBase64?: string;
    /** In words, for large contents of a tree that is one file. */
    readonly contentsRule?: string;
  }[];
  readonly listings: readonly { readonly name: string; readonly lsFile: string }[];
  readonly malformed: readonly {
    readonly name: string;
    readonly narBase64: string;
    readonly strictParser: string;
  }[];
}

if (!existsSync(path)) test.skip("vectors: ../shared/vectors is not here", () => {});
else {
  const vectors: Vectors = JSON.parse(readFileSync(path, "utf8"));
  console.log(
    `nar.json: ${vectors.valid.length} trees, ${vectors.listings.length} listings, ${vectors.malformed.length} malformed`,
  );
  describe("trees of the vectors", () => {
    test.each(vectors.valid)("$name prints to its bytes and is read from them", (vector) => {
      const tree = treeOf(vector.tree, vector.contentsRule);
      const bytes = concat(printNar(narTreeEvents(tree)));
      expect(bytes).toHaveLength(vector.narSize);
      expect(createHash("sha256").update(bytes).digest("hex")).toBe(vector.narSha256Hex);
      if (vector.narBase64 !== undefined) expect(bytes).toEqual(base64(vector.narBase64));
      expect(concat(printNar(parseNar(bytes)))).toEqual(bytes);
      expect(concat(printNar(narTreeEvents(readNarTree(bytes))))).toEqual(bytes);
    });
  });

  test.each(vectors.listings)("the listing of $name", ({ name, lsFile }) => {
    const archive = vectors.valid.find((vector) => vector.name === name);
    const bytes = concat(printNar(narTreeEvents(treeOf(archive?.tree as VectorTree))));
    expect(printNarListing(listNar(bytes))).toBe(lsFile);
    expect(printNarListing(parseNarListing(lsFile))).toBe(lsFile);
  });

  test.each(vectors.malformed)(
    "refuses $name with offset, expected and found",
    ({ name, narBase64, strictParser }) => {
      const error = errorOf(() => [...parseNar(base64(narBase64))]);
      expect(error).toMatchObject({
        offset: expect.any(Number),
        expected: expect.any(String),
        found: expect.any(String),
      });
      // The bytes behind an archive are nobody's: who has the whole input is told, who has a stream goes on behind it.
      if (strictParser !== "reject")
        expect([name, error.code]).toEqual(["trailing-data", "ERR_NAR_TRAILING"]);
    },
  );
}

function errorOf(run: () => unknown): NarError {
  try {
    run();
  } catch (error) {
    if (error instanceof NarError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

function treeOf(vector: VectorTree, contentsRule?: string): NarTree {
  switch (vector.type) {
    case "regular":
      return {
        type: "regular",
        executable: vector.executable ?? false,
        contents: contentsOf(vector, contentsRule),
      };
    case "symlink":
      return { type: "symlink", target: base64(vector.targetBase64 ?? "") };
    case "directory":
      return {
        type: "directory",
        entries: (vector.entries ?? []).map(({ nameBase64, node }) => ({
          name: base64(nameBase64),
          node: treeOf(node),
        })),
      };
  }
}

function contentsOf({ contentsBase64, size = 0 }: VectorTree, rule?: string): Uint8Array {
  if (contentsBase64 !== undefined) return base64(contentsBase64);
  const counted = Uint8Array.from({ length: size }, (_, index) => index % 256);
  switch (rule) {
    case "bytes 0..255 repeated 255 times then 0..254":
    case "bytes 0..255 repeated 256 times":
      return counted;
    case "bytes 0..255 repeated 256 times, then 0x21":
      return counted.fill(0x21, size - 1);
    case '1048576 zero bytes then "abc"':
      return new Uint8Array(Buffer.concat([Buffer.alloc(1_048_576), Buffer.from("abc")]));
    default:
      throw new Error(`contents by an unknown rule: ${rule}`);
  }
}

function base64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}
