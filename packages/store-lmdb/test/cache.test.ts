import {
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openStore } from "../src/index.js";
import { child, tempRoot } from "./support/process.js";

const key = Buffer.from("key");
const value = Buffer.from("value");

const cacheDir = (root: string) => join(root, "nix/var/nix/drvkit/cache.mdb");

async function opened(root: string, warnings: string[] = []) {
  return openStore({ root, onWarning: (message) => warnings.push(message) });
}

/** A store with one value in its cache, closed. */
async function filled(): Promise<string> {
  const root = tempRoot();
  await using store = await opened(root);
  await store.cache.put("sources", key, value);
  return root;
}

describe("the cache of a store", () => {
  test("gives what was put, also after the store was closed", async () => {
    await using store = await opened(await filled());
    expect(await store.cache.get("sources", key)).toEqual(Uint8Array.from(value));
    expect(await store.cache.get("sources", Buffer.from("other"))).toBeUndefined();
  });

  test("is not made before its first use, and is its owner's only", async () => {
    const root = tempRoot();
    await using store = await opened(root);
    expect(readdirSync(join(root, "nix/var/nix/drvkit"))).not.toContain("cache.mdb");
    await store.cache.put("sources", key, value);
    expect(statSync(cacheDir(root)).mode & 0o777).toBe(0o700);
  });

  test("is empty in a store that is open for reading only", async () => {
    await using store = await openStore({ root: await filled(), readOnly: true });
    expect(await store.cache.get("sources", key)).toBeUndefined();
  });

  const data = (dir: string) => join(dir, "data.mdb");
  test.each<[how: string, damage: (dir: string) => void]>([
    ["deleted", (dir) => rmSync(dir, { recursive: true })],
    ["without its data", (dir) => rmSync(data(dir))],
    ["without its lock file", (dir) => rmSync(join(dir, "lock.mdb"))],
    ["cut in half", (dir) => truncateSync(data(dir), statSync(data(dir)).size / 2)],
    ["cut to less than a page", (dir) => truncateSync(data(dir), 100)],
    ["cut to nothing", (dir) => truncateSync(data(dir), 0)],
    ["overwritten", (dir) => writeFileSync(data(dir), Buffer.alloc(statSync(data(dir)).size, 0xa5))],
    ["zeroed at its end", zeroedAtItsEnd],
    ["without its stamp", (dir) => rmSync(join(dir, "stamp"))],
  ])("that is %s is used again without a word", async (_, damage) => {
    const root = await filled();
    damage(cacheDir(root));
    const warnings: string[] = [];
    await using store = await opened(root, warnings);
    await store.cache.get("sources", key); // gone or not
    await store.cache.put("sources", key, value);
    expect(await store.cache.get("sources", key)).toEqual(Uint8Array.from(value));
    expect(warnings).toEqual([]);
  });

  test("that is deleted while it is open takes the next value", async () => {
    const root = await filled();
    await using store = await opened(root);
    await store.cache.get("sources", key);
    rmSync(cacheDir(root), { recursive: true });
    await store.cache.put("sources", key, value);
    expect(await store.cache.get("sources", key)).toEqual(Uint8Array.from(value));
    await using later = await opened(root);
    expect(await later.cache.get("sources", key)).toEqual(Uint8Array.from(value));
  });

  test("that cannot be made warns once and remembers nothing", async () => {
    const root = tempRoot();
    const warnings: string[] = [];
    await using store = await opened(root, warnings);
    symlinkSync("/nonexistent", join(root, "nix/var/nix/drvkit/cache.lock"));
    await store.cache.put("sources", key, value);
    expect(await store.cache.get("sources", key)).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining(`the cache in '${cacheDir(root)}' is not used: `)]);
  });

  test("that has grown large starts anew with the next opening", async () => {
    const root = await filled();
    const warnings: string[] = [];
    {
      await using store = await opened(root, warnings);
      await store.cache.put("sources", Buffer.from("big"), Buffer.alloc(20 * 2 ** 20));
      expect(await store.cache.get("sources", key)).toEqual(Uint8Array.from(value));
    }
    await using store = await opened(root, warnings);
    expect(await store.cache.get("sources", key)).toBeUndefined();
    await store.cache.put("sources", key, value);
    expect(statSync(data(cacheDir(root))).size).toBeLessThan(2 ** 20);
    expect(warnings).toEqual([]);
  });

  test("takes what several processes put at the same time", async () => {
    const root = tempRoot();
    const children = ["a", "b", "c"].map((name) => child(root, "cache-many", name, "20"));
    for (const other of children) expect(await other.line()).toBe("done");
    await Promise.all(children.map((other) => other.finish()));
    await using store = await opened(root);
    for (const name of ["a", "b", "c"])
      for (let i = 0; i < 20; i++) {
        const got = await store.cache.get("sources", Buffer.from(`${name}-${i}`));
        expect(got).toEqual(Uint8Array.from(Buffer.from(name)));
      }
  });
});

function zeroedAtItsEnd(dir: string): void {
  const file = join(dir, "data.mdb");
  const bytes = readFileSync(file);
  bytes.fill(0, bytes.length / 2);
  writeFileSync(file, bytes);
}
