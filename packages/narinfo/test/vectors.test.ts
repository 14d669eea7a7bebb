import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hashBytes, makeStorePath, storeDirOf } from "@drvkit/drv-parser";
import { NarParser } from "@drvkit/nar";
import { describe, expect, test } from "vitest";
import {
  type ExportedObject,
  fingerprintOf,
  parseDrvOutput,
  parseExport,
  parseNarInfo,
  parsePublicKey,
  parseRealisation,
  parseRegistrations,
  parseSecretKey,
  printDrvOutput,
  printExport,
  printNarInfo,
  printRealisation,
  printRegistrations,
  realisationFileName,
  signText,
  verifySignatures,
} from "../src/index.js";

const shared = join(import.meta.dirname, "../../../../shared");
const readVectors = <Vectors>(name: string): Vectors =>
  JSON.parse(readFileSync(join(shared, "vectors", name), "utf8"));

if (!existsSync(join(shared, "vectors"))) test.skip("vectors: ../shared/vectors is not here", () => {});
else {
  describeNarInfos();
  describeExports();
  describeRealisations();
}

function describeNarInfos() {
  const { secretKeyFile, publicKey, signed, compressions } = readVectors<{
    readonly secretKeyFile: string;
    readonly publicKey: string;
    readonly signed: readonly {
      readonly file: string;
      readonly narinfo: string;
      readonly fingerprint: string;
      readonly signature: string;
      readonly narBase64: string;
    }[];
    readonly compressions: readonly {
      readonly compression: string;
      readonly narinfo: string;
      readonly fileBase64: string;
    }[];
  }>("narinfo.json");
  console.log(`narinfo.json: ${signed.length} signed, ${compressions.length} compressions`);

  describe("narinfo.json", () => {
    test.each(signed)("$file", async ({ narinfo, fingerprint, signature, narBase64 }) => {
      const info = parseNarInfo(narinfo);
      expect(printNarInfo(info)).toBe(narinfo);
      expect(fingerprintOf(info)).toBe(fingerprint);
      expect(info.signatures).toEqual([signature]);
      expect(await signText(parseSecretKey(secretKeyFile), fingerprint)).toBe(signature);
      expect([...(await verifySignatures(info, [parsePublicKey(publicKey)]))]).toEqual(["test-cache-1"]);
      const nar = Buffer.from(narBase64, "base64");
      expect([info.narHash, info.narSizeBytes]).toEqual([hashBytes("sha256", nar), nar.length]);
    });

    test.each(compressions)("compressed by $compression", ({ compression, narinfo, fileBase64 }) => {
      const info = parseNarInfo(narinfo);
      expect(printNarInfo(info)).toBe(narinfo);
      expect(info.compression).toBe(compression);
      const file = Buffer.from(fileBase64, "base64");
      expect([info.fileHash, info.fileSizeBytes]).toEqual([hashBytes("sha256", file), file.length]);
    });
  });
}

function describeExports() {
  const { exports, dumpDb } = readVectors<{
    readonly exports: readonly { readonly paths: readonly string[]; readonly exportBase64: string }[];
    readonly dumpDb: { readonly text: string };
  }>("export.json");
  const streams = [
    ...exports.map(({ paths, exportBase64 }) => ({
      name: paths.join(" "),
      paths,
      bytes: Buffer.from(exportBase64, "base64"),
    })),
    { name: "real.export", paths: undefined, bytes: readFileSync(join(shared, "real/real.export")) },
  ];
  const dumps = [
    { name: "export.json", text: dumpDb.text },
    { name: "nix-db", text: readFileSync(join(shared, "vectors/nix-db/dump-db.txt"), "utf8") },
    { name: "real", text: readFileSync(join(shared, "real/reg.dump"), "utf8") },
  ];
  console.log(`export.json and real: ${streams.length} streams, ${dumps.length} dumps`);

  test.each(streams)("the export stream of $name", ({ paths, bytes }) => {
    const objects: (ExportedObject & { readonly nar: readonly Uint8Array[] })[] = [];
    let nar: Uint8Array[] = [];
    for (const event of parseExport(new Uint8Array(bytes), { makeNar: () => new NarParser() }))
      if (event.type === "nar") nar.push(event.bytes);
      else {
        objects.push({ ...event, nar });
        nar = [];
      }
    if (paths !== undefined) expect(objects.map(({ path }) => path).sort()).toEqual([...paths].sort());
    expect(Buffer.concat([...printExport(objects)]).equals(bytes)).toBe(true);
  });

  test.each(dumps)("the dump in $name", ({ text }) => {
    expect(printRegistrations(parseRegistrations(text))).toBe(text);
  });
}

function describeRealisations() {
  const { realisationsInDatabase, doiFiles } = readVectors<{
    readonly realisationsInDatabase: readonly { readonly id: string; readonly outPath: string }[];
    readonly doiFiles: readonly { readonly file: string; readonly contents: string }[];
  }>("ca-derivations.json");
  console.log(`ca-derivations.json: ${realisationsInDatabase.length} ids, ${doiFiles.length} files`);

  test.each(realisationsInDatabase)("the id $id", ({ id, outPath }) => {
    expect(printDrvOutput(parseDrvOutput(id))).toBe(id);
    expect(makeStorePath(storeDirOf(outPath as never), outPath.slice("/nix/store/".length))).toBe(outPath);
  });

  test.each(doiFiles)("$file", ({ file, contents }) => {
    const realisation = parseRealisation(contents);
    expect(printRealisation(realisation)).toBe(contents);
    expect(realisationFileName(realisation.id)).toBe(file);
  });
}
