import fc, { type Arbitrary } from "fast-check";
import {
  bytesOf,
  type ContentAddressMethod,
  compareText,
  computeContentAddressedPath,
  type Derivation,
  type DerivationOutput,
  type DerivedPath,
  type DynamicDerivedPath,
  type DynamicInput,
  defaultStoreDir,
  Environment,
  encodeNixBase32,
  type Hash,
  type HashAlgorithm,
  type JsonValue,
  makeOutputName,
  makeStorePath,
  type OutputName,
  outputPathName,
  type SingleDerivedPath,
  type StorePath,
} from "../src/index.js";

const nameCharacters = "0123456789ABCXYZabcxyz+-._?=";

/** What may follow the dash of a path that is made: `.` and `..` may not, nor with a dash behind them. */
export const storePathName: Arbitrary<string> = fc
  .string({ unit: fc.constantFrom(...nameCharacters), minLength: 1, maxLength: 30 })
  .filter((name) => !/^\.\.?(?:-|$)/u.test(name));

export const outputName: Arbitrary<OutputName> = fc
  .oneof(fc.constantFrom("out", "dev", "lib"), storePathName)
  .map(makeOutputName);

/** A store path whose name ends in `suffix`. */
export function storePath(suffix = ""): Arbitrary<StorePath> {
  return fc
    .tuple(fc.uint8Array({ minLength: 20, maxLength: 20 }), storePathName)
    .map(([digest, name]) => makeStorePath(defaultStoreDir, `${encodeNixBase32(digest)}-${name}${suffix}`));
}

const sizes: Readonly<Record<HashAlgorithm, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  blake3: 32,
};
const algorithm: Arbitrary<HashAlgorithm> = fc.constantFrom("md5", "sha1", "sha256", "sha512", "blake3");

export const hash: Arbitrary<Hash> = algorithm.chain((each) =>
  fc
    .uint8Array({ minLength: sizes[each], maxLength: sizes[each] })
    .map((digest) => ({ algorithm: each, digest })),
);

/** Bytes with many of those that need an escape. */
export const bytes: Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .array(fc.constantFrom(0x22, 0x5c, 0x0a, 0x0d, 0x09, 0x6e, 0x61), { maxLength: 20 })
    .map((all) => Uint8Array.from(all)),
  fc.string({ unit: "binary" }).map(bytesOf),
);

/** A map with a few entries; of a repeated key the last value stays. */
function mapOf<Key, Value>(
  key: Arbitrary<Key>,
  value: Arbitrary<Value>,
  minLength = 0,
): Arbitrary<ReadonlyMap<Key, Value>> {
  return fc.array(fc.tuple(key, value), { minLength, maxLength: 5 }).map((entries) => new Map(entries));
}

/** Outputs of one derivation, which need not go together. */
function outputs(drvName: string): Arbitrary<ReadonlyMap<OutputName, DerivationOutput>> {
  const method: Arbitrary<ContentAddressMethod> = fc.constantFrom("flat", "nar");
  const ca = fc.record({ method, hash });
  const output = (name: OutputName): Arbitrary<DerivationOutput> =>
    fc.oneof(
      storePath().map((path) => ({ kind: "inputAddressed", path }) as const),
      fc.constant({ kind: "deferred" } as const),
      fc.record({ kind: fc.constantFrom("floating", "impure"), method, algorithm }),
      ca.map((each) => {
        const path = computeContentAddressedPath(defaultStoreDir, outputPathName(drvName, name), each);
        return { kind: "fixed", ca: each, path } as const;
      }),
    );
  const entry = outputName.chain((name) => fc.tuple(fc.constant(name), output(name)));
  return fc.array(entry, { maxLength: 5 }).map((entries) => new Map(entries));
}

/** Text without halves of a character: what UTF-8 can hold. */
export const text: Arbitrary<string> = fc.string({ unit: "binary", maxLength: 20 });

/** One output name or more, in order: maps and sets are compared in the order in which they are read. */
const names: Arbitrary<ReadonlySet<OutputName>> = fc
  .array(outputName, { minLength: 1, maxLength: 3 })
  .map((all) => new Set([...all].sort(compareText)));

/** Any derivation that can be written, in any order of its parts. */
export const derivation: Arbitrary<Derivation> = storePathName.chain((name) =>
  fc.record({
    name: fc.constant(name),
    outputs: outputs(name),
    inputDrvs: mapOf(
      storePath(".drv"),
      fc.array(outputName, { maxLength: 4 }).map((names) => new Set(names)),
    ),
    inputSrcs: fc.array(storePath(), { maxLength: 4 }).map((paths) => new Set(paths)),
    platform: text.map((platform) => platform.replace(/["\\]/gu, "")),
    builder: bytes,
    args: fc.array(bytes, { maxLength: 4 }),
    env: fc.array(fc.tuple(bytes, bytes), { maxLength: 6 }).map((entries) => Environment.from(entries)),
  }),
);

/** What is wanted of outputs that are derivations, a few levels deep. */
const dynamicOutputs: Arbitrary<ReadonlyMap<OutputName, DynamicInput>> = fc.letrec<{
  nodes: ReadonlyMap<OutputName, DynamicInput>;
}>((tie) => ({
  nodes: mapOf(
    outputName,
    fc.oneof(
      { depthSize: "small" },
      names.map((each) => ({ outputs: each, dynamicOutputs: new Map() })),
      fc.record({ outputs: names, dynamicOutputs: tie("nodes") }),
    ),
    1,
  ),
})).nodes;

/** A derivation with nested inputs. */
export const dynamicDerivation: Arbitrary<Derivation> = fc
  .tuple(derivation, mapOf(storePath(".drv"), fc.tuple(names, dynamicOutputs), 1))
  .map(([drv, nested]) => {
    const plain = [...drv.inputDrvs].filter(([, wanted]) => wanted.size > 0);
    return {
      ...drv,
      inputDrvs: new Map([...plain, ...[...nested].map(([path, [wanted]]) => [path, wanted] as const)]),
      dynamicInputs: new Map([...nested].map(([path, [, nodes]]) => [path, nodes])),
    };
  });

/** A derived path of any kind. */
export const derivedPath: Arbitrary<DerivedPath | DynamicDerivedPath> = fc
  .tuple(storePath(".drv"), fc.array(outputName, { maxLength: 3 }), fc.option(names, { nil: "all" as const }))
  .chain(([drvPath, chain, outputs]) => {
    let of: SingleDerivedPath = { type: "opaque", path: drvPath };
    for (const output of chain) of = { type: "output", of, output };
    const built: DerivedPath | DynamicDerivedPath =
      of.type === "opaque" ? { type: "built", drvPath, outputs } : { type: "dynamic", of, outputs };
    return fc.oneof(
      fc.constant(built),
      storePath().map((path) => ({ type: "opaque", path }) as const),
    );
  });

/** The text with some of it changed. */
export function damaged(whole: Arbitrary<string>): Arbitrary<string> {
  const change = fc.tuple(fc.nat(), fc.nat({ max: 4 }), fc.oneof(fc.string({ maxLength: 4 }), syntax));
  return fc.tuple(whole, fc.array(change, { maxLength: 3 })).map(([text, changes]) =>
    changes.reduce((each, [place, removed, added]) => {
      const at = each.length === 0 ? 0 : place % each.length;
      return each.slice(0, at) + added + each.slice(at + removed);
    }, text),
  );
}

const syntax = fc.constantFrom(
  '"',
  "(",
  ")",
  "[",
  "]",
  ",",
  "{",
  "}",
  ":",
  "\\",
  "^",
  "!",
  "*",
  "Derive(",
  "null",
  "-",
  "=",
);

/** Text of a JSON number in every form that the grammar has. */
const jsonNumber: Arbitrary<string> = fc.oneof(
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc
    .tuple(fc.integer(), fc.nat(), fc.integer({ min: -320, max: 290 }))
    .map(([whole, part, power]) => `${whole}.${part}E${power}`),
);

/** JSON of every type, nested, with members of any name. */
export const jsonValue: Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant({ type: "null" } as const),
    fc.boolean().map((value) => ({ type: "boolean", value }) as const),
    jsonNumber.map((each) => ({ type: "number", text: each }) as const),
    text.map((value) => ({ type: "string", value }) as const),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => ({ type: "array", items }) as const),
    mapOf(fc.oneof(text, fc.constant("__proto__")), tie("value")).map(
      (members) => ({ type: "object", members }) as const,
    ),
  ),
})).value;
