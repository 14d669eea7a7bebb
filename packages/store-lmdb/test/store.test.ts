import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  defaultStoreDir,
  hashBytes,
  makeStoreDir,
  makeStorePath,
  printContentAddress,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { open } from "lmdb";
import { describe, expect, onTestFinished, test } from "vitest";
import { openStore } from "../src/index.js";
import { inputOf, pathOf } from "./support/objects.js";
import { Child, childArgs, tempRoot } from "./support/process.js";

function refusal(code: string, fields: Record<string, unknown> = {}) {
  return expect.objectContaining({ code, hint: expect.any(String), ...fields });
}

describe("openStore", () => {
  test("makes a store that later openings find again", async () => {
    const root = tempRoot();
    {
      await using store = await openStore({ root });
      await store.registerValidPaths([inputOf("a")]);
    }
    await using store = await openStore({ root });
    expect(await store.queryPathInfo(pathOf("a"))).toEqual(inputOf("a"));
    expect(store).toMatchObject({
      storeDir: "/nix/store",
      realStoreDir: join(root, "nix/store"),
      stateDir: join(root, "nix/var/nix"),
      logDir: join(root, "nix/var/log/nix"),
      readOnly: false,
    });
  });

  test("keeps its database to its owner, and the state directory readable", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    expect(statSync(store.stateDir).mode & 0o777).toBe(0o755);
    expect(statSync(join(store.stateDir, "drvkit/db")).mode & 0o777).toBe(0o700);
  });

  test("two stores on one root in one process see each other's registrations", async () => {
    const root = tempRoot();
    await using first = await openStore({ root });
    await using second = await openStore({ root });
    await first.registerValidPaths([inputOf("a")]);
    expect(await second.queryPathInfo(pathOf("a"))).toEqual(inputOf("a"));
    await first.close();
    await second.registerValidPaths([inputOf("b")]);
    expect((await second.queryAllValidPaths()).size).toBe(2);
  });

  test("registers, if it is to sync, nothing whose files are not on the disk", async () => {
    await using store = await openStore({ root: tempRoot(), syncPaths: true });
    await expect(store.registerValidPaths([inputOf("a")])).rejects.toMatchObject({
      code: "ERR_TREE_IO",
      path: store.realPathOf(pathOf("a")),
    });
    expect((await store.queryAllValidPaths()).size).toBe(0);
    const { path } = await store.addText("text", Buffer.from("text"));
    expect([...(await store.queryAllValidPaths())]).toEqual([path]);
  });

  test("refuses another store directory, and says which it has", async () => {
    const root = tempRoot();
    await (await openStore({ root })).close();
    for (const readOnly of [false, true]) {
      await expect(openStore({ root, storeDir: makeStoreDir("/other/store"), readOnly })).rejects.toEqual(
        refusal("ERR_STORE_DIR_MISMATCH", {
          message: expect.stringContaining("'/nix/store', not '/other/store'"),
        }),
      );
    }
  });

  test("refuses the root directory for writing", async () => {
    await expect(openStore({ root: "/" })).rejects.toEqual(refusal("ERR_STORE_FOREIGN"));
  });

  test("refuses a format it does not know, and leaves it alone", async () => {
    const root = tempRoot();
    await (await openStore({ root })).close();
    const dir = join(root, "nix/var/nix/drvkit/db");
    const { open } = await import("lmdb");
    const options = { encoding: "binary", keyEncoding: "binary" } as const;
    const lmdb = open<Buffer, Buffer>({ ...options, path: dir, noSubdir: false, overlappingSync: false });
    lmdb
      .openDB<Buffer, Buffer>({ ...options, name: "meta" })
      .putSync(Buffer.from("format"), Buffer.from("99"));
    await lmdb.close();
    for (const readOnly of [false, true]) {
      const opening = openStore({ root, readOnly });
      await expect(opening).rejects.toEqual(
        refusal("ERR_STORE_FORMAT", { message: expect.stringContaining("'99'") }),
      );
    }
  });

  test("refuses to be used when it is closed", async () => {
    const store = await openStore({ root: tempRoot() });
    await store.close();
    await store.close();
    await expect(store.queryPathInfo(pathOf("a"))).rejects.toEqual(refusal("ERR_STORE_CLOSED"));
    await expect(store.registerValidPaths([inputOf("a")])).rejects.toEqual(refusal("ERR_STORE_CLOSED"));
  });

  test("closing lets what is under way finish", async () => {
    const root = tempRoot();
    const store = await openStore({ root });
    const registered = store.registerValidPaths([inputOf("a")]);
    await store.close();
    await registered;
    await using again = await openStore({ root });
    expect((await again.queryAllValidPaths()).size).toBe(1);
  });
});

describe("a store opened for reading", () => {
  test("does not exist: nothing is valid, and nothing is made", async () => {
    const root = tempRoot();
    await using store = await openStore({ root, readOnly: true });
    expect(await store.queryAllValidPaths()).toEqual(new Set());
    expect(await store.queryPathInfo(pathOf("a"))).toBeUndefined();
    expect(readdirSync(root)).toEqual([]);
  });

  test("sees a store that is made afterwards, in the same process too", async () => {
    const root = tempRoot();
    await using reading = await openStore({ root, readOnly: true });
    expect(await reading.queryPathInfo(pathOf("a"))).toBeUndefined();
    await using writing = await openStore({ root });
    await writing.registerValidPaths([inputOf("a")]);
    expect(await reading.queryPathInfo(pathOf("a"))).toEqual(inputOf("a"));
  });

  test("refuses everything that writes", async () => {
    const root = tempRoot();
    await using writing = await openStore({ root });
    await using store = await openStore({ root, readOnly: true });
    const path = pathOf("a");
    for (const write of [
      () => store.registerValidPaths([inputOf("a")]),
      () => store.addText("a", Buffer.from("a")),
      () => store.addTree("a", root),
      () => store.importObject({ path, sourcePath: root, references: [] }),
      () => store.tryLockOutputs([path]),
      () => store.lockOutputs([path]),
      () => store.makeTempDir(),
    ]) {
      await expect(write()).rejects.toEqual(refusal("ERR_STORE_READ_ONLY"));
    }
    await store.addTempRoot(path);
    expect(existsSync(join(writing.stateDir, "temproots"))).toBe(false);
  });

  test("needs no permission to write", async () => {
    const root = tempRoot();
    await using writing = await openStore({ root });
    await writing.registerValidPaths([inputOf("a")]);
    await writing.close();
    const db = join(root, "nix/var/nix/drvkit/db");
    for (const file of ["data.mdb", "lock.mdb", "write.lock"]) chmodSync(join(db, file), 0o444);
    const dirs = [root, dirname(db), db];
    for (const dir of dirs) chmodSync(dir, 0o555);
    onTestFinished(() => {
      for (const dir of dirs) chmodSync(dir, 0o700);
    });
    // Root would have the permission anyway: then somebody else asks.
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const counting = new Child([...childArgs, root, "count"], nobody);
    expect(await counting.line()).toBe("1");
    await counting.finish();
    const adding = new Child([...childArgs, root, "add-many", "p", "1"], nobody);
    const { code, errors } = await adding.ended;
    expect(code).not.toBe(0);
    expect(errors).toContain("ERR_STORE_READ_ONLY");
    chmodSync(db, 0o000);
    const denied = await new Child([...childArgs, root, "count"], nobody).ended;
    expect(denied.errors).toContain("ERR_STORE_UNREADABLE");
  });
});

describe("registerValidPaths", () => {
  test("takes a set in any order, with references among its members", async () => {
    await using store = await openStore({ root: tempRoot() });
    const infos = [inputOf("c", ["b", "a", "c"]), inputOf("b", ["a"]), inputOf("a")];
    await store.registerValidPaths(infos);
    for (const info of infos) expect(await store.queryPathInfo(info.path)).toEqual(info);
    const registered = new Set(infos.map(({ path }) => path));
    expect(await store.queryAllValidPaths()).toEqual(registered);
    expect(await store.queryValidPaths([pathOf("a"), pathOf("z")])).toEqual(new Set([pathOf("a")]));
  });

  test("keeps every field of an info", async () => {
    await using store = await openStore({ root: tempRoot() });
    const info: PathInfo = {
      ...inputOf("a"),
      deriver: pathOf("a.drv"),
      ultimate: true,
      signatures: ["key-1:AA==", "key-2:BB=="],
      narSizeBytes: 2 ** 40,
    };
    await store.registerValidPaths([info]);
    expect(await store.requirePathInfo(info.path)).toEqual(info);
  });

  test("refuses a reference that is neither valid nor in the set, and registers none of it", async () => {
    await using store = await openStore({ root: tempRoot() });
    await expect(store.registerValidPaths([inputOf("a"), inputOf("b", ["missing"])])).rejects.toEqual(
      refusal("ERR_STORE_NOT_VALID", {
        message: `path '${pathOf("missing")}' is not valid`,
        path: pathOf("missing"),
      }),
    );
    expect(await store.queryAllValidPaths()).toEqual(new Set());
    await store.registerValidPaths([inputOf("missing")]);
    await store.registerValidPaths([inputOf("b", ["missing"])]);
    expect(await store.queryReferrers(pathOf("missing"))).toEqual([pathOf("b")]);
  });

  test("refuses a circle within the set, and registers none of it", async () => {
    await using store = await openStore({ root: tempRoot() });
    const infos = [inputOf("a", ["b"]), inputOf("b", ["c"]), inputOf("c", ["a"])];
    await expect(store.registerValidPaths(infos)).rejects.toEqual(refusal("ERR_STORE_CYCLE"));
    expect(await store.queryAllValidPaths()).toEqual(new Set());
  });

  test("refuses a path of another store directory", async () => {
    await using store = await openStore({ root: tempRoot() });
    const path = makeStorePath(makeStoreDir("/other/store"), `${"0".repeat(32)}-a`);
    await expect(store.registerValidPaths([{ ...inputOf("a"), path }])).rejects.toEqual(
      refusal("ERR_STORE_DIR_MISMATCH", { path }),
    );
    expect(await store.queryPathInfo(path)).toBeUndefined();
  });

  test("refuses a content address that leads elsewhere", async () => {
    await using store = await openStore({ root: tempRoot() });
    const ca = { method: "nar", hash: hashBytes("sha256", Buffer.from("x")) } as const;
    await expect(store.registerValidPaths([{ ...inputOf("a"), ca }])).rejects.toEqual(
      refusal("ERR_STORE_PATH_MISMATCH", {
        message: `cannot add path '${pathOf("a")}' to the Nix store because it claims to be content-addressed but isn't`,
      }),
    );
  });

  test("what is refused inside the transaction takes back what was written before it", async () => {
    await using store = await openStore({ root: tempRoot() });
    const ca = { method: "nar", hash: hashBytes("sha256", Buffer.from("x")) } as const;
    const infos = [inputOf("a"), inputOf("b", ["a", "b"]), { ...inputOf("c"), ca }];
    await expect(store.registerValidPaths(infos)).rejects.toEqual(refusal("ERR_STORE_PATH_MISMATCH"));
    expect(await store.queryAllValidPaths()).toEqual(new Set());
    expect(await store.queryReferrers(pathOf("a"))).toEqual([]);
    await store.registerValidPaths(infos.slice(0, 2));
    expect(await store.queryReferrers(pathOf("b"))).toEqual([pathOf("b")]);
  });

  test("takes the time of registration when none is given", async () => {
    await using store = await openStore({ root: tempRoot() });
    const before = Math.floor(Date.now() / 1000);
    await store.registerValidPaths([{ ...inputOf("a"), registrationTimeSeconds: 0 }]);
    const { registrationTimeSeconds } = await store.requirePathInfo(pathOf("a"));
    expect(registrationTimeSeconds).toBeGreaterThanOrEqual(before);
    expect(registrationTimeSeconds).toBeLessThanOrEqual(Date.now() / 1000);
  });

  test("again: updates signatures and trust, adds references, keeps deriver and time", async () => {
    await using store = await openStore({ root: tempRoot() });
    const first: PathInfo = { ...inputOf("a", ["b"]), deriver: pathOf("a.drv"), signatures: ["k:AA=="] };
    await store.registerValidPaths([inputOf("b"), inputOf("c"), first]);
    const again: PathInfo = {
      ...inputOf("a", ["c"]),
      deriver: pathOf("other.drv"),
      registrationTimeSeconds: 1800000000,
      ultimate: true,
      signatures: ["l:BB=="],
      narSizeBytes: 7,
    };
    await store.registerValidPaths([again]);
    expect(await store.requirePathInfo(first.path)).toEqual({
      ...first,
      references: new Set([pathOf("b"), pathOf("c")]),
      ultimate: true,
      signatures: ["l:BB=="],
      narSizeBytes: 7,
    });
    expect(await store.queryReferrers(pathOf("b"))).toEqual([first.path]);
    expect(await store.queryReferrers(pathOf("c"))).toEqual([first.path]);
  });

  test("again with other content: has exactly the new references", async () => {
    await using store = await openStore({ root: tempRoot() });
    await store.registerValidPaths([inputOf("b"), inputOf("c"), inputOf("a", ["a", "b"])]);
    const repaired = { ...inputOf("a", ["c"]), narHash: hashBytes("sha256", Buffer.from("other")) };
    await store.registerValidPaths([repaired]);
    expect(await store.queryReferrers(pathOf("a"))).toEqual([]);
    expect(await store.queryReferrers(pathOf("b"))).toEqual([]);
    expect(await store.queryReferrers(pathOf("c"))).toEqual([pathOf("a")]);
    expect((await store.requirePathInfo(pathOf("a"))).references).toEqual(new Set([pathOf("c")]));
  });
});

describe("queries", () => {
  async function diamond() {
    const store = await openStore({ root: tempRoot() });
    await store.registerValidPaths([
      inputOf("base", ["base"]),
      inputOf("left", ["base"]),
      inputOf("right", ["base"]),
      inputOf("top", ["left", "right"]),
      inputOf("alone"),
    ]);
    return store;
  }
  const sorted = (...names: string[]) => names.map(pathOf).sort();

  test("referrers include the path itself if it refers to itself", async () => {
    await using store = await diamond();
    expect(await store.queryReferrers(pathOf("base"))).toEqual(sorted("base", "left", "right"));
    expect(await store.queryReferrers(pathOf("top"))).toEqual([]);
    expect(await store.queryReferrers(pathOf("none"))).toEqual([]);
  });

  test("the closure has all that is reachable, in byte order", async () => {
    await using store = await diamond();
    expect(await store.queryClosure([pathOf("top")])).toEqual(sorted("base", "left", "right", "top"));
    expect(await store.queryClosure([pathOf("alone"), pathOf("left")])).toEqual(
      sorted("alone", "base", "left"),
    );
    expect(await store.queryClosure([])).toEqual([]);
  });

  test("the closure towards referrers has all that needs it, and checks nothing", async () => {
    await using store = await diamond();
    const direction = "referrers";
    expect(await store.queryClosure([pathOf("left")], { direction })).toEqual(sorted("left", "top"));
    expect(await store.queryClosure([pathOf("none")], { direction })).toEqual([pathOf("none")]);
  });

  test("the closure of an invalid path is refused", async () => {
    await using store = await diamond();
    await expect(store.queryClosure([pathOf("none")])).rejects.toEqual(
      refusal("ERR_STORE_NOT_VALID", { path: pathOf("none") }),
    );
    await expect(store.requirePathInfo(pathOf("none"))).rejects.toEqual(refusal("ERR_STORE_NOT_VALID"));
    await expect(store.readDerivation(pathOf("none.drv"))).rejects.toEqual(refusal("ERR_STORE_NOT_VALID"));
    await expect(store.queryDerivationOutputs(pathOf("none.drv"))).rejects.toEqual(
      refusal("ERR_STORE_NOT_VALID"),
    );
  });

  test("topological order puts referrers first", async () => {
    await using store = await diamond();
    const order = await store.sortTopologically(sorted("base", "left", "right", "top"));
    expect(order[0]).toBe(pathOf("top"));
    expect(order[3]).toBe(pathOf("base"));
  });

  test("a path is found by its hash part", async () => {
    await using store = await diamond();
    for (const name of ["base", "left", "right", "top", "alone"]) {
      const hashPart = pathOf(name)
        .slice(defaultStoreDir.length + 1)
        .slice(0, 32);
      expect(await store.queryPathFromHashPart(hashPart)).toBe(pathOf(name));
    }
    expect(await store.queryPathFromHashPart("0".repeat(32))).toBeUndefined();
    expect(await store.queryPathFromHashPart("z".repeat(32))).toBeUndefined();
    for (const wrong of ["", "0".repeat(31), "0".repeat(33), "e".repeat(32), "A".repeat(32)]) {
      await expect(store.queryPathFromHashPart(wrong)).rejects.toEqual(refusal("ERR_STORE_HASH_PART"));
    }
  });
});

describe("adding", () => {
  const objectMode = (path: string) => statSync(path).mode & 0o7777;

  test("a text gets its path from bytes and references", async () => {
    await using store = await openStore({ root: tempRoot() });
    const info = await store.addText("empty", Buffer.alloc(0));
    expect(info.path).toBe("/nix/store/wflv0hgb0qb1ddc5nxmsg0y9zjjhfvmh-empty");
    expect(await store.requirePathInfo(info.path)).toEqual(info);
    expect(info.narSizeBytes).toBe(112);
    expect(readFileSync(store.realPathOf(info.path), "utf8")).toBe("");
    expect(objectMode(store.realPathOf(info.path))).toBe(0o444);
    const referrer = await store.addText("referrer", Buffer.from("x"), [info.path]);
    expect(await store.queryReferrers(info.path)).toEqual([referrer.path]);
  });

  test("a text with a reference that is not valid is refused and leaves nothing", async () => {
    await using store = await openStore({ root: tempRoot() });
    await expect(store.addText("a", Buffer.from("a"), [pathOf("none")])).rejects.toEqual(
      refusal("ERR_STORE_NOT_VALID"),
    );
    expect(readdirSync(store.realStoreDir)).toEqual([]);
  });

  test("a tree is copied, made canonical and hashed as an archive", async () => {
    const source = tempRoot();
    mkdirSync(join(source, "d/bin"), { recursive: true });
    writeFileSync(join(source, "d/bin/run"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(source, "d/data"), "x", { mode: 0o600 });
    symlinkSync("/nowhere", join(source, "d/link"));
    await using store = await openStore({ root: tempRoot() });
    const info = await store.addTree("d", join(source, "d"));
    const real = store.realPathOf(info.path);
    expect(objectMode(real)).toBe(0o555);
    expect(objectMode(join(real, "bin/run"))).toBe(0o555);
    expect(objectMode(join(real, "data"))).toBe(0o444);
    expect(statSync(join(real, "data")).mtimeMs).toBe(1000);
    expect(info.ca).toEqual({ method: "nar", hash: info.narHash });
    expect(readdirSync(store.realStoreDir)).toEqual([info.path.slice(defaultStoreDir.length + 1)]);
    expect(await store.addTree("d", join(source, "d"))).toEqual(info);
  });

  test("a file is hashed by its bytes, with any algorithm", async () => {
    const source = tempRoot();
    writeFileSync(join(source, "hello.txt"), "hello\n");
    await using store = await openStore({ root: tempRoot() });
    const source1 = await store.addTree("hello.txt", join(source, "hello.txt"));
    expect(source1.path).toBe("/nix/store/i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt");
    const paths = new Set([source1.path]);
    for (const algorithm of ["md5", "sha1", "sha256", "sha512"] as const) {
      const info = await store.addFile("hello.txt", join(source, "hello.txt"), { algorithm });
      expect(info.ca && printContentAddress(info.ca)).toContain(`fixed:${algorithm}:`);
      expect(info.ca?.hash).toEqual(hashBytes(algorithm, Buffer.from("hello\n")));
      paths.add(info.path);
    }
    expect(paths.size).toBe(5);
    await expect(store.addFile("d", source)).rejects.toThrow();
  });

  test("replaces what an interrupted process left at the same place", async () => {
    await using store = await openStore({ root: tempRoot() });
    const place = store
      .realPathOf((await store.addText("other", Buffer.from("x"))).path)
      .replace(/[^/]*$/, "");
    const path = "/nix/store/wflv0hgb0qb1ddc5nxmsg0y9zjjhfvmh-empty";
    const leftOver = join(place, "wflv0hgb0qb1ddc5nxmsg0y9zjjhfvmh-empty");
    mkdirSync(join(leftOver, "half"), { recursive: true });
    chmodSync(leftOver, 0o555);
    const info = await store.addText("empty", Buffer.alloc(0));
    expect(info.path).toBe(path);
    expect(statSync(store.realPathOf(info.path)).isFile()).toBe(true);
  });

  test("many at once in one process, the same and others", async () => {
    await using store = await openStore({ root: tempRoot() });
    const infos = await Promise.all(
      Array.from({ length: 40 }, (_, i) => store.addText(`t-${i % 10}`, Buffer.from(`${i % 10}`))),
    );
    expect(new Set(infos.map((info) => info.path)).size).toBe(10);
    expect((await store.queryAllValidPaths()).size).toBe(10);
    expect(readdirSync(store.realStoreDir)).toHaveLength(10);
  });

  test("a temp directory is private and goes when it is disposed of", async () => {
    await using store = await openStore({ root: tempRoot() });
    const seen = await (async () => {
      await using temp = await store.makeTempDir();
      expect(temp.path.startsWith(join(store.realStoreDir, `tmp-${process.pid}-`))).toBe(true);
      expect(objectMode(temp.path)).toBe(0o700);
      mkdirSync(join(temp.path, "a"), { mode: 0o500 });
      return temp.path;
    })();
    expect(existsSync(seen)).toBe(false);
  });
});

describe("importObject", () => {
  async function sources() {
    const folder = tempRoot();
    await using from = await openStore({ root: tempRoot() });
    writeFileSync(join(folder, "file"), "content");
    const nar = await from.addTree("n", join(folder, "file"));
    const flat = await from.addFile("f", join(folder, "file"));
    const text = await from.addText("t", Buffer.from("content"), [nar.path]);
    return { folder, file: join(folder, "file"), nar, flat, text };
  }

  test("recognises archives, flat files and texts by their paths", async () => {
    const { file, nar, flat, text } = await sources();
    await using store = await openStore({ root: tempRoot() });
    for (const { path, references, ca } of [nar, flat, text]) {
      const info = await store.importObject({ path, sourcePath: file, references, deriver: pathOf("x.drv") });
      expect(info).toMatchObject({ path, references, ca, deriver: pathOf("x.drv"), ultimate: false });
      expect(await store.requirePathInfo(path)).toEqual(info);
    }
  });

  test("refuses content that leads elsewhere, and leaves nothing", async () => {
    const { folder, file, nar, text } = await sources();
    await using store = await openStore({ root: tempRoot() });
    writeFileSync(join(folder, "changed"), "changed");
    for (const object of [
      { path: nar.path, sourcePath: join(folder, "changed"), references: [] },
      { path: text.path, sourcePath: file, references: [] },
      { path: nar.path, sourcePath: file, references: [nar.path] },
      { path: nar.path, sourcePath: folder, references: [] },
    ]) {
      await expect(store.importObject(object)).rejects.toEqual(
        refusal("ERR_STORE_PATH_MISMATCH", { path: object.path }),
      );
    }
    expect(readdirSync(store.realStoreDir)).toEqual([]);
    expect((await store.queryAllValidPaths()).size).toBe(0);
  });

  test("does not read the source of what is valid already", async () => {
    const { folder, file, nar } = await sources();
    await using store = await openStore({ root: tempRoot() });
    const info = await store.importObject({ path: nar.path, sourcePath: file, references: [] });
    rmSync(file);
    expect(
      await store.importObject({ path: nar.path, sourcePath: join(folder, "file"), references: [] }),
    ).toEqual(info);
  });
});

describe("registrations at the same time", () => {
  const lastTransaction = (root: string): number => {
    const database = open({ path: join(root, "nix/var/nix/drvkit/db"), readOnly: true, noSubdir: false });
    const { lastTxnId } = database.getStats() as { lastTxnId: number };
    void database.close();
    return lastTxnId;
  };

  test("are one commit", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    const before = lastTransaction(root);
    const paths = Array.from({ length: 10 }, (_, n) => inputOf(`together-${n}`));
    await Promise.all(paths.map((info) => store.registerValidPaths([info])));
    expect(lastTransaction(root) - before).toBe(1);
    expect(await store.queryAllValidPaths()).toHaveLength(10);
  });

  test("do not fail with one that is refused", async () => {
    const root = tempRoot();
    await using store = await openStore({ root });
    const info = inputOf("good");
    const wrong = { ...inputOf("wrong"), ca: { method: "nar", hash: info.narHash } } as PathInfo;
    const results = await Promise.allSettled([
      store.registerValidPaths([wrong]),
      store.registerValidPaths([info]),
      store
        .registerValidPaths([{ ...inputOf("other"), references: new Set([info.path]) }])
        .catch(() => "early"),
    ]);
    expect(results[0]).toMatchObject({ status: "rejected", reason: { code: "ERR_STORE_PATH_MISMATCH" } });
    expect(results[1]).toMatchObject({ status: "fulfilled" });
    expect(await store.queryPathInfo(wrong.path)).toBeUndefined();
    expect(await store.queryPathInfo(info.path)).toEqual(info);
  });

  test("are over when the store is closed", async () => {
    const root = tempRoot();
    const store = await openStore({ root });
    const registered = store.registerValidPaths([inputOf("late")]);
    await Promise.all([store.close(), registered]);
    await using again = await openStore({ root });
    expect(await again.queryPathInfo(pathOf("late"))).toEqual(inputOf("late"));
  });
});
