import { describe, expect, test } from "vitest";
import {
  bytesOf,
  computeContentAddressedPath,
  computeTextPath,
  defaultStoreDir,
  hashBytes,
  makeStoreDir,
  parseContentAddress,
  parseHash,
  parseStorePath,
  printContentAddress,
} from "../../src/index.js";

const nix32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
const base16 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const hash = hashBytes("sha256", new Uint8Array());
const cam = parseStorePath(defaultStoreDir, "/nix/store/njnlpgvzgrap12lvigs2wvl17z4m49ks-cam");
const camHash = parseHash("sha256:0wss9gaahhgcl5kygpzbzcgmmcfxa0vgk7ymi42k6qkc9d4a2d46");

describe("a content address", () => {
  test.each([
    { text: `text:sha256:${nix32}`, method: "text" },
    { text: `fixed:sha256:${nix32}`, method: "flat" },
    { text: `fixed:r:sha256:${nix32}`, method: "nar" },
    { text: `fixed:git:sha256:${nix32}`, method: "git" },
  ] as const)("$text", ({ text, method }) => {
    expect(parseContentAddress(text)).toEqual({ method, hash });
    expect(printContentAddress({ method, hash })).toBe(text);
  });

  test.each([base16, base16.toUpperCase(), base64])("is read with the hash %s too", (each) => {
    expect(parseContentAddress(`fixed:r:sha256:${each}`)).toEqual({ method: "nar", hash });
  });

  test.each([
    { name: "nothing", text: "", code: "ERR_CONTENT_ADDRESS", message: "'' is not a content address" },
    {
      name: "a word",
      text: "fixed",
      code: "ERR_CONTENT_ADDRESS",
      message: "'fixed' is not a content address",
    },
    {
      name: "another prefix",
      text: `nar:sha256:${nix32}`,
      code: "ERR_CONTENT_ADDRESS",
      message: "content address prefix 'nar' is unrecognized",
    },
    {
      name: "text with another algorithm",
      text: "text:md5:d41d8cd98f00b204e9800998ecf8427e",
      code: "ERR_CONTENT_ADDRESS",
      message: "text content address 'text:md5:d41d8cd98f00b204e9800998ecf8427e' must use sha256",
    },
    {
      name: "SRI",
      text: `fixed:sha256-${base64}`,
      code: "ERR_CONTENT_ADDRESS",
      message: `content address 'fixed:sha256-${base64}' has no hash with its algorithm`,
    },
    {
      name: "git with an algorithm that git does not have",
      text: "fixed:git:md5:d41d8cd98f00b204e9800998ecf8427e",
      code: "ERR_CONTENT_ADDRESS",
      message: "git content address 'fixed:git:md5:d41d8cd98f00b204e9800998ecf8427e' must use sha1 or sha256",
    },
    {
      name: "no hash",
      text: "fixed:r:sha256:",
      code: "ERR_HASH",
      message: "hash 'sha256:' has wrong length for hash type 'sha256'",
    },
  ])("is refused: $name", ({ text, code, message }) => {
    expect(() => parseContentAddress(text)).toThrow(expect.objectContaining({ code, message }));
  });
});

describe("the path of content", () => {
  test("text without references", () => {
    expect(computeTextPath(defaultStoreDir, "empty", new Uint8Array(), [])).toBe(
      "/nix/store/wflv0hgb0qb1ddc5nxmsg0y9zjjhfvmh-empty",
    );
  });

  test("a tree that refers to itself, and one that refers to it", () => {
    const ca = { method: "nar", hash: camHash } as const;
    expect(computeContentAddressedPath(defaultStoreDir, "cam", ca, { self: true })).toBe(cam);
  });

  test("a source", () => {
    const ca = {
      method: "nar",
      hash: parseHash("sha256:1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13"),
    } as const;
    expect(computeContentAddressedPath(defaultStoreDir, "hello.txt", ca)).toBe(
      "/nix/store/i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt",
    );
  });

  test("depends on the store directory", () => {
    const [ours, theirs] = [defaultStoreDir, makeStoreDir("/my/store")].map((dir) =>
      computeTextPath(dir, "empty", new Uint8Array(), []),
    );
    expect(theirs).toMatch(/^\/my\/store\/[0-9a-z]{32}-empty$/u);
    expect(theirs?.slice(-38)).not.toBe(ours?.slice(-38));
  });

  test("does not depend on order or repetition of references", () => {
    const other = computeTextPath(defaultStoreDir, "a", bytesOf("a"), []);
    const path = (...references: (typeof cam)[]) =>
      computeTextPath(defaultStoreDir, "t", bytesOf("t"), references);
    expect(path(other, cam, other)).toBe(path(cam, other));
    expect(path(cam)).not.toBe(path(cam, other));
  });

  test.each([
    {
      name: "text that refers to itself",
      method: "text",
      references: [],
      self: true,
      message: "text object 'x' cannot refer to itself",
    },
    {
      name: "a flat file that refers to something",
      method: "flat",
      references: [cam],
      self: false,
      message: "fixed output derivation 'x' is not allowed to refer to other store paths",
    },
    {
      name: "a flat file that refers to itself",
      method: "flat",
      references: [],
      self: true,
      message: "fixed output derivation 'x' is not allowed to refer to other store paths",
    },
  ] as const)("is refused: $name", ({ method, references, self, message }) => {
    const compute = () =>
      computeContentAddressedPath(defaultStoreDir, "x", { method, hash }, { references, self });
    expect(compute).toThrow(expect.objectContaining({ code: "ERR_STORE_PATH", message }));
  });

  test("is refused: text with another algorithm than sha256", () => {
    const ca = { method: "text", hash: hashBytes("sha512", bytesOf("x")) } as const;
    expect(() => computeContentAddressedPath(defaultStoreDir, "x", ca)).toThrow(
      expect.objectContaining({ code: "ERR_CONTENT_ADDRESS" }),
    );
  });

  test("is refused: a tree with sha1 that refers to something", () => {
    const ca = { method: "nar", hash: hashBytes("sha1", new Uint8Array()) } as const;
    expect(() => computeContentAddressedPath(defaultStoreDir, "x", ca, { references: [cam] })).toThrow(
      expect.objectContaining({ code: "ERR_STORE_PATH" }),
    );
  });
});
