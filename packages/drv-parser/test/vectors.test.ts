import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  baseNameOf,
  canonicalPath,
  compressHash,
  computeContentAddressedPath,
  computeDerivationPath,
  computedPlaceholder,
  computeHashModulo,
  computeOutputPaths,
  computeTextPath,
  type Derivation,
  defaultStoreDir,
  derivationNameOf,
  derivationToJson,
  derivationToJson4,
  derivationType,
  encodeNixBase32,
  HashModuloCache,
  hashBytes,
  hashModuloSelf,
  isCanonicalDerivation,
  makeOutputName,
  makeStoreDir,
  makeStorePath,
  outputPlaceholder,
  parseDerivation,
  parseDerivationJson,
  parseDerivationsJson,
  parseHash,
  parseStorePath,
  printContentAddress,
  printDerivation,
  printHash,
  printJson,
  resolveDerivation,
  type StorePath,
  splitStorePath,
  tryResolve,
  upstreamPlaceholder,
  validateDerivation,
} from "../src/index.js";

const shared = fileURLToPath(new URL("../../../../shared", import.meta.url));
const here = existsSync(join(shared, "vectors"));
const why = here ? "" : " (skipped: ../shared/vectors is not here)";
// biome-ignore lint/suspicious/noExplicitAny: the vectors are plain data of many shapes
const vectors = (file: string): any =>
  here ? JSON.parse(readFileSync(join(shared, "vectors", file), "utf8")) : undefined;
const withVectors = describe.skipIf(!here);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const storeDir = defaultStoreDir;

function reader(folder: string) {
  const known = new Map<StorePath, Derivation>();
  return (drvPath: StorePath): Derivation => {
    const found =
      known.get(drvPath) ??
      parseDerivation(readFileSync(join(folder, baseNameOf(drvPath))), { name: derivationNameOf(drvPath) });
    known.set(drvPath, found);
    return found;
  };
}

withVectors(`hashes.json${why}`, () => {
  const { conversions, truncation, parsing } = vectors("hashes.json") ?? {
    conversions: [],
    truncation: [],
    parsing: [],
  };

  test("converts every form into every other", () => {
    for (const each of conversions) {
      const hash = parseHash(each.base16, each.algo);
      for (const form of ["base16", "nix32", "base64", "sri"] as const) {
        expect(printHash(hash, form), each.command).toBe(each[form]);
        expect(hex(parseHash(each[form], each.algo).digest)).toBe(each.base16);
      }
    }
    expect(conversions.length).toBeGreaterThan(20);
  });

  test("compresses", () => {
    for (const each of truncation) {
      const bytes =
        each.inputUtf8 === undefined ? Buffer.from(each.inputBase64, "base64") : Buffer.from(each.inputUtf8);
      const folded = compressHash(hashBytes("sha256", bytes).digest, 20);
      expect([hex(folded), encodeNixBase32(folded)]).toEqual([
        each.compressed160Hex,
        each.compressed160Nix32,
      ]);
    }
  });

  test("takes and refuses what Nix takes and refuses", () => {
    for (const each of parsing) {
      const words: string[] = each.command.split(" ");
      const text = words.at(-1) ?? "";
      const type = words.indexOf("--type");
      const parse = () =>
        printHash(parseHash(text, type < 0 ? undefined : (words[type + 1] as "sha256")), "sri");
      if (each.output === undefined)
        expect(parse, each.command).toThrow(expect.objectContaining({ code: "ERR_HASH" }));
      else expect(parse(), each.command).toBe(each.output);
    }
  });
});

withVectors(`store-paths.json${why}`, () => {
  const { paths, names, parsing } = vectors("store-paths.json") ?? { paths: [], names: [], parsing: [] };

  test("computes every path", () => {
    let computed = 0;
    for (const each of paths) {
      const dir = makeStoreDir(each.storeDir ?? "/nix/store");
      if (each.kind === "text") {
        expect(computeTextPath(dir, each.name, Buffer.from(each.contentsUtf8), each.references ?? [])).toBe(
          each.path,
        );
      } else if (each.method === "flat" || each.method === "recursive") {
        const method = each.method === "flat" ? "flat" : "nar";
        const ca = { method, hash: parseHash(each.hashBase16, each.algo) } as const;
        expect(computeContentAddressedPath(dir, each.name, ca), each.command).toBe(each.path);
      } else {
        const nar =
          each.narBase64 === undefined
            ? undefined
            : hashModuloSelf("sha256", Buffer.from(each.narBase64, "base64"), each.path.slice(11, 43));
        const hash = nar?.hash ?? parseHash(each.narSha256, "sha256");
        const references = (each.references ?? []) as StorePath[];
        const self = references.includes(each.path);
        if (each.selfReferenceOffsets !== undefined) expect(nar?.offsets).toEqual(each.selfReferenceOffsets);
        if (each.hashModuloBase16 !== undefined)
          expect(printHash(hash, "base16")).toBe(each.hashModuloBase16);
        if (each.ca !== undefined) expect(printContentAddress({ method: "nar", hash })).toBe(each.ca);
        const others = references.filter((path) => path !== each.path);
        expect(
          computeContentAddressedPath(dir, each.name, { method: "nar", hash }, { references: others, self }),
        ).toBe(each.path);
      }
      computed += 1;
    }
    expect(computed).toBe(paths.length);
  });

  test("judges names as newer Nix does", () => {
    for (const each of names) {
      const make = () => computeTextPath(storeDir, each.name, Buffer.alloc(0), []);
      if (each.acceptedAtHead) expect(make).not.toThrow();
      else expect(make, each.name).toThrow(expect.objectContaining({ code: "ERR_STORE_PATH" }));
    }
  });

  test("parses what Nix parses, and always asks for the dash", () => {
    for (const each of parsing) {
      const refused = String(each.queryHash).startsWith("error:");
      const parse = () => splitStorePath(storeDir, canonicalPath(each.input));
      if (refused) expect(parse, each.input).toThrow(expect.objectContaining({ code: "ERR_STORE_PATH" }));
      else expect(parse().path).toBe(parsing[0].input);
    }
  });
});

withVectors(`derivations.json${why}`, () => {
  const { derivations } = vectors("derivations.json") ?? { derivations: {} };
  const read = reader(join(shared, "vectors/drvs"));
  const bytesOfCase = (each: { file?: string; text?: string }) =>
    readFileSync(join(shared, "vectors", each.file ?? ""));

  test.each(Object.keys(derivations))("%s", (drvPath) => {
    const each = derivations[drvPath];
    const path = parseStorePath(storeDir, drvPath);
    const bytes = bytesOfCase(each);
    const drv = parseDerivation(bytes, { name: derivationNameOf(path) });
    expect(Buffer.from(printDerivation(drv)).equals(bytes)).toBe(true);
    expect(computeDerivationPath(storeDir, drv)).toBe(drvPath);
    const masked = computeHashModulo(drv, true, read);
    const unmasked = computeHashModulo(drv, false, read);
    const paths = computeOutputPaths(drv, read);
    for (const [name, output] of Object.entries<Record<string, string>>(each.outputs)) {
      const key = makeOutputName(name);
      expect(hex(masked.hashes.get(key)?.digest ?? new Uint8Array())).toBe(output["hashModuloMasked"]);
      if (output["hashModuloUnmasked"])
        expect(hex(unmasked.hashes.get(key)?.digest ?? new Uint8Array())).toBe(output["hashModuloUnmasked"]);
      expect(paths.get(key) ?? "").toBe(output["path"] ?? "");
    }
    if (typeof each.hashIsDeferred === "boolean" && derivationType(drv).kind !== "impure")
      expect(masked.deferred).toBe(each.hashIsDeferred);
    if (each.showDerivationJson28)
      expect(JSON.parse(JSON.stringify(derivationToJson(drv)))).toEqual(each.showDerivationJson28);
    if (
      each.showDerivationJson28 &&
      Object.keys(derivationToJson(drv)).every((key) => !key.endsWith("Base64"))
    ) {
      const document = JSON.stringify({ [drvPath]: each.showDerivationJson28 });
      const again = parseDerivationsJson(document).get(path) as Derivation;
      expect(Buffer.from(printDerivation(again)).equals(bytes)).toBe(true);
    }
    const version4 = parseDerivationJson(printJson(derivationToJson4(drv)));
    expect(Buffer.from(printDerivation(version4)).equals(bytes)).toBe(true);
    expect(() => validateDerivation(path, drv, read)).not.toThrow();
  });
});

interface MalformedCase {
  readonly name: string;
  readonly drvName: string;
  readonly text?: string;
  readonly base64?: string;
  readonly required: string;
}

withVectors(`malformed-derivations.json${why}`, () => {
  const cases: readonly MalformedCase[] = vectors("malformed-derivations.json")?.cases ?? [];
  const read = reader(join(shared, "vectors/drvs"));

  test.each(cases)("$name", (each) => {
    const bytes = each.text === undefined ? Buffer.from(each.base64 ?? "", "base64") : Buffer.from(each.text);
    const name = each.drvName.replace(/\.drv$/u, "");
    const path = makeStorePath(storeDir, `${"0".repeat(32)}-${each.drvName}`);
    const register = () => {
      const drv = parseDerivation(bytes, { name });
      validateDerivation(path, drv, read);
    };
    if (each.required.startsWith("accept")) {
      expect(register).not.toThrow();
      expect(isCanonicalDerivation(bytes, { name })).toBe(true);
    } else if (each.required.startsWith("reject") || each.required.startsWith("needs")) {
      expect(register).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_|^ENOENT/u) }));
      // With the feature it is read; without nested inputs it is not in its canonical form.
      if (each.required.startsWith("needs"))
        expect(() => parseDerivation(bytes, { name, dynamic: true, lenient: true })).not.toThrow();
    } else if (each.required.startsWith("2.8 accepts")) {
      expect(register).not.toThrow();
    } else {
      // Read leniently and found not canonical; refused where it would become valid.
      expect(() => parseDerivation(bytes, { name, lenient: true })).not.toThrow();
      expect(isCanonicalDerivation(bytes, { name })).toBe(false);
      expect(register).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_/u) }));
    }
  });
});

withVectors(`ca-derivations.json${why}`, () => {
  const { outputPlaceholders, upstreamPlaceholders } = vectors("ca-derivations.json") ?? {};

  test("placeholders", () => {
    const own = outputPlaceholders;
    for (const each of own.filter((entry: { output: string }) => entry.output !== ""))
      expect(outputPlaceholder(makeOutputName(each.output))).toBe(each.placeholder);
    expect(own.length).toBeGreaterThan(0);
    for (const each of upstreamPlaceholders)
      expect(upstreamPlaceholder(parseStorePath(storeDir, each.drvPath), makeOutputName(each.output))).toBe(
        each.placeholder,
      );
  });
});

withVectors(`resolution${why}`, () => {
  const { computedPlaceholder: computed, resolution = [] } = vectors("ca-derivations.json") ?? {};

  test("a placeholder of an output of an output", () => {
    expect(computedPlaceholder(computed.basePlaceholder, makeOutputName(computed.output))).toBe(
      computed.placeholder,
    );
  });

  test.each<ResolutionCase>(resolution)("$original", (each) => {
    const name = derivationNameOf(parseStorePath(storeDir, each.original));
    const drv = parseDerivation(Buffer.from(each.originalText), { name });
    const known = new Map(
      each.substitutions.map(({ drvPath, output, outPath }) => [
        `${drvPath}^${output}`,
        parseStorePath(storeDir, outPath),
      ]),
    );
    const resolved = resolveDerivation(drv, (drvPath, output) => known.get(`${drvPath}^${output}`));
    expect(Buffer.from(printDerivation(resolved)).toString()).toBe(each.resolvedText);
    expect(computeDerivationPath(storeDir, resolved)).toBe(each.resolved);
    expect(tryResolve(drv, () => undefined)).toMatchObject({ type: "missing" });
  });
});

interface ResolutionCase {
  readonly original: string;
  readonly originalText: string;
  readonly substitutions: readonly {
    readonly drvPath: string;
    readonly output: string;
    readonly outPath: string;
  }[];
  readonly resolved: string;
  readonly resolvedText: string;
}

if (here) {
  const count = (value: unknown) =>
    Array.isArray(value) ? value.length : Object.keys(value as object).length;
  for (const file of [
    "hashes.json",
    "store-paths.json",
    "derivations.json",
    "malformed-derivations.json",
    "ca-derivations.json",
  ])
    console.log(
      `${file}: ${Object.entries(vectors(file))
        .filter(([, value]) => typeof value === "object")
        .map(([key, value]) => `${count(value)} ${key}`)
        .join(", ")}`,
    );
}

const corpus = join(shared, "corpus/small-drvs.tar.zst");
const canUnpack = existsSync(corpus) && works("zstd", "--version");

describe.skipIf(!canUnpack)(
  `every derivation of the corpus${canUnpack ? "" : " (skipped: no ../shared/corpus or no zstd)"}`,
  () => {
    let folder = "";
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "drvkit-corpus-"));
      execFileSync("sh", ["-c", 'zstd -dc "$0" | tar x -C "$1"', corpus, folder]);
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test("prints to the same bytes, and its own and its output paths are computed equal", {
      timeout: 120_000,
    }, () => {
      let count = 0;
      for (const part of ["real", "features", "synthetic"]) {
        const [top = ""] = readdirSync(folder).includes(part)
          ? [join(folder, part)]
          : [join(folder, "small-drvs", part)];
        const index = JSON.parse(readFileSync(join(top, "index.json"), "utf8"));
        const read = reader(join(top, "store"));
        const cache = new HashModuloCache();
        for (const file of readdirSync(join(top, "store")).filter((name) => name.endsWith(".drv"))) {
          const drvPath = makeStorePath(storeDir, file);
          const bytes = readFileSync(join(top, "store", file));
          const drv = read(drvPath);
          if (!Buffer.from(printDerivation(drv)).equals(bytes))
            expect.fail(`${file} does not print to the same bytes`);
          expect(computeDerivationPath(storeDir, drv)).toBe(drvPath);
          const entry = index[drvPath] ?? index[file];
          for (const [name, path] of computeOutputPaths(drv, read, { cache }))
            expect(path, `${file} ${name}`).toBe(entry.outputs[name].path);
          count += 1;
        }
      }
      expect(count).toBe(1418);
    });
  },
);

function works(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
