import { defaultStoreDir, hashBytes, makeOutputName, makeStorePath } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import {
  mergeRealisations,
  parseDrvOutput,
  parseRealisation,
  printDrvOutput,
  printRealisation,
  type Realisation,
  realisationFileName,
  realisationFingerprint,
  signRealisation,
  verifyRealisation,
} from "../src/index.js";
import { publicKey, realisations, secretKey, storeDir } from "./support/testdata.js";

test.each(realisations)("$file of Nix prints to its bytes", ({ file, text }) => {
  const realisation = parseRealisation(text, { storeDir });
  expect(printRealisation(realisation)).toBe(text);
  expect(realisationFileName(realisation.id)).toBe(file);
  expect(realisationFingerprint(realisation)).toBe(text.replace(',"signatures":[]', ""));
});

const out = makeOutputName("out");
const outPath = makeStorePath(defaultStoreDir, "20358y39a0qp8drpx2nk3zmq2fd76qhd-ca");
const drvPath = makeStorePath(defaultStoreDir, "3yqlm6qcq8599j7lzix4ijnrb7clz6wf-ca.drv");
const byHash: Realisation = {
  id: { type: "hash", hash: hashBytes("sha256", new Uint8Array()), outputName: out },
  outPath,
  signatures: [],
  dependentRealisations: new Map(),
};
const byPath: Realisation = { ...byHash, id: { type: "path", drvPath, outputName: out } };

test("the newer form has its key in the name of its file", () => {
  expect(realisationFileName(byPath.id)).toBe(
    "build-trace-v2/3yqlm6qcq8599j7lzix4ijnrb7clz6wf-ca.drv/out.doi",
  );
  const text = printRealisation({ ...byPath, signatures: ["k:b64"] });
  expect(text).toBe(
    '{"outPath":"20358y39a0qp8drpx2nk3zmq2fd76qhd-ca","signatures":[{"keyName":"k","sig":"b64"}]}',
  );
  expect(parseRealisation(text, { id: byPath.id })).toEqual({ ...byPath, signatures: ["k:b64"] });
  expect(realisationFingerprint(byPath)).toBe(
    '{"key":{"drvPath":"3yqlm6qcq8599j7lzix4ijnrb7clz6wf-ca.drv","outputName":"out"},"value":{"outPath":"20358y39a0qp8drpx2nk3zmq2fd76qhd-ca"}}',
  );
});

test.each([byHash, byPath])("signatures verify and notice changes", async (realisation) => {
  const signed = await signRealisation(realisation, secretKey);
  expect(await verifyRealisation(signed, [publicKey])).toEqual(new Set([publicKey.name]));
  const other = { ...signed, outPath: drvPath };
  expect(await verifyRealisation(other, [publicKey])).toEqual(new Set());
  expect(parseRealisation(printRealisation(signed), { id: signed.id })).toEqual(signed);
});

describe("parseDrvOutput", () => {
  test.each([byHash.id, byPath.id])("reads what was printed", (id) => {
    expect(parseDrvOutput(printDrvOutput(id))).toEqual(id);
  });

  test.each([
    "",
    "sha256:00!out",
    "out",
    "!out",
    `${printDrvOutput(byHash.id)}!`,
    `${outPath}^out`,
    `${drvPath}!out`,
  ])("refuses '%s'", (text) => {
    expect(() => parseDrvOutput(text)).toThrow(expect.objectContaining({ code: "ERR_REALISATION" }));
  });
});

describe("parseRealisation", () => {
  const id = printDrvOutput(byHash.id);

  test("members that are missing are empty", () => {
    expect(parseRealisation(`{"id":"${id}","outPath":"20358y39a0qp8drpx2nk3zmq2fd76qhd-ca"}`)).toEqual(
      byHash,
    );
  });

  test.each([
    ["", "a realisation cannot be read: expected a value at offset 0, found the end"],
    ["[]", "a realisation cannot be read: 'a realisation' is not an object"],
    ["{}", "a realisation cannot be read: 'outPath' is not a string"],
    [
      '{"outPath":"20358y39a0qp8drpx2nk3zmq2fd76qhd-ca"}',
      "a realisation cannot be read: it does not say of which output it is",
    ],
    [
      `{"id":"${id}","outPath":"20358y39a0qp8drpx2nk3zmq2fd76qhd-ca","signatures":{}}`,
      "a realisation cannot be read: 'signatures' is not an array",
    ],
  ])("refuses '%s'", (text, message) => {
    expect(() => parseRealisation(text)).toThrow(
      expect.objectContaining({ code: "ERR_REALISATION", message }),
    );
  });

  test("refuses one of another output than was asked for", () => {
    const other = { ...byHash.id, outputName: makeOutputName("dev") };
    expect(() => parseRealisation(printRealisation(byHash), { id: other })).toThrow(
      expect.objectContaining({ code: "ERR_REALISATION" }),
    );
  });
});

describe("mergeRealisations", () => {
  const dependent = { ...byHash, dependentRealisations: new Map([["x!out", drvPath]]), signatures: ["b:"] };

  test("unites signatures, and takes what either depends on", () => {
    const merged = { ...dependent, signatures: ["a:", "b:"] };
    expect(mergeRealisations({ ...byHash, signatures: ["a:"] }, dependent)).toEqual(merged);
    expect(mergeRealisations({ ...dependent, signatures: ["a:", "b:"] }, byHash)).toEqual(merged);
    expect(mergeRealisations(dependent, dependent)).toEqual(dependent);
  });

  test.each([
    ["another path", { ...byHash, outPath: drvPath }],
    ["another dependency", { ...dependent, dependentRealisations: new Map([["x!out", outPath]]) }],
  ])("refuses %s", (_name, other) => {
    expect(() => mergeRealisations(dependent, other)).toThrow(
      expect.objectContaining({
        code: "ERR_REALISATION_CONFLICT",
        message: expect.stringContaining(
          `Trying to register a realisation of '${printDrvOutput(byHash.id)}', but we already have another one locally.`,
        ),
      }),
    );
  });
});
