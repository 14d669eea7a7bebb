import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseDerivation, printDerivation } from "@drvkit/drv-parser";
import { afterAll, describe, expect, test } from "vitest";
import { drv, Scratch } from "./drv-command.js";
import { DerivationFolder } from "./make-derivation.js";
import { root } from "./workspace.js";

const scratch = new Scratch();
afterAll(() => scratch[Symbol.asyncDispose]());
const store = ["--store", scratch.store];
const golden = join(root, "packages/nar/testdata/tree.nar");
const caches = join(root, "packages/narinfo/testdata");
const out = async (...args: string[]) => {
  const ended = await drv(args);
  expect(ended).toMatchObject({ status: 0, stderr: "" });
  return ended.stdout;
};

describe("drv hash", () => {
  test("prints the hash of files, texts and standard input, a line each", async () => {
    writeFileSync(scratch.path("hello"), "hello");
    const sri = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\n";
    expect(await out("hash", "file", scratch.path("hello"), scratch.path("hello"))).toBe(sri + sri);
    expect(await out("hash", "text", "hello")).toBe(sri);
    expect((await drv(["hash", "file", "-"], { input: "hello" })).stdout).toBe(sri);
  });

  test.each([
    ["base16", "5d41402abc4b2a76b9719d911017c592"],
    ["nix32", "4jqlbi14cxf6wpcajbphm40hax"],
    ["base64", "XUFAKrxLKna5cZ2REBfFkg=="],
    ["sri", "md5-XUFAKrxLKna5cZ2REBfFkg=="],
    ["prefixed-base16", "md5:5d41402abc4b2a76b9719d911017c592"],
    ["prefixed-nix32", "md5:4jqlbi14cxf6wpcajbphm40hax"],
  ])("prints and reads %s", async (form, text) => {
    expect(await out("hash", "text", "hello", "--type", "md5", "--form", form)).toBe(`${text}\n`);
    const again = await out("hash", "convert", text, "--type", "md5", "--form", "sri");
    expect(again).toBe("md5-XUFAKrxLKna5cZ2REBfFkg==\n");
  });

  test("prints the hash of archives, as JSON by paths", async () => {
    const json = JSON.parse(await out("hash", "path", "--json", join(root, "packages/nar/src")));
    expect(json).toEqual({ [join(root, "packages/nar/src")]: expect.stringMatching(/^sha256-/u) });
  });

  test.each([
    [["hash"], "Usage: drv hash"],
    [["hash", "fiel"], "Did you mean file?"],
    [["hash", "file", "/nonexistent"], "No such file or directory"],
    [["hash", "text", "x", "--type", "sha3"], "unknown hash algorithm 'sha3'"],
    [["hash", "text", "x", "--form", "hex"], "'hex' is no form of a hash"],
    [["hash", "convert", "abc"], "hash 'abc' does not include a type"],
    [["hash", "convert", "md5:4jqlbi14cxf6wpcajbphm40hax", "--type", "sha1"], "should have type 'sha1'"],
  ])("refuses %j", async (args, message) => {
    const ended = await drv(args);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(message);
  });
});

describe("drv nar", () => {
  test("lists names, with what they are, and as caches keep it", async () => {
    expect(await out("nar", "ls", golden)).toBe('10\n9\nbin\ngröße\nshare\nwith "quotes" and  tab\n');
    expect(await out("nar", "ls", "-lR", golden, "bin")).toBe(
      "lr-x           12 doc -> ../share/doc\n-r-x           21 hello\n",
    );
    expect(await out("nar", "ls", "--recursive", golden, "share")).toBe(
      "doc\ndoc/eight\ndoc/empty\ndoc/nothing\n",
    );
    const listing = readFileSync(golden.replace(".nar", ".ls"), "utf8");
    expect(await out("nar", "ls", "--json", golden)).toBe(`${listing}\n`);
  });

  test("prints one file", async () => {
    expect(await out("nar", "cat", golden, "bin/hello")).toBe("#!/bin/sh\necho hello\n");
  });

  test("packs what it unpacks", async () => {
    const target = scratch.path("unpacked");
    expect(await out("nar", "unpack", golden, target)).toBe("");
    const packed = execFileSync(process.execPath, [
      join(root, "packages/cli/bin/drv.js"),
      "nar",
      "pack",
      target,
    ]);
    expect(packed.equals(readFileSync(golden))).toBe(true);
    const again = await drv(["nar", "unpack", golden, target]);
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining("ERR_TREE_EXISTS") });
  });

  test("leaves nothing of what is no archive", async () => {
    mkdirSync(scratch.path("folder"));
    writeFileSync(scratch.path("cut.nar"), readFileSync(golden).subarray(0, 1000));
    const ended = await drv(["nar", "unpack", scratch.path("cut.nar"), scratch.path("folder/cut")]);
    expect(ended).toMatchObject({ status: 1, stderr: expect.stringContaining("ERR_TREE_ARCHIVE") });
    expect(readdirSync(scratch.path("folder"))).toEqual([]);
  });

  test("says how to get at a compressed archive", async () => {
    writeFileSync(scratch.path("x.nar.xz"), Buffer.from("fd377a585a000004", "hex"));
    const ended = await drv(["nar", "ls", scratch.path("x.nar.xz")]);
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain("is compressed with xz [ERR_INPUT]");
    expect(ended.stderr).toContain("hint: decompress it: xz -dc");
  });

  test.each([
    [["ls", golden, "nothing"], "the archive has no 'nothing'"],
    [["cat", golden, "bin"], "'bin' is a directory, not a regular file"],
    [["ls", "/nonexistent"], "cannot read '/nonexistent': no such file or directory [ERR_INPUT]"],
    [["ls", "/"], "ERR_INPUT"],
  ])("refuses %j", async (args, message) => {
    const ended = await drv(["nar", ...args]);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(message);
  });
});

describe("drv key, sign and verify", () => {
  const narinfos = readdirSync(join(caches, "cache")).filter((file) => file.endsWith(".narinfo"));
  const copied = narinfos.map((file) => scratch.path(file));
  const keyFile = scratch.path("secret-key");

  test("make a key that only its owner can read", async () => {
    const publicKey = await out("key", "generate", "test-1", "--out", keyFile);
    expect(publicKey).toMatch(/^test-1:[A-Za-z0-9+/]{43}=\n$/u);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect(await out("key", "public", keyFile)).toBe(publicKey);
    const again = await drv(["key", "generate", "test-1", "--out", keyFile]);
    expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining("file already exists") });
    const printed = await drv(["key", "public", "-"], { input: await out("key", "generate", "test-2") });
    expect(printed.stdout).toMatch(/^test-2:/u);
  });

  test("sign what then verifies, and change nothing else", async () => {
    for (const [index, file] of narinfos.entries()) cpSync(join(caches, "cache", file), copied[index] ?? "");
    expect(await out("sign", ...copied, "--secret-key-files", keyFile)).toBe("");
    const keys = ["--trusted-public-keys", (await out("key", "public", keyFile)).trim()];
    const verified = JSON.parse(await out("verify", "--signature", "--json", ...copied, ...keys));
    expect(verified).toHaveLength(narinfos.length);
    for (const each of verified) expect(each).toMatchObject({ keys: ["test-1"], trusted: true });
    for (const [index, file] of narinfos.entries()) {
      const lines = readFileSync(copied[index] ?? "", "utf8").split("\n");
      const before = readFileSync(join(caches, "cache", file), "utf8").split("\n");
      expect(lines.filter((line) => !line.startsWith("Sig: test-1:"))).toEqual(before);
    }
    // A signature that is there is not made again.
    const once = copied.map((file) => readFileSync(file, "utf8"));
    await out("sign", ...copied, "--secret-key-files", keyFile);
    expect(copied.map((file) => readFileSync(file, "utf8"))).toEqual(once);
  });

  test("say what nobody vouches for, with a status of its own", async () => {
    const files = narinfos.map((file) => join(caches, "cache", file));
    const ended = await drv(["verify", "--signature", ...files]);
    expect(ended).toMatchObject({ status: 2, stderr: "" });
    expect(ended.stdout.split("\n").filter((line) => line.startsWith("✗ not trusted"))).toHaveLength(1);
    const key = readFileSync(join(caches, "public-key"), "utf8").trim();
    expect((await drv(["verify", "--signature", ...files, "--trusted-public-keys", key])).status).toBe(0);
  });

  test("sign from standard input to standard output", async () => {
    const [file = ""] = narinfos;
    const input = readFileSync(join(caches, "cache", file), "utf8");
    const ended = await drv(["sign", "-", "--secret-key-files", keyFile], { input });
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringContaining("\nSig: test-1:") });
  });

  test.each([
    [["sign", "x"], "there is no key to sign with"],
    [["sign", "x", "--secret-key-files", "/nonexistent"], "cannot read '/nonexistent'"],
    [["sign", golden, "--secret-key-files", join(caches, "secret-key")], "is corrupt"],
    [["verify", "x"], "nothing is said about what to verify"],
    [["verify", "--signature", golden], "is corrupt"],
    [["verify", "--signature", "x", "--trusted-public-keys", "k"], "public key is corrupt"],
    [["key", "generate", "a:b"], "'a:b' is no name of a key"],
    [["key", "public", golden], "ERR_"],
  ])("refuse %j", async (args, message) => {
    const ended = await drv(args);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(message);
    expect(ended.stderr).not.toContain("    at ");
  });
});

describe("drv show and diff", () => {
  const drvs = new DerivationFolder(scratch.path("drvs"));
  const lib = (flags: string) => drvs.write({ name: "lib", script: "echo > $out", env: { flags } });
  const app = (flags: string) => drvs.write({ name: "app", script: "echo > $out", inputs: [lib(flags)] });

  test("print a derivation in every form and read each again", async () => {
    const file = drvs.fileOf(app("1"));
    const bytes = readFileSync(file);
    for (const form of ["2.8", "4"]) {
      const json = await out("show", file, "--format", form, ...store);
      writeFileSync(scratch.path("shown.json"), json);
      expect(await out("show", scratch.path("shown.json"), "--format", "aterm", ...store)).toBe(
        bytes.toString(),
      );
    }
    const document = JSON.parse(await out("show", file, "--format", "4", ...store));
    expect(document).toMatchObject({
      version: 4,
      derivations: { [file.split("/").at(-1) ?? ""]: { name: "app" } },
    });
    const one = JSON.stringify(Object.values(document.derivations)[0]);
    const single = await drv(["show", "-", "--format", "aterm", ...store], { input: one });
    expect(single.stdout).toBe(bytes.toString());
  });

  test("print nested inputs", async () => {
    const plain = parseDerivation(readFileSync(drvs.fileOf(app("1"))), { name: "app" });
    const text = Buffer.from(printDerivation(plain)).toString();
    const nested = text
      .replace("Derive(", 'DrvWithVersion("xp-dyn-drv",')
      .replace(/\("(\/nix\/store\/\S+?-lib\.drv)",\["out"\]\)/u, '("$1",([],[("out",["bin"])]))');
    const wrong = scratch.path(`${"0".repeat(32)}-app.drv`);
    writeFileSync(wrong, nested);
    const ended = await drv(["show", wrong, ...store]);
    expect(ended.stderr).toContain("ERR_IMPORT_MISMATCH"); // read, but its name is not what its content gives
  });

  test("say what makes two derivations differ, causes first", async () => {
    const [a, b] = [app("-O1"), app("-O2")];
    const text = await out("diff", drvs.fileOf(a), drvs.fileOf(b), ...store);
    expect(text).toContain("lib.drv:\n");
    expect(text).toContain("  variable flags\n  - -O1\n  + -O2\n");
    expect(text.indexOf("lib.drv:\n")).toBeLessThan(text.indexOf("app.drv:\n"));
    expect(text).toContain("  differs only through lib.drv\n");
    const steps = JSON.parse(await out("diff", "--json", drvs.fileOf(a), drvs.fileOf(b), ...store));
    expect(steps).toMatchObject([
      { differences: [{ kind: "variable", name: "flags", a: "-O1", b: "-O2" }], outputsDiffer: true },
      { a, b, differences: [], inputs: [{}] },
    ]);
    const same = await drv(["diff", drvs.fileOf(a), drvs.fileOf(a), ...store]);
    expect(same).toMatchObject({ status: 0, stdout: "", stderr: "both are the same derivation\n" });
  });

  test.each([
    [["show", "x", "--format", "5"], "'5' is no form of a derivation"],
    [["diff", "x"], "missing required argument 'b'"],
    [["diff", "x", "y"], "'x' is not named like a store derivation"],
    [["show", "/nonexistent.json"], "cannot read '/nonexistent.json'"],
  ])("refuse %j", async (args, message) => {
    const ended = await drv([...args, ...store]);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain(message);
  });

  test("refuse JSON that is none, or that is something else", async () => {
    for (const [input, code] of [
      ["{", "ERR_JSON_SYNTAX"],
      ['{"a":1}', "ERR_DRV_JSON"],
      ["[]", "ERR_DRV_JSON"],
    ] as const)
      expect((await drv(["show", "-", ...store], { input })).stderr).toContain(code);
    expect(existsSync(scratch.path("shown.json"))).toBe(true);
  });
});
