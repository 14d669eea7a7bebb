import { describe, expect, test } from "vitest";
import { digests as portable } from "../../src/hash/digests.js";
import { digests as node } from "../../src/hash/digests-node.js";
import {
  bytesOf,
  compressHash,
  encodeNixBase32,
  type HashAlgorithm,
  hashBytes,
  hashesEqual,
  parseHash,
  parseHashAlgorithm,
  printHash,
} from "../../src/index.js";

const nothing = new Uint8Array();
const base16 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const nix32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
const base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

describe("parseHash", () => {
  test.each<{ name: string; text: string; algorithm?: HashAlgorithm }>([
    { name: "base 16", text: base16, algorithm: "sha256" },
    { name: "base 16 in upper case", text: base16.toUpperCase(), algorithm: "sha256" },
    { name: "base 16 with its algorithm", text: `sha256:${base16}` },
    { name: "an algorithm stated twice", text: `sha256:${base16}`, algorithm: "sha256" },
    { name: "nix32", text: nix32, algorithm: "sha256" },
    { name: "nix32 with its algorithm", text: `sha256:${nix32}` },
    { name: "base 64", text: base64, algorithm: "sha256" },
    { name: "base 64 with its algorithm", text: `sha256:${base64}` },
    { name: "SRI", text: `sha256-${base64}` },
    { name: "SRI without padding", text: `sha256-${base64.slice(0, -1)}` },
    { name: "SRI with a line end", text: `sha256-${base64.slice(0, 20)}\n${base64.slice(20)}` },
    { name: "SRI with anything behind its padding", text: `sha256-${base64}=?` },
  ])("takes $name", ({ text, algorithm }) => {
    expect(parseHash(text, algorithm)).toEqual(hashBytes("sha256", nothing));
  });

  test.each<{ name: string; text: string; algorithm?: HashAlgorithm; message: string }>([
    {
      name: "base 64 without padding",
      text: base64.slice(0, -1),
      algorithm: "sha256",
      message: `hash '${base64.slice(0, -1)}' has wrong length for hash type 'sha256'`,
    },
    {
      name: "base 16 behind a dash",
      text: `sha256-${base16}`,
      message: `hash 'sha256-${base16}' has wrong length for hash type 'sha256'`,
    },
    {
      name: "nix32 in upper case",
      text: nix32.toUpperCase(),
      algorithm: "sha256",
      message: `'${nix32.toUpperCase()}' is not valid base-32`,
    },
    {
      name: "nix32 with a bit past the end",
      text: `2${nix32.slice(1)}`,
      algorithm: "sha256",
      message: `'2${nix32.slice(1)}' is not valid base-32`,
    },
    {
      name: "a foreign character in base 16",
      text: `g${base16.slice(1)}`,
      algorithm: "sha256",
      message: `hash 'g${base16.slice(1)}' is not valid base-16`,
    },
    {
      name: "a foreign character in base 64",
      text: `sha256-*${base64.slice(1)}`,
      message: `hash 'sha256-*${base64.slice(1)}' is not valid base-64`,
    },
    {
      name: "padding before the end, so that too little is left",
      text: `sha256:=${base64.slice(1)}`,
      message: `hash 'sha256:=${base64.slice(1)}' has wrong length for hash type 'sha256'`,
    },
    { name: "no algorithm", text: base16, message: `hash '${base16}' does not include a type` },
    {
      name: "another algorithm than the known one",
      text: `sha256:${base16}`,
      algorithm: "sha1",
      message: `hash 'sha256:${base16}' should have type 'sha1'`,
    },
    { name: "an unknown algorithm", text: "crc32:00", message: "unknown hash algorithm 'crc32'" },
    {
      name: "nothing",
      text: "",
      algorithm: "md5",
      message: "hash '' has wrong length for hash type 'md5'",
    },
    {
      name: "nothing behind the algorithm",
      text: "md5:",
      message: "hash 'md5:' has wrong length for hash type 'md5'",
    },
  ])("refuses $name", ({ text, algorithm, message }) => {
    expect(() => parseHash(text, algorithm)).toThrow(expect.objectContaining({ code: "ERR_HASH", message }));
  });
});

test.each<{ algorithm: HashAlgorithm; base16: number; nix32: number; base64: number }>([
  { algorithm: "md5", base16: 32, nix32: 26, base64: 24 },
  { algorithm: "sha1", base16: 40, nix32: 32, base64: 28 },
  { algorithm: "sha256", base16: 64, nix32: 52, base64: 44 },
  { algorithm: "sha512", base16: 128, nix32: 103, base64: 88 },
  { algorithm: "blake3", base16: 64, nix32: 52, base64: 44 },
])("texts of $algorithm have the lengths by which they are told apart", ({ algorithm, ...lengths }) => {
  const hash = hashBytes(algorithm, nothing);
  for (const form of ["base16", "nix32", "base64"] as const) {
    expect(printHash(hash, form)).toHaveLength(lengths[form]);
    expect(parseHash(printHash(hash, form), algorithm)).toEqual(hash);
  }
});

test("the forms of sha256 of nothing", () => {
  const hash = hashBytes("sha256", nothing);
  expect(printHash(hash, "base16")).toBe(base16);
  expect(printHash(hash, "nix32")).toBe(nix32);
  expect(printHash(hash, "base64")).toBe(base64);
  expect(printHash(hash, "sri")).toBe(`sha256-${base64}`);
  expect(printHash(hash, "prefixedBase16")).toBe(`sha256:${base16}`);
  expect(printHash(hash, "prefixedNix32")).toBe(`sha256:${nix32}`);
});

test.each(["md5", "sha1", "sha256", "sha512", "blake3"] as const)(
  "%s is the same in a browser and under Node",
  (algorithm) => {
    for (const size of [0, 1, 63, 64, 65, 1023, 1024, 1025, 5000]) {
      const bytes = Uint8Array.from({ length: size }, (_, index) => index % 251);
      const portableDigest = portable[algorithm](bytes);
      expect(node[algorithm](bytes)).toEqual(portableDigest);
      expect(hashBytes(algorithm, bytes)).toEqual({ algorithm, digest: portableDigest });
    }
  },
);

test("blake3 of three letters", () => {
  expect(printHash(hashBytes("blake3", bytesOf("abc")), "base16")).toBe(
    "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
  );
});

describe("parseHashAlgorithm", () => {
  test.each(["SHA256", "sha-256", "", "toString", "constructor", "__proto__"])("refuses '%s'", (text) => {
    expect(() => parseHashAlgorithm(text)).toThrow(
      expect.objectContaining({ code: "ERR_HASH", message: `unknown hash algorithm '${text}'` }),
    );
  });
});

describe("compressHash", () => {
  test("gives 20 bytes of sha256", () => {
    const folded = compressHash(hashBytes("sha256", nothing).digest, 20);
    expect(Buffer.from(folded).toString("hex")).toBe("872b570e3c69850fe2a94c9d996fb92427ae41e4");
    expect(encodeNixBase32(folded)).toBe("wi0sw9r4p5prk7acm7i0z1b97h75faw7");
  });

  test("folds what is past the end onto the beginning", () => {
    expect(compressHash(Uint8Array.of(1, 2, 4, 8, 16), 2)).toEqual(Uint8Array.of(21, 10));
  });
});

test("hashes are equal by algorithm and bytes", () => {
  const hash = hashBytes("sha256", bytesOf("a"));
  expect(hashesEqual(hash, hashBytes("sha256", bytesOf("a")))).toBe(true);
  expect(hashesEqual(hash, hashBytes("sha256", bytesOf("b")))).toBe(false);
  expect(hashesEqual(hash, { ...hash, algorithm: "sha512" })).toBe(false);
  expect(hashesEqual(hash, { ...hash, digest: hash.digest.subarray(1) })).toBe(false);
});
