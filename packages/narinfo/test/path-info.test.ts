import {
  type ContentAddress,
  computeContentAddressedPath,
  defaultStoreDir,
  hashBytes,
  makeStorePath,
  parseHash,
  parseStorePath,
  type StorePath,
} from "@drvkit/drv-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isContentAddressed, type PathInfo, pathInfoToJson } from "../src/index.js";

const cam = parseStorePath(defaultStoreDir, "/nix/store/njnlpgvzgrap12lvigs2wvl17z4m49ks-cam");
const drv = parseStorePath(defaultStoreDir, "/nix/store/my9bcpyddz4f5izr21ykvi4b61gfsg40-cam.drv");
const other = parseStorePath(defaultStoreDir, "/nix/store/7y01zz1l5w1d7p9a3xq0r8k3v7c6dhqf-aa");

function address(method: ContentAddress["method"], hash: string): ContentAddress {
  return { method, hash: parseHash(hash) };
}

const info: PathInfo = {
  path: cam,
  narHash: parseHash("sha256:0z8a5mgd7xvp2bh6iv0v4rhmgcr3fqxkr3j1agjhqcdqcriphlbg"),
  narSizeBytes: 160,
  references: new Set([cam, other]),
  deriver: drv,
  registrationTimeSeconds: 1700000000,
  ultimate: true,
  signatures: ["b-1:AA==", "a-1:AA==", "b-1:AA=="],
  ca: address("nar", "sha256:0wss9gaahhgcl5kygpzbzcgmmcfxa0vgk7ymi42k6qkc9d4a2d46"),
};

describe("pathInfoToJson", () => {
  test("prints every field", () => {
    expect(pathInfoToJson(info)).toEqual({
      narHash: `sha256-${Buffer.from(info.narHash.digest).toString("base64")}`,
      narSize: 160,
      references: [other, cam],
      deriver: drv,
      ca: "fixed:r:sha256:0wss9gaahhgcl5kygpzbzcgmmcfxa0vgk7ymi42k6qkc9d4a2d46",
      signatures: ["a-1:AA==", "b-1:AA=="],
      registrationTime: 1700000000,
      ultimate: true,
    });
  });

  test("tells what of the machine a builder saw, where it saw any of it", () => {
    expect(pathInfoToJson(info)).not.toHaveProperty("builderSaw");
    expect(pathInfoToJson({ ...info, builderSaw: "machine" })).toHaveProperty("builderSaw", "machine");
  });

  test("prints null for what is absent", () => {
    const { deriver: _deriver, ca: _ca, ...rest } = info;
    expect(pathInfoToJson(rest)).toMatchObject({ deriver: null, ca: null });
  });

  test("does not depend on the order of references", () => {
    const names = ["a", "b", "C", "z.", "0", "_"];
    const paths = names.map((name) => makeStorePath(defaultStoreDir, `${"0".repeat(32)}-${name}`));
    const expected = pathInfoToJson({ ...info, references: new Set(paths) });
    fc.assert(
      fc.property(fc.shuffledSubarray(paths, { minLength: paths.length }), (shuffled) => {
        expect(pathInfoToJson({ ...info, references: new Set(shuffled) })).toEqual(expected);
      }),
    );
  });
});

describe("isContentAddressed", () => {
  const self: PathInfo = { ...info, references: new Set([cam]) };
  const { ca: _ca, ...none } = self;
  const content = hashBytes("sha256", new TextEncoder().encode("hello"));
  const sha1 = hashBytes("sha1", new TextEncoder().encode("hello"));

  function made(ca: ContentAddress, references: StorePath[] = []): PathInfo {
    return {
      ...info,
      path: computeContentAddressedPath(defaultStoreDir, "x" as never, ca, { references }),
      references: new Set(references),
      ca,
    };
  }
  const text = made({ method: "text", hash: content }, [other]);
  const flat = made({ method: "flat", hash: sha1 });
  const narSha1 = made({ method: "nar", hash: sha1 });

  test.each<{ name: string; info: PathInfo; expected: boolean }>([
    { name: "an archive that refers to itself", info: self, expected: true },
    { name: "a text with a reference", info: text, expected: true },
    { name: "a flat sha1 file", info: flat, expected: true },
    { name: "an archive hashed with sha1", info: narSha1, expected: true },
    { name: "no address", info: none, expected: false },
    { name: "a reference too many", info, expected: false },
    { name: "a self reference missing", info: { ...self, references: new Set() }, expected: false },
    {
      name: "another hash",
      info: { ...text, ca: { method: "text", hash: { ...content, digest: new Uint8Array(32) } } },
      expected: false,
    },
    {
      name: "a text that refers to itself",
      info: { ...text, references: new Set([text.path]) },
      expected: false,
    },
    {
      name: "a flat file with a reference",
      info: { ...flat, references: new Set([other]) },
      expected: false,
    },
    {
      name: "a sha1 archive with a self reference",
      info: { ...narSha1, references: new Set([narSha1.path]) },
      expected: false,
    },
  ])("$name: $expected", ({ info, expected }) => {
    expect(isContentAddressed(info)).toBe(expected);
  });
});
