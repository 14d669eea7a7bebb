import { describe, expect, test } from "vitest";
import {
  bytesOf,
  type DrvErrorCode,
  isCanonicalDerivation,
  makeStoreDir,
  parseDerivation,
  printDerivation,
} from "../../src/index.js";
import { derivationOf, derivationText, type Fields } from "../support/derivation-text.js";

const name = "x";
const path = (letter: string, rest = "y") => `/nix/store/${letter.repeat(32)}-${rest}`;
const parse = (text: string, lenient = false) => parseDerivation(bytesOf(text), { name, lenient });
const sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
/** Of a flat file with that hash and the name `x`. */
const sha1Path = "/nix/store/mn86j4m8ccag3fxbjcnn16ka4mdx7i1y-x";

interface Refusal {
  readonly name: string;
  readonly text: string;
  readonly code: DrvErrorCode;
  readonly offset?: number;
  readonly message?: string;
}

/** Offset of `what` in a text: where a test expects reading to stop. */
const at = (text: string, what: string) => text.indexOf(what);
const least = derivationText();

describe("refuses whatever the mode", () => {
  const refusals: readonly Refusal[] = [
    { name: "nothing", text: "", code: "ERR_DRV_SYNTAX", offset: 0 },
    { name: "another form", text: "Divert()", code: "ERR_DRV_SYNTAX", offset: 0 },
    { name: "white space before", text: ` ${least}`, code: "ERR_DRV_SYNTAX", offset: 0 },
    { name: "white space between", text: least.replace(",[],", ", [],"), code: "ERR_DRV_SYNTAX", offset: 26 },
    {
      name: "a comma before the end of a list",
      text: derivationText({ args: '["a",]' }),
      code: "ERR_DRV_SYNTAX",
      offset: 45,
    },
    { name: "a field too few", text: least.replace('"p",', ""), code: "ERR_DRV_SYNTAX", offset: 36 },
    {
      name: "a list for a string",
      text: derivationText({ builder: "[]" }),
      code: "ERR_DRV_SYNTAX",
      offset: 36,
    },
    {
      name: "a string for a list",
      text: derivationText({ args: '"a"' }),
      code: "ERR_DRV_SYNTAX",
      offset: 40,
    },
    {
      name: "an output of three fields",
      text: derivationText({ outputs: '[("out","","")]' }),
      code: "ERR_DRV_SYNTAX",
      offset: 20,
    },
    {
      name: "an unterminated string",
      text: 'Derive([("out',
      code: "ERR_DRV_SYNTAX",
      offset: 13,
      message: "expected the end of a string at offset 13, found the end, in 'Derive([(\"out⟨⟩'",
    },
    {
      name: "an unterminated string with an escape",
      text: 'Derive([("o\\"ut',
      code: "ERR_DRV_SYNTAX",
      offset: 15,
    },
    { name: "a backslash at the end", text: 'Derive([("out\\', code: "ERR_DRV_SYNTAX", offset: 14 },
    {
      name: "a byte that is no letter",
      text: "Derive(\u0001",
      code: "ERR_DRV_SYNTAX",
      offset: 7,
      message: "expected '[' at offset 7, found byte 0x01, in 'Derive(⟨\\x01⟩'",
    },
    {
      name: "a version that nobody knows",
      text: 'DrvWithVersion("2",[],[])',
      code: "ERR_DRV_TYPE",
      message: "Unknown derivation ATerm format version '2'",
    },
    {
      name: "nested inputs",
      text: 'DrvWithVersion("xp-dyn-drv",[],[])',
      code: "ERR_DRV_TYPE",
      message:
        "experimental Nix feature 'dynamic-derivations' is disabled; use '--extra-experimental-features dynamic-derivations' to override",
    },
    {
      name: "an empty output name",
      text: derivationText({ outputs: '[("","","","")]' }),
      code: "ERR_OUTPUT_NAME",
    },
    {
      name: "a slash in an output name",
      text: derivationText({ outputs: '[("a/b","","","")]' }),
      code: "ERR_OUTPUT_NAME",
    },
    {
      name: "a relative output path",
      text: derivationText({ outputs: '[("out","nix/store","","")]' }),
      code: "ERR_DRV_OUTPUT",
      message: "bad path 'nix/store' in derivation",
    },
    {
      name: "an output path elsewhere",
      text: derivationText({ outputs: '[("out","/tmp/x","","")]' }),
      code: "ERR_STORE_PATH",
      message: "path '/tmp/x' is not in the Nix store",
    },
    {
      name: "a floating output with a path",
      text: derivationText({ outputs: `[("out","${path("a")}","r:sha256","")]` }),
      code: "ERR_DRV_OUTPUT",
      message: "derivation output 'out' has a path that is not known before the build",
    },
    {
      name: "an impure output with a path",
      text: derivationText({ outputs: `[("out","${path("a")}","sha256","impure")]` }),
      code: "ERR_DRV_OUTPUT",
    },
    {
      name: "a hash without an algorithm",
      text: derivationText({ outputs: `[("out","","","${sha1}")]` }),
      code: "ERR_DRV_OUTPUT",
      message: "derivation output 'out' has a hash without an algorithm",
    },
    {
      name: "an algorithm that nobody knows",
      text: derivationText({ outputs: '[("out","","r:crc32","")]' }),
      code: "ERR_HASH",
      message: "unknown hash algorithm 'crc32'",
    },
    {
      name: "a hash of another algorithm",
      text: derivationText({ outputs: `[("out","${path("a")}","md5","${sha1}")]` }),
      code: "ERR_HASH",
    },
    {
      name: "an input that is no derivation",
      text: derivationText({ inputDrvs: `[("${path("a")}",["out"])]` }),
      code: "ERR_DRV_INPUT",
      message: `input '${path("a")}' is not a derivation`,
    },
    {
      name: "an input whose whole name is .drv",
      text: derivationText({ inputDrvs: `[("${path("a", ".drv")}",["out"])]` }),
      code: "ERR_DRV_INPUT",
    },
    {
      name: "an output name of an input that is none",
      text: derivationText({ inputDrvs: `[("${path("a", "y.drv")}",[""])]` }),
      code: "ERR_OUTPUT_NAME",
    },
    {
      name: "a source below a store path",
      text: derivationText({ inputSrcs: `["${path("a")}/z"]` }),
      code: "ERR_STORE_PATH",
    },
    {
      name: "another spelling of a source",
      text: derivationText({ inputSrcs: `["/nix//store/${"a".repeat(32)}-y"]` }),
      code: "ERR_STORE_PATH",
    },
  ];

  test.each(refusals)("$name", ({ text, code, offset, message }) => {
    const isForm = code === "ERR_DRV_TYPE";
    const expected = {
      code,
      ...(isForm ? {} : { offset: offset ?? expect.any(Number) }),
      // What a field means is said first, then where it stands.
      message: expect.stringContaining(isForm ? "" : "at offset "),
    };
    if (message !== undefined)
      expect(() => parse(text, true)).toThrow(
        expect.objectContaining({ message: expect.stringContaining(message) }),
      );
    for (const lenient of [false, true])
      expect(() => parse(text, lenient)).toThrow(expect.objectContaining(expected));
  });

  test("every beginning of a derivation", () => {
    const whole = derivationText({
      outputs: '[("out","","r:sha256","")]',
      inputDrvs: `[("${path("a", "y.drv")}",["dev","out"])]`,
      inputSrcs: `["${path("b")}"]`,
      args: '["\\"","a"]',
      env: '[("a","1"),("b","\\\\")]',
    });
    expect(() => parse(whole)).not.toThrow();
    for (let length = 0; length < whole.length; length += 1)
      expect(() => parse(whole.slice(0, length), true)).toThrow(
        expect.objectContaining({ code: "ERR_DRV_SYNTAX", offset: expect.any(Number) }),
      );
  });

  test("a platform that is no text", () => {
    const bytes = bytesOf(derivationText({ platform: '"?"' })).map((byte) => (byte === 0x3f ? 0xff : byte));
    expect(() => parseDerivation(bytes, { name })).toThrow(expect.objectContaining({ code: "ERR_NOT_UTF8" }));
  });
});

describe("refuses unless lenient, and then reports as not canonical", () => {
  const drvs = [path("a", "y.drv"), path("b", "y.drv")] as const;
  const irregular: readonly {
    readonly name: string;
    readonly text: string;
    readonly offset: number;
    readonly found: string;
    /** What the derivation is read as, in canonical form. */
    readonly reads: Partial<Fields>;
  }[] = [
    cases("bytes after the end", {}, `${least}\n`, least.length, "byte 0x0a"),
    cases("a needless escape", { builder: '"aqb"' }, { builder: '"a\\qb"' }, "\\q", "a needless escape"),
    cases(
      "an escape in the platform",
      { platform: '"a\nb"' },
      { platform: '"a\\nb"' },
      "\\n",
      "an escape where none is written",
    ),
    cases(
      "a raw line feed",
      { builder: '"a\\nb"' },
      { builder: '"a\nb"' },
      "\n",
      "an unescaped line end or tab",
    ),
    cases(
      "a raw carriage return",
      { args: '["\\r"]' },
      { args: '["\r"]' },
      "\r",
      "an unescaped line end or tab",
    ),
    cases("a raw tab", { env: '[("\\t","")]' }, { env: '[("\t","")]' }, "\t", "an unescaped line end or tab"),
    cases("a missing comma", { args: '["1","2"]' }, { args: '["1""2"]' }, '"2"', "a missing comma"),
    cases(
      "unsorted variables",
      { env: '[("a",""),("b","")]' },
      { env: '[("b",""),("a","")]' },
      '("a"',
      "an unsorted entry",
    ),
    cases(
      "a repeated variable: the last counts",
      { env: '[("a","2")]' },
      { env: '[("a","1"),("a","2")]' },
      '("a","2")',
      "a repeated entry",
    ),
    cases(
      "a repeated output: the first counts",
      { outputs: '[("out","","sha1","")]' },
      { outputs: '[("out","","sha1",""),("out","","md5","")]' },
      '("out","","md5"',
      "a repeated entry",
    ),
    cases(
      "unsorted outputs",
      { outputs: '[("a","","",""),("b","","","")]' },
      { outputs: '[("b","","",""),("a","","","")]' },
      '("a"',
      "an unsorted entry",
    ),
    cases(
      "a repeated input: the last counts",
      { inputDrvs: `[("${drvs[0]}",["b"])]` },
      { inputDrvs: `[("${drvs[0]}",["a"]),("${drvs[0]}",["b"])]` },
      `("${drvs[0]}",["b"])`,
      "a repeated entry",
    ),
    cases(
      "unsorted inputs",
      { inputDrvs: `[("${drvs[0]}",["o"]),("${drvs[1]}",["o"])]` },
      { inputDrvs: `[("${drvs[1]}",["o"]),("${drvs[0]}",["o"])]` },
      `("${drvs[0]}"`,
      "an unsorted entry",
    ),
    cases(
      "unsorted output names of an input",
      { inputDrvs: `[("${drvs[0]}",["n","o"])]` },
      { inputDrvs: `[("${drvs[0]}",["o","n"])]` },
      '"n"',
      "an unsorted entry",
    ),
    cases(
      "unsorted sources",
      { inputSrcs: `["${path("a")}","${path("b")}"]` },
      { inputSrcs: `["${path("b")}","${path("a")}"]` },
      `"${path("a")}"`,
      "an unsorted entry",
    ),
    cases(
      "a hash in upper case",
      { outputs: `[("out","${sha1Path}","sha1","${sha1}")]` },
      { outputs: `[("out","${sha1Path}","sha1","${sha1.toUpperCase()}")]` },
      '("out"',
      "a hash that is not in lower-case base 16",
    ),
    cases(
      "a path that is not that of the hash",
      { outputs: `[("out","${sha1Path}","sha1","${sha1}")]` },
      { outputs: `[("out","${path("a", "x")}","sha1","${sha1}")]` },
      '("out"',
      "a path that does not match its content address",
    ),
  ];

  function cases(
    name: string,
    reads: Partial<Fields>,
    written: Partial<Fields> | string,
    where: string | number,
    found: string,
  ) {
    const text = typeof written === "string" ? written : derivationText(written);
    return { name, reads, text, offset: typeof where === "number" ? where : at(text, where), found };
  }

  test.each(irregular)("$name", ({ text, offset, found, reads }) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "ERR_DRV_SYNTAX", offset, found }));
    expect(isCanonicalDerivation(bytesOf(text), { name })).toBe(false);
    const canonical = derivationText(reads);
    expect(new TextDecoder().decode(printDerivation(parse(text, true)))).toBe(canonical);
    expect(isCanonicalDerivation(bytesOf(canonical), { name })).toBe(true);
  });
});

describe("parseDerivation", () => {
  test("gives plain byte arrays although it was given a Buffer", () => {
    const drv = parseDerivation(Buffer.from(derivationText({ args: '["a"]' })), { name });
    expect(drv.args[0]?.constructor).toBe(Uint8Array);
  });

  test("keeps every byte that needs no escape", () => {
    const raw = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const drv = { ...derivationOf(), args: [raw], builder: raw };
    expect(parseDerivation(printDerivation(drv), { name })).toEqual(drv);
  });

  test("reads paths of another store directory", () => {
    const text = derivationText({ inputSrcs: `["/my/store/${"a".repeat(32)}-y"]` });
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: "ERR_STORE_PATH" }));
    const storeDir = makeStoreDir("/my/store");
    expect(parseDerivation(bytesOf(text), { name, storeDir }).inputSrcs.size).toBe(1);
  });
});

describe("printDerivation", () => {
  test.each(['a"b', "a\\b"])("refuses the platform %s, which would not be read back", (platform) => {
    expect(() => printDerivation({ ...derivationOf(), platform })).toThrow(
      expect.objectContaining({
        code: "ERR_DRV_UNPRINTABLE",
        message: `platform '${platform}' cannot be written`,
      }),
    );
  });

  test("sorts what it is given in any order", () => {
    const drv = derivationOf({ outputs: '[("a","","",""),("b","","","")]' });
    const turned = { ...drv, outputs: new Map([...drv.outputs].reverse()) };
    expect(printDerivation(turned)).toEqual(printDerivation(drv));
  });
});
