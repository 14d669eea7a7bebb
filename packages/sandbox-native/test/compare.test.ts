import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compareTrees } from "../ts/compare.js";
import { tempDir } from "./trees-fixture.js";

function twoTrees(): { readonly one: string; readonly other: string } {
  const folder = tempDir();
  const [one, other] = [join(folder, "one"), join(folder, "other")];
  for (const top of [one, other]) mkdirSync(top);
  return { one, other };
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

describe("comparing two trees", () => {
  test("tells each kind of difference, in the order of archives", async () => {
    const { one, other } = twoTrees();
    mkdirSync(join(one, "a"));
    writeFileSync(join(one, "b"), "#!/bin/sh\n");
    writeFileSync(join(other, "b"), "#!/bin/sh\n");
    chmodSync(join(one, "b"), 0o755);
    symlinkSync("x", join(one, "c"));
    symlinkSync("y", join(other, "c"));
    writeFileSync(join(one, "d"), "1\n2\n");
    writeFileSync(join(other, "d"), "2\n1\n");
    symlinkSync("x", join(one, "e"));
    writeFileSync(join(other, "e"), "");
    expect(await compareTrees(one, other)).toEqual({
      count: 5,
      differences: [
        { path: bytes("a"), kind: "only", onlyIn: "one" },
        { path: bytes("b"), kind: "executable", onlyIn: "one" },
        { path: bytes("c"), kind: "target", one: bytes("x"), other: bytes("y") },
        {
          path: bytes("d"),
          kind: "contents",
          oneSizeBytes: 4,
          otherSizeBytes: 4,
          offset: 0,
          aroundOffset: 0,
          one: bytes("1\n2\n"),
          other: bytes("2\n1\n"),
          sameLines: true,
        },
        { path: bytes("e"), kind: "type", one: "symlink", other: "regular" },
      ],
    });
    expect(await compareTrees(one, other, { limit: 2 })).toMatchObject({
      count: 5,
      differences: { length: 2 },
    });
    expect(await compareTrees(one, one)).toEqual({ count: 0, differences: [] });
  });

  test("needs both", async () => {
    const { one } = twoTrees();
    await expect(compareTrees(one, `${one}-absent`)).rejects.toMatchObject({
      code: "ERR_TREE_IO",
      path: `${one}-absent`,
      errno: 2,
    });
  });

  test("ends with the signal", async () => {
    const { one, other } = twoTrees();
    await expect(compareTrees(one, other, { signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
  });
});
