import { baseNameOf, defaultStoreDir, hashBytes, makeStorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import {
  isContentAddressed,
  type NarInfo,
  narInfoFileName,
  parseNarInfo,
  printNarInfo,
} from "../src/index.js";
import { narInfos, storeDir } from "./support/testdata.js";

describe.each(narInfos)("$file of Nix", ({ file, text }) => {
  const info = parseNarInfo(text, { storeDir, file });

  test("prints to the bytes it was read from", () => {
    expect(printNarInfo(info)).toBe(text);
    expect(narInfoFileName(info.path)).toBe(file);
  });

  test("is content-addressed where it says so", () => {
    expect(isContentAddressed(info)).toBe(text.includes("\nCA: "));
  });

  test("means the same with CR LF, in another order, with unknown keys", () => {
    const lines = text.trimEnd().split("\n");
    expect(parseNarInfo(lines.map((line) => `${line}\r\n`).join(""), { storeDir })).toEqual(info);
    const turned = ["System: x86_64-linux", ...lines.reverse(), "Other:x"].map((line) => `${line}\n`);
    expect(parseNarInfo(new TextEncoder().encode(turned.join("")), { storeDir })).toEqual(info);
  });
});

const path = makeStorePath(defaultStoreDir, "njnlpgvzgrap12lvigs2wvl17z4m49ks-cam");
const hash = "sha256:0z8a5mgd7xvp2bh6iv0v4rhmgcr3fqxkr3j1agjhqcdqcriphlbg";
const least = [`StorePath: ${path}`, "URL: nar/x.nar.bz2", `NarHash: ${hash}`, "NarSize: 160"];
const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
/** The least narinfo, with this line in place of the one with its key, or behind all. */
const withLine = (line: string) => {
  const key = line.slice(0, line.indexOf(":") + 1);
  const kept = least.filter((each) => !each.startsWith(key));
  return textOf([...kept, line]);
};

describe("parseNarInfo", () => {
  test("knows what is missing", () => {
    expect(parseNarInfo(textOf(least))).toEqual({
      path,
      url: "nar/x.nar.bz2",
      compression: "bzip2",
      narHash: expect.objectContaining({ algorithm: "sha256" }),
      narSizeBytes: 160,
      references: new Set(),
      registrationTimeSeconds: 0,
      ultimate: false,
      signatures: [],
    });
  });

  test.each([
    ["Compression:", { compression: "bzip2" }],
    ["Compression: br", { compression: "br" }],
    ["References: ", { references: new Set() }],
    ["References:", { references: new Set() }],
    [`References: ${baseNameOf(path)}  ${baseNameOf(path)}`, { references: new Set([path]) }],
    ["Deriver:", {}],
    ["FileSize: 0", { fileSizeBytes: 0 }],
    ["CA:", {}],
    ["Sig:", { signatures: [] }],
    ["Sig: whatever", { signatures: ["whatever"] }],
    [`NarHash: sha256:${"0".repeat(64)}`, { narHash: { algorithm: "sha256", digest: new Uint8Array(32) } }],
    [
      "FileHash: sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
      { fileHash: hashBytes("sha256", new Uint8Array()) },
    ],
  ])("takes '%s'", (line, members) => {
    expect(parseNarInfo(withLine(line))).toMatchObject(members);
  });

  test("an unknown key is passed over, whatever it is called", () => {
    const lines = ["toString: x", "toString: x", "__proto__:x", "constructor: y"];
    expect(parseNarInfo(textOf([...lines, ...least]))).toEqual(parseNarInfo(textOf(least)));
  });

  test("an unknown deriver is none", () => {
    expect(parseNarInfo(withLine("Deriver: unknown-deriver"))).not.toHaveProperty("deriver");
  });

  test("an empty value gives way to one that is not", () => {
    expect(
      parseNarInfo(textOf(["References: ", ...least, `References: ${baseNameOf(path)}`])).references,
    ).toEqual(new Set([path]));
  });

  test.each<{ name: string; text: string; line: number; expected: string; found: string }>([
    { name: "nothing", text: "", line: 1, expected: "'StorePath'", found: "the end" },
    {
      name: "a page of something else",
      text: "<html>\n",
      line: 1,
      expected: "'KEY: VALUE'",
      found: "'<html>'",
    },
    {
      name: "a last line without its end",
      text: textOf(least).slice(0, -1),
      line: 4,
      expected: "a line end",
      found: "'NarSize: 160' and the end",
    },
    {
      name: "no space behind the colon",
      text: withLine("NarSize:160"),
      line: 4,
      expected: "a space after the colon",
      found: "'NarSize:160'",
    },
    { name: "no URL", text: withLine("URL:"), line: 4, expected: "a URL", found: "''" },
    {
      name: "a size of 0",
      text: withLine("NarSize: 0"),
      line: 4,
      expected: "a number of bytes, not 0",
      found: "'0'",
    },
    {
      name: "a size that is none",
      text: withLine("NarSize: 1e3"),
      line: 4,
      expected: "a number of bytes, not 0",
      found: "'1e3'",
    },
    {
      name: "a size that no double holds",
      text: withLine("FileSize: 9007199254740992"),
      line: 5,
      expected: "a number of bytes",
      found: "'9007199254740992'",
    },
    {
      name: "a hash without its algorithm",
      text: withLine(`NarHash: ${hash.slice(7)}`),
      line: 4,
      expected: "a sha256 hash",
      found: `'${hash.slice(7)}'`,
    },
    {
      name: "another algorithm",
      text: withLine("NarHash: sha1:0000000000000000000000000000000000000000"),
      line: 4,
      expected: "a sha256 hash",
      found: "'sha1:0000000000000000000000000000000000000000'",
    },
    {
      name: "a path of another store",
      text: withLine("StorePath: /gnu/store/njnlpgvzgrap12lvigs2wvl17z4m49ks-cam"),
      line: 4,
      expected: "a store path",
      found: "'/gnu/store/njnlpgvzgrap12lvigs2wvl17z4m49ks-cam'",
    },
    {
      name: "a reference that is none",
      text: withLine("References: njnlpgvzgrap12lvigs2wvl17z4m49ks-cam ../etc"),
      line: 5,
      expected: "base names of store paths",
      found: "'../etc'",
    },
    {
      name: "a content address that is none",
      text: withLine("CA: whatever"),
      line: 5,
      expected: "a content address",
      found: "'whatever'",
    },
    {
      name: "a key twice",
      text: textOf([...least, "NarSize: 161"]),
      line: 5,
      expected: "'NarSize' once",
      found: "it again",
    },
    {
      name: "references twice",
      text: textOf([...least, `References: ${baseNameOf(path)}`, `References: ${baseNameOf(path)}`]),
      line: 6,
      expected: "'References' once",
      found: "it again",
    },
  ])("refuses $name", ({ text, line, expected, found }) => {
    expect(() => parseNarInfo(text, { file: "x.narinfo" })).toThrow(
      expect.objectContaining({
        name: "NarInfoError",
        code: "ERR_NARINFO_SYNTAX",
        message: `NAR info file 'x.narinfo' is corrupt: expected ${expected} at line ${line}, found ${found}`,
        line,
        expected,
        found,
      }),
    );
  });

  test("refuses what is no text", () => {
    expect(() => parseNarInfo(Uint8Array.of(0xff))).toThrow(
      expect.objectContaining({ code: "ERR_NARINFO_SYNTAX", found: "other bytes" }),
    );
  });
});

describe("printNarInfo", () => {
  const info: NarInfo = parseNarInfo(textOf(least));

  test("sorts references and signatures, each once", () => {
    const other = makeStorePath(defaultStoreDir, "7y01zz1l5w1d7p9a3xq0r8k3v7c6dhqf-aa");
    const printed = printNarInfo({
      ...info,
      references: new Set([path, other]),
      signatures: ["b:", "a:", "b:"],
    });
    expect(printed).toContain(`References: ${baseNameOf(other)} ${baseNameOf(path)}\nSig: a:\nSig: b:\n`);
  });

  test.each<[string, Partial<NarInfo>, string]>([
    ["a URL with a line end", { url: "x\nCA: y" }, `URL of '${path}' has a line end in it`],
    ["a signature with a line end", { signatures: ["k:\r"] }, `Sig of '${path}' has a line end in it`],
    ["no URL", { url: "" }, `'${path}' has no URL`],
    ["no size", { narSizeBytes: 0 }, `the size of the archive of '${path}' is not known`],
  ])("refuses %s", (_name, members, message) => {
    expect(() => printNarInfo({ ...info, ...members })).toThrow(
      expect.objectContaining({ code: "ERR_NARINFO_UNPRINTABLE", message }),
    );
  });
});
