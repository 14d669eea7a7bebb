import { describe, expect, test } from "vitest";
import {
  fingerprintOf,
  generateSecretKey,
  isTrusted,
  parseNarInfo,
  parsePublicKey,
  parseSecretKey,
  printKey,
  publicKeyOf,
  signPathInfo,
  signText,
  verifySignatures,
  verifyText,
} from "../src/index.js";
import { narInfos, publicKey, readTestdata, secretKey, storeDir } from "./support/testdata.js";

const infos = narInfos.map(({ file, text }) => ({ file, info: parseNarInfo(text, { storeDir }) }));

test.each(infos)("signs $file as Nix did", async ({ info }) => {
  expect(info.signatures).toHaveLength(1);
  expect((await signPathInfo({ ...info, signatures: [] }, secretKey)).signatures).toEqual(info.signatures);
  expect((await signPathInfo(info, secretKey)).signatures).toEqual(info.signatures);
  expect(await verifySignatures(info, [publicKey])).toEqual(new Set(["testdata-1"]));
});

test.each(infos)("any change of what is signed of $file is noticed", async ({ info }) => {
  const [other] = infos.filter((each) => each.info.path !== info.path);
  const changed = [
    { ...info, narSizeBytes: info.narSizeBytes + 1 },
    { ...info, narHash: { ...info.narHash, digest: info.narHash.digest.map((byte) => byte ^ 1) } },
    { ...info, path: other?.info.path ?? info.path },
    { ...info, references: new Set([...info.references, "/x" as never]) },
  ];
  for (const each of changed) expect(await verifySignatures(each, [publicKey])).toEqual(new Set());
  // Where it is kept and who made it is not signed.
  const { deriver: _deriver, ca: _ca, ...rest } = info;
  expect(await verifySignatures({ ...rest, ...{ url: "elsewhere" } }, [publicKey])).toEqual(
    new Set(["testdata-1"]),
  );
});

const [first] = infos;
if (first === undefined) throw new Error("no testdata");
const { info } = first;

describe("verifySignatures", () => {
  test("of keys with one name the first counts", async () => {
    const other = { ...publicKeyOf(await generateSecretKey("x")), name: publicKey.name };
    expect(await verifySignatures(info, [publicKey, other])).toEqual(new Set(["testdata-1"]));
    expect(await verifySignatures(info, [other, publicKey])).toEqual(new Set());
  });

  test.each(["", "testdata-1", "testdata-1:", ":AA==", "testdata-1:AA==", "testdata-1:!!", "other:AA=="])(
    "passes over the signature '%s'",
    async (signature) => {
      expect(await verifySignatures({ ...info, signatures: [signature] }, [publicKey])).toEqual(new Set());
      const both = { ...info, signatures: [signature, ...info.signatures] };
      expect(await verifySignatures(both, [publicKey])).toEqual(new Set(["testdata-1"]));
    },
  );

  test("nothing verifies without a size, or with a key that is no point of the curve", async () => {
    expect(await verifySignatures({ ...info, narSizeBytes: 0 }, [publicKey])).toEqual(new Set());
    const broken = { ...publicKey, bytes: new Uint8Array(32).fill(0xff) };
    expect(await verifySignatures(info, [broken])).toEqual(new Set());
  });
});

test("what is content-addressed is trusted without a signature, the rest with one", async () => {
  for (const each of infos) {
    const unsigned = { ...each.info, signatures: [] };
    expect(await isTrusted(unsigned, [publicKey])).toBe(each.info.ca !== undefined);
    expect(await isTrusted(each.info, [publicKey])).toBe(true);
    expect(await isTrusted(each.info, [])).toBe(each.info.ca !== undefined);
  }
});

test("what has no size cannot be signed", async () => {
  expect(() => fingerprintOf({ ...info, narSizeBytes: 0 })).toThrow(
    expect.objectContaining({ code: "ERR_NARINFO_UNSIGNABLE" }),
  );
});

describe("keys", () => {
  test("print to the texts they were read from", () => {
    expect(printKey(secretKey)).toBe(readTestdata("secret-key").trim());
    expect(printKey(publicKey)).toBe(readTestdata("public-key").trim());
    expect(publicKeyOf(secretKey)).toEqual(publicKey);
  });

  test("that are generated sign what their public halves verify", async () => {
    const key = await generateSecretKey("cache.example.org-1");
    const again = parseSecretKey(printKey(key));
    expect(again).toEqual(key);
    const signature = await signText(again, "text");
    expect(signature).toMatch(/^cache\.example\.org-1:[A-Za-z0-9+/]{86}==$/u);
    expect(await verifyText(publicKeyOf(key), "text", signature)).toBe(true);
    expect(await verifyText(publicKeyOf(key), "Text", signature)).toBe(false);
    expect(await verifyText(publicKey, "text", signature)).toBe(false);
    expect(await generateSecretKey("cache.example.org-1")).not.toEqual(key);
  });

  test("whose halves do not belong together do not sign", async () => {
    const other = await generateSecretKey(secretKey.name);
    const mixed = { ...secretKey, bytes: secretKey.bytes.slice() };
    mixed.bytes.set(other.bytes.subarray(32), 32);
    await expect(signText(mixed, "text")).rejects.toMatchObject({
      code: "ERR_KEY",
      message: "secret key 'testdata-1' is not valid",
    });
  });

  test.each(["", "a:b", "a b", "a\n"])("do not have the name '%s'", async (name) => {
    await expect(generateSecretKey(name)).rejects.toMatchObject({ code: "ERR_KEY" });
  });

  test.each([
    ["", "corrupt"],
    ["name", "corrupt"],
    ["name:", "corrupt"],
    [":AAAA", "corrupt"],
    ["name:AAAA", "not valid"],
    ["name:??", "not valid"],
    [readTestdata("secret-key").trim(), "not valid"],
  ])("are not read from '%s'", (text, what) => {
    expect(() => parsePublicKey(text)).toThrow(
      expect.objectContaining({ code: "ERR_KEY", message: `public key is ${what}` }),
    );
  });

  test("that are secret are not shown", () => {
    const text = readTestdata("secret-key").trim().slice(0, -8);
    expect(() => parseSecretKey(text)).toThrow(
      expect.objectContaining({
        message: "secret key is not valid",
        hint: expect.not.stringContaining(text),
      }),
    );
  });
});
