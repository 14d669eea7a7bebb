// What is fuzzed: for each parser what it begins from, and what it has to do with whatever comes of that.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  computeDerivationPath,
  decodeNixBase32,
  defaultStoreDir,
  derivationToJson,
  derivationToJson4,
  derivedPathFromJson,
  derivedPathToJson,
  encodeNixBase32,
  makeStoreDir,
  parseContentAddress,
  parseDerivation,
  parseDerivationJson,
  parseDerivationsJson,
  parseDynamicDerivedPath,
  parseHash,
  parseJson,
  parseStorePath,
  printContentAddress,
  printDerivation,
  printDerivedPath,
  printHash,
  printJson,
} from "../packages/drv-parser/dist/index.js";
import {
  listNar,
  NarParser,
  parseNar,
  parseNarListing,
  printNar,
  printNarListing,
  readNarTree,
} from "../packages/nar/dist/index.js";
import {
  parseCacheInfo,
  parseExport,
  parseNarInfo,
  parseRealisation,
  parseRegistrations,
  printCacheInfo,
  printNarInfo,
  printRealisation,
  printRegistrations,
} from "../packages/narinfo/dist/index.js";

const packages = join(import.meta.dirname, "../packages");
const filesIn = (folder, ending) =>
  readdirSync(join(packages, folder))
    .filter((file) => file.endsWith(ending))
    .map((file) => readFileSync(join(packages, folder, file)));
const bytes = (text) => new TextEncoder().encode(text);
const text = (input) => new TextDecoder().decode(input);

const derivations = filesIn("drv-parser/testdata/golden", ".drv");
const archives = filesIn("nar/testdata", ".nar");
const listings = filesIn("nar/testdata", ".ls");
const narinfos = filesIn("narinfo/testdata/cache", ".narinfo");
const exports = filesIn("narinfo/testdata", ".export");
const realisations = readFileSync(join(packages, "narinfo/testdata/realisations.txt"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => bytes(line.slice(line.indexOf(" ") + 1)));
const dump = readFileSync(join(packages, "narinfo/testdata/dump-db.txt"));
const storeDir = makeStoreDir("/tmp/drvkit-narinfo-testdata/store");
const parsed = (drv) => parseDerivation(drv, { name: "x", lenient: true, dynamic: true });

const paths = [
  "/nix/store/njnlpgvzgrap12lvigs2wvl17z4m49ks-cam",
  "/nix/store/my9bcpyddz4f5izr21ykvi4b61gfsg40-cam.drv^*",
  "/nix/store/my9bcpyddz4f5izr21ykvi4b61gfsg40-cam.drv!dev,out",
  "/nix/store/my9bcpyddz4f5izr21ykvi4b61gfsg40-cam.drv^out^bin",
].map(bytes);
const hashes = [
  "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
  "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
  "md5:5d41402abc4b2a76b9719d911017c592",
  "fixed:r:sha256:0wss9gaahhgcl5kygpzbzcgmmcfxa0vgk7ymi42k6qkc9d4a2d46",
  "fixed:git:sha1:9m1skbnr5i43n3yypvda5s65vhfwdx5a",
].map(bytes);

/** What is accepted has to print to something that means the same, which is its own fixed point. */
function stable(parse, print) {
  return (input) => {
    const printed = print(parse(input));
    const again = print(parse(printed));
    if (!equal(printed, again)) throw new Error("bug: what was printed does not print to itself");
  };
}

function equal(a, b) {
  return Buffer.from(a).equals(Buffer.from(b));
}

/** All of them are tried: what one refuses another may take. Refused is what none of them takes. */
function each(...checks) {
  return (input) => {
    const refusals = checks.flatMap((check) => refusalOf(check, input));
    if (refusals.length === checks.length) throw refusals[0];
  };
}

function refusalOf(check, input) {
  try {
    check(input);
    return [];
  } catch (error) {
    if (isRefusal(error)) return [error];
    throw error;
  }
}

/** The error that bad input gives: one of ours, with a code. */
export function isRefusal(error) {
  return error instanceof Error && typeof error.code === "string" && error.code.startsWith("ERR_");
}

export const targets = {
  aterm: {
    seeds: derivations,
    check: each(
      (input) => {
        const drv = parseDerivation(input, { name: "x" });
        if (!equal(printDerivation(drv), input)) throw new Error("bug: accepted and not canonical");
        computeDerivationPath(defaultStoreDir, drv);
      },
      stable(parsed, printDerivation),
    ),
  },
  nar: {
    seeds: archives,
    check: each(
      (input) => {
        const again = Buffer.concat([...printNar(parseNar(input))]);
        if (!equal(again, input)) throw new Error("bug: accepted and not the only form");
      },
      (input) => void readNarTree(input),
      (input) => void listNar(input),
    ),
  },
  nix32: {
    seeds: hashes.map((hash) => hash.subarray(-52)),
    check: (input) => {
      const decoded = decodeNixBase32(text(input));
      if (encodeNixBase32(decoded) !== text(input)) throw new Error("bug: two texts for the same bytes");
    },
  },
  "derived-path": {
    seeds: paths,
    check: each(
      stable(
        (input) => parseDynamicDerivedPath(defaultStoreDir, text(input)),
        (derived) => bytes(printDerivedPath(derived)),
      ),
      (input) => void parseStorePath(defaultStoreDir, text(input)),
    ),
  },
  hash: {
    seeds: hashes,
    check: each(
      stable(
        (input) => parseHash(text(input)),
        (hash) => bytes(printHash(hash, "sri")),
      ),
      stable(
        (input) => parseContentAddress(text(input)),
        (ca) => bytes(printContentAddress(ca)),
      ),
    ),
  },
  json: {
    seeds: [
      ...derivations.map((drv) => bytes(printJson(derivationToJson4(parsed(drv))))),
      ...derivations.map((drv) =>
        bytes(JSON.stringify({ [`/nix/store/${"0".repeat(32)}-x.drv`]: derivationToJson(parsed(drv)) })),
      ),
      ...paths.map((path) =>
        bytes(JSON.stringify(derivedPathToJson(parseDynamicDerivedPath(defaultStoreDir, text(path))))),
      ),
      ...listings,
      ...realisations,
    ],
    check: each(
      stable(parseJson, (value) => bytes(printJson(value))),
      stable(parseDerivationJson, (drv) => bytes(printJson(derivationToJson4(drv)))),
      (input) => void parseDerivationsJson(input),
      (input) => void derivedPathFromJson(parseJson(input), defaultStoreDir),
      stable(
        (input) => parseNarListing(text(input)),
        (listing) => bytes(printNarListing(listing)),
      ),
      stable(
        (input) => parseRealisation(input, { storeDir }),
        (realisation) => bytes(printRealisation(realisation)),
      ),
    ),
  },
  narinfo: {
    seeds: [...narinfos, dump],
    check: each(
      stable(
        (input) => parseNarInfo(input, { storeDir }),
        (info) => bytes(printNarInfo(info)),
      ),
      stable(
        (input) => parseCacheInfo(text(input)),
        (info) => bytes(printCacheInfo(info)),
      ),
      stable(
        (input) => parseRegistrations(text(input), { storeDir }),
        (all) => bytes(printRegistrations(all)),
      ),
    ),
  },
  export: {
    seeds: exports,
    check: (input) => {
      for (const _ of parseExport(input, { storeDir, makeNar: () => new NarParser() }));
    },
  },
};
