import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesOf,
  compareBytes,
  compareText,
  computeDerivationPath,
  type Derivation,
  decodeNixBase32,
  defaultStoreDir,
  encodeNixBase32,
  isCanonicalDerivation,
  parseContentAddress,
  parseDerivation,
  parseHash,
  parseJson,
  parseStorePath,
  printContentAddress,
  printDerivation,
  printHash,
  printJson,
  textOf,
} from "../src/index.js";
import * as arbitrary from "./arbitraries.js";

/** Runs are multiplied where time is no matter. */
const long = process.env["DRVKIT_TEST_LONG"] === "1";
const holds = <Value>(values: fc.Arbitrary<Value>, check: (value: Value) => void) =>
  fc.assert(
    fc.property(values, (value) => {
      check(value); // What an expectation returns would count as a verdict.
    }),
    { numRuns: long ? 20_000 : 500 },
  );

const parse = (drv: Derivation, bytes: Uint8Array) => parseDerivation(bytes, { name: drv.name });

describe("a derivation", () => {
  test("is read as what was printed", () => {
    holds(arbitrary.derivation, (drv) =>
      expect(contents(parse(drv, printDerivation(drv)))).toEqual(contents(drv)),
    );
  });

  test("prints to the bytes it was read from", () => {
    holds(arbitrary.derivation, (drv) => {
      const bytes = printDerivation(drv);
      expect(printDerivation(parse(drv, bytes))).toEqual(bytes);
      expect(isCanonicalDerivation(bytes, { name: drv.name })).toBe(true);
    });
  });

  test("has a path that does not depend on the order of its parts", () => {
    holds(arbitrary.derivation, (drv) => {
      const turned: Derivation = {
        ...drv,
        outputs: new Map([...drv.outputs].reverse()),
        inputDrvs: new Map([...drv.inputDrvs].reverse()),
        inputSrcs: new Set([...drv.inputSrcs].reverse()),
      };
      expect(computeDerivationPath(defaultStoreDir, turned)).toBe(
        computeDerivationPath(defaultStoreDir, drv),
      );
    });
  });

  test("with a byte changed is refused with a code, or is canonical exactly if it prints to the same bytes", () => {
    const changed = fc.tuple(arbitrary.derivation, fc.nat(), fc.integer({ min: 0, max: 255 }));
    holds(changed, ([drv, at, byte]) => {
      const bytes = printDerivation(drv);
      bytes[at % bytes.length] = byte;
      let read: Derivation;
      try {
        read = parseDerivation(bytes, { name: drv.name, lenient: true });
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_/u) });
        return;
      }
      const canonical = isCanonicalDerivation(bytes, { name: drv.name });
      const again = printedOrUndefined(read);
      expect(again !== undefined && compareBytes(again, bytes) === 0).toBe(canonical);
    });
  });
});

/** An environment keeps what it holds private, so that it is compared by its entries. */
function contents(drv: Derivation) {
  return { ...drv, env: [...drv.env.entries()] };
}

function printedOrUndefined(drv: Derivation): Uint8Array | undefined {
  try {
    return printDerivation(drv);
  } catch (error) {
    expect(error).toMatchObject({ code: "ERR_DRV_UNPRINTABLE" });
    return undefined;
  }
}

test("nix32 gives back the bytes", () => {
  holds(fc.uint8Array({ maxLength: 70 }), (bytes) =>
    expect(decodeNixBase32(encodeNixBase32(bytes))).toEqual(bytes),
  );
});

test("nix32 has one text for some bytes only", () => {
  const digits = fc.string({ unit: fc.constantFrom(..."0123456789abcdfghijklmnpqrsvwxyz"), maxLength: 60 });
  holds(digits, (text) => {
    let bytes: Uint8Array;
    try {
      bytes = decodeNixBase32(text);
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_HASH" });
      return;
    }
    expect(encodeNixBase32(bytes)).toBe(text);
  });
});

test("a hash is read from each of its forms", () => {
  holds(arbitrary.hash, (hash) => {
    for (const form of ["base16", "nix32", "base64", "sri", "prefixedBase16", "prefixedNix32"] as const)
      expect(parseHash(printHash(hash, form), hash.algorithm)).toEqual(hash);
  });
});

test("a content address is read as what was printed", () => {
  const method = fc.constantFrom("flat" as const, "nar" as const);
  holds(fc.record({ method, hash: arbitrary.hash }), (ca) =>
    expect(parseContentAddress(printContentAddress(ca))).toEqual(ca),
  );
});

test("a store path is read as it is", () => {
  holds(arbitrary.storePath(), (path) => expect(parseStorePath(defaultStoreDir, path)).toBe(path));
});

test("texts compare as their bytes do", () => {
  const text = fc.oneof(
    arbitrary.text,
    // Where UTF-16 and UTF-8 differ: pairs against what lies behind them.
    fc.string({
      unit: fc.constantFrom("a", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{10ffff}"),
      maxLength: 6,
    }),
  );
  holds(fc.tuple(text, text), ([a, b]) => {
    const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
    expect(Math.sign(compareText(a, b))).toBe(expected);
    expect(Math.sign(compareBytes(bytesOf(a), bytesOf(b)))).toBe(expected);
  });
});

test("text is read from its bytes", () => {
  holds(arbitrary.text, (text) => expect(textOf(bytesOf(text))).toBe(text));
});

test("printed JSON prints to itself, and means the same to JSON.parse", () => {
  holds(arbitrary.jsonValue, (value) => {
    let printed: string;
    try {
      printed = printJson(value);
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_JSON_SYNTAX" }); // a number that overflows
      return;
    }
    expect(printJson(parseJson(printed))).toBe(printed);
    expect(JSON.parse(printed)).toEqual(plain(value));
  });
});

function plain(value: ReturnType<typeof parseJson>): unknown {
  switch (value.type) {
    case "null":
      return null;
    case "boolean":
    case "string":
      return value.value;
    case "number":
      return /^-?0+$/u.test(value.text) ? 0 : Number(value.text);
    case "array":
      return value.items.map(plain);
    case "object":
      return Object.fromEntries([...value.members].map(([name, member]) => [name, plain(member)]));
  }
}
