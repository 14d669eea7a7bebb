import {
  type ContentAddress,
  compareText,
  defaultStoreDir,
  EngineError,
  encodeBase64,
  encodeNixBase32,
  hashBytes,
  makeOutputName,
  makeStorePath,
  type StorePath,
} from "@drvkit/drv-parser";
import { NarParser } from "@drvkit/nar";
import fc, { type Arbitrary } from "fast-check";
import { describe, expect, test } from "vitest";
import { holds, numRuns } from "../../../tests/properties.js";
import {
  type NarInfo,
  parseExport,
  parseNarInfo,
  parseRealisation,
  parseRegistrations,
  printNarInfo,
  printRealisation,
  printRegistrations,
  type Realisation,
  type Registration,
} from "../src/index.js";
import { dumpDb, exportStream, storeDir } from "./support/testdata.js";

const timeout = 600_000;

const storePath: Arbitrary<StorePath> = fc
  .tuple(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.constantFrom("a", "b-1.0", "x.drv", "N=+_?"))
  .map(([digest, name]) => makeStorePath(defaultStoreDir, `${encodeNixBase32(digest)}-${name}`));
const sha256 = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((digest) => ({ algorithm: "sha256" as const, digest }));
const sorted = (paths: readonly StorePath[]) => new Set([...paths].sort(compareText));
const references = fc.array(storePath, { maxLength: 5 }).map(sorted);
const signature = fc
  .tuple(fc.constantFrom("k-1", "cache.example.org-1"), fc.uint8Array({ minLength: 64, maxLength: 64 }))
  .map(([name, bytes]) => `${name}:${encodeBase64(bytes)}`);
const signatures = fc.uniqueArray(signature, { maxLength: 3 }).map((all) => [...all].sort(compareText));
const ca: Arbitrary<ContentAddress> = fc.record({
  method: fc.constantFrom("text", "flat", "nar"),
  hash: sha256,
});
const size = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const line = fc.string({ minLength: 1 }).filter((text) => !/[\r\n]/u.test(text));

const narInfo: Arbitrary<NarInfo> = fc
  .record(
    {
      path: storePath,
      url: line,
      compression: fc.constantFrom("xz", "none", "zstd"),
      fileHash: sha256,
      fileSizeBytes: fc.nat(),
      narHash: sha256,
      narSizeBytes: size,
      references,
      deriver: storePath,
      signatures,
      ca,
    },
    { requiredKeys: ["path", "url", "compression", "narHash", "narSizeBytes", "references", "signatures"] },
  )
  .map((info) => ({ ...info, registrationTimeSeconds: 0, ultimate: false }) as NarInfo);

const id = fc.oneof(
  sha256.map((hash) => ({ type: "hash" as const, hash, outputName: makeOutputName("out") })),
  fc.uint8Array({ minLength: 20, maxLength: 20 }).map((digest) => ({
    type: "path" as const,
    drvPath: makeStorePath(defaultStoreDir, `${encodeNixBase32(digest)}-x.drv`),
    outputName: makeOutputName("dev"),
  })),
);
const realisation: Arbitrary<Realisation> = fc.record({
  id,
  outPath: storePath,
  signatures,
  dependentRealisations: fc.constant(new Map()),
});

const registration: Arbitrary<Registration> = fc.record(
  { path: storePath, nar: fc.record({ hash: sha256, sizeBytes: fc.nat() }), deriver: storePath, references },
  { requiredKeys: ["path", "nar", "references"] },
) as Arbitrary<Registration>;

describe("reads what was printed", () => {
  test("a narinfo", { timeout }, () => {
    holds(narInfo, (info) => expect(parseNarInfo(printNarInfo(info))).toEqual(info));
  });

  test("a realisation", { timeout }, () => {
    holds(realisation, (each) =>
      expect(parseRealisation(printRealisation(each), { id: each.id })).toEqual(each),
    );
  });

  test("registrations", { timeout }, () => {
    holds(fc.array(registration, { maxLength: 4 }), (all) =>
      expect(parseRegistrations(printRegistrations(all))).toEqual(all),
    );
  });
});

/** The text with some of it changed. */
const damaged = (text: Arbitrary<string>) =>
  fc
    .tuple(
      text,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 4 }), fc.string({ maxLength: 4 })), { maxLength: 3 }),
    )
    .map(([whole, changes]) =>
      changes.reduce((each, [place, removed, added]) => {
        const at = each.length === 0 ? 0 : place % each.length;
        return each.slice(0, at) + added + each.slice(at + removed);
      }, whole),
    );

describe("refuses what was damaged with a typed error, or prints it again", () => {
  const holdsFor = (text: Arbitrary<string>, again: (text: string) => string) => {
    let accepted = 0;
    holds(damaged(text), (each) => {
      try {
        const printed = again(each);
        expect(again(printed)).toBe(printed);
        accepted += 1;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
    });
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(numRuns);
  };

  test("a narinfo", { timeout }, () => {
    holdsFor(narInfo.map(printNarInfo), (text) => printNarInfo(parseNarInfo(text)));
  });

  test("a realisation", { timeout }, () => {
    const known = {
      type: "hash",
      hash: hashBytes("sha256", new Uint8Array()),
      outputName: makeOutputName("out"),
    } as const;
    holdsFor(
      realisation.map((each) => printRealisation({ ...each, id: known })),
      (text) => printRealisation(parseRealisation(text)),
    );
  });

  test("registrations", { timeout }, () => {
    holdsFor(fc.constant(dumpDb), (text) => printRegistrations(parseRegistrations(text, { storeDir })));
  });

  test("an export stream", { timeout }, () => {
    let accepted = 0;
    const changes = fc.array(fc.tuple(fc.nat({ max: exportStream.length - 1 }), fc.nat({ max: 255 })), {
      maxLength: 2,
    });
    holds(fc.tuple(changes, fc.integer({ min: 20, max: 500 })), ([all, length]) => {
      const bytes = exportStream.slice();
      for (const [at, byte] of all) bytes[at] = byte;
      const pieces = Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) =>
        bytes.subarray(index * length, (index + 1) * length),
      );
      try {
        for (const _ of parseExport(pieces, { storeDir, makeNar: () => new NarParser() }));
        accepted += 1;
      } catch (error) {
        expect((error as Error).name).toMatch(/^(?:NarInfoError|NarError)$/u);
      }
    });
    expect(accepted).toBeGreaterThan(0);
  });
});
