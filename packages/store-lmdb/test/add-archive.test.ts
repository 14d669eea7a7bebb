import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  bytesOf,
  computeContentAddressedPath,
  defaultStoreDir,
  hashBytes,
  hashModuloSelf,
  hashPartOf,
  makeStorePath,
  replaceHashPart,
} from "@drvkit/drv-parser";
import { archiveOf as archiveOfTree, pathInfoOf } from "@drvkit/goal/testing";
import { describe, expect, test } from "vitest";
import { openStore } from "../src/index.js";
import { tempRoot } from "./support/process.js";

/** The archive of a regular file. */
function archiveOf(content: Uint8Array): Uint8Array {
  return archiveOfTree({ type: "regular", content });
}

async function* whole(bytes: Uint8Array) {
  yield bytes;
}

const path = makeStorePath(defaultStoreDir, `${"0".repeat(32)}-x`);
const archive = archiveOf(bytesOf("contents\n"));

describe("addFromArchive", () => {
  test("puts a canonical object in its place, with its signatures", async () => {
    await using store = await openStore({ root: tempRoot() });
    await store.addFromArchive(pathInfoOf(path, archive, { signatures: ["k:s"] }), whole(archive));
    const real = store.realPathOf(path);
    expect(readFileSync(real, "utf8")).toBe("contents\n");
    expect([statSync(real).mode & 0o777, statSync(real).mtimeMs]).toEqual([0o444, 1000]);
    expect(await store.queryPathInfo(path)).toMatchObject({ signatures: ["k:s"], ultimate: false });
    expect((await store.queryPathInfo(path))?.registrationTimeSeconds).toBeGreaterThan(0);
  });

  test("leaves nothing in the store of what is refused", async () => {
    await using store = await openStore({ root: tempRoot() });
    const before = readdirSync(store.realStoreDir);
    for (const bytes of [
      archive.subarray(0, 60),
      archiveOf(bytesOf("other")),
      bytesOf("no archive"),
      new Uint8Array(),
    ])
      await expect(store.addFromArchive(pathInfoOf(path, archive), whole(bytes))).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(?:STORE_HASH_MISMATCH|TREE_ARCHIVE)$/u),
      });
    expect(readdirSync(store.realStoreDir)).toEqual(before);
  });

  test("says which hash came instead", async () => {
    await using store = await openStore({ root: tempRoot() });
    const other = archiveOf(bytesOf("other"));
    await expect(store.addFromArchive(pathInfoOf(path, archive), whole(other))).rejects.toMatchObject({
      message: expect.stringMatching(
        /^hash mismatch importing path '.*-x';\n {2}specified: sha256-.*=\n {2}got: {7}sha256-.*=$/u,
      ),
      path,
    });
  });

  test("keeps a content address that leads to the path, compares it, and forgets one that does not", async () => {
    await using store = await openStore({ root: tempRoot() });
    const flat = { method: "flat", hash: hashBytes("sha256", bytesOf("contents\n")) } as const;
    const addressed = computeContentAddressedPath(defaultStoreDir, "x", flat);
    await store.addFromArchive(pathInfoOf(addressed, archive, { ca: flat }), whole(archive));
    expect((await store.queryPathInfo(addressed))?.ca).toEqual(flat);

    await store.addFromArchive(pathInfoOf(path, archive, { ca: flat }), whole(archive));
    expect(await store.queryPathInfo(path)).not.toHaveProperty("ca");

    const lie = { method: "flat", hash: hashBytes("sha256", bytesOf("something else")) } as const;
    const lied = computeContentAddressedPath(defaultStoreDir, "x", lie);
    await expect(
      store.addFromArchive(pathInfoOf(lied, archive, { ca: lie }), whole(archive)),
    ).rejects.toMatchObject({
      code: "ERR_STORE_HASH_MISMATCH",
    });
  });

  test.each([10, 300_000])(
    "compares the address of an object that names itself, %i bytes in",
    async (before) => {
      await using store = await openStore({ root: tempRoot() });
      const scratch = "0".repeat(32);
      const contents = bytesOf(`${"x".repeat(before)}${scratch} ${scratch}`);
      const { hash } = hashModuloSelf("sha256", archiveOf(contents), scratch);
      const ca = { method: "nar", hash } as const;
      const self = computeContentAddressedPath(defaultStoreDir, "self", ca, { self: true });
      const real = archiveOf(replaceHashPart(contents, scratch, hashPartOf(self)));
      await store.addFromArchive(pathInfoOf(self, real, { ca, references: new Set([self]) }), whole(real));
      expect((await store.queryPathInfo(self))?.ca).toEqual(ca);

      const changed = real.slice();
      changed[120] = 0x79;
      await using other = await openStore({ root: tempRoot() });
      await expect(
        other.addFromArchive(pathInfoOf(self, changed, { ca, references: new Set([self]) }), whole(changed)),
      ).rejects.toMatchObject({ code: "ERR_STORE_HASH_MISMATCH" });
      expect(readdirSync(join(other.realStoreDir)).filter((name) => name.endsWith("-self"))).toEqual([]);
    },
  );
});
