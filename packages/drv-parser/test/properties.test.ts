import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { holds } from "../../../tests/properties.js";
import {
  bytesOf,
  compareBytes,
  compareText,
  computeDerivationPath,
  type Derivation,
  DrvError,
  decodeNixBase32,
  defaultStoreDir,
  derivationToJson,
  derivationToJson4,
  derivedPathFromJson,
  derivedPathToJson,
  encodeNixBase32,
  isCanonicalDerivation,
  makeStorePath,
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
  textOf,
} from "../src/index.js";
import * as arbitrary from "./arbitraries.js";

const timeout = 900_000;

const parse = (drv: Derivation, bytes: Uint8Array) => parseDerivation(bytes, { name: drv.name });

describe("a derivation", () => {
  test("is read as what was printed", { timeout }, () => {
    holds(arbitrary.derivation, (drv) =>
      expect(contents(parse(drv, printDerivation(drv)))).toEqual(contents(drv)),
    );
  });

  test("prints to the bytes it was read from", { timeout }, () => {
    holds(arbitrary.derivation, (drv) => {
      const bytes = printDerivation(drv);
      expect(printDerivation(parse(drv, bytes))).toEqual(bytes);
      expect(isCanonicalDerivation(bytes, { name: drv.name })).toBe(true);
    });
  });

  test("has a path that does not depend on the order of its parts", { timeout }, () => {
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

  test("with a byte changed is refused with a code, or is canonical exactly if it prints to the same bytes", {
    timeout,
  }, () => {
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

describe("a derivation with nested inputs", () => {
  test("is read as what was printed", { timeout }, () => {
    holds(arbitrary.dynamicDerivation, (drv) => {
      const bytes = printDerivation(drv);
      const read = parseDerivation(bytes, { name: drv.name, dynamic: true });
      expect(read.dynamicInputs).toEqual(drv.dynamicInputs);
      expect(printDerivation(read)).toEqual(bytes);
    });
  });
});

describe("JSON of a derivation", () => {
  test("gives it back, in both forms", { timeout }, () => {
    holds(fc.oneof(arbitrary.derivation, arbitrary.dynamicDerivation), (drv) => {
      if (drv.env.has("__json")) return;
      const bytes = printDerivation(drv);
      expect(printDerivation(parseDerivationJson(printJson(derivationToJson4(drv))))).toEqual(bytes);
      if (drv.dynamicInputs !== undefined) return;
      const path = makeStorePath(defaultStoreDir, `${"0".repeat(32)}-${drv.name}.drv`);
      const document = parseDerivationsJson(JSON.stringify({ [path]: derivationToJson(drv) }));
      expect(printDerivation(document.get(path) as Derivation)).toEqual(bytes);
    });
  });

  test("that was damaged is refused with a code", { timeout }, () => {
    const json = arbitrary.derivation.map((drv) => printJson(derivationToJson4(drv)));
    let refused = 0;
    holds(arbitrary.damaged(json), (text) => {
      try {
        parseDerivationJson(text);
      } catch (error) {
        expect(error).toBeInstanceOf(DrvError);
        refused += 1;
      }
    });
    expect(refused).toBeGreaterThan(0);
  });
});

describe("a derived path", () => {
  test("is read from its text and its JSON", { timeout }, () => {
    holds(arbitrary.derivedPath, (derived) => {
      for (const separator of ["^", "!"] as const)
        expect(parseDynamicDerivedPath(defaultStoreDir, printDerivedPath(derived, separator))).toEqual(
          derived,
        );
      const json = parseJson(JSON.stringify(derivedPathToJson(derived)));
      expect(derivedPathFromJson(json, defaultStoreDir)).toEqual(derived);
    });
  });

  test("that was damaged is refused with a code, or is one", { timeout }, () => {
    holds(arbitrary.damaged(arbitrary.derivedPath.map((derived) => printDerivedPath(derived))), (text) => {
      try {
        const derived = parseDynamicDerivedPath(defaultStoreDir, text);
        expect(parseDynamicDerivedPath(defaultStoreDir, printDerivedPath(derived))).toEqual(derived);
      } catch (error) {
        expect(error).toBeInstanceOf(DrvError);
      }
    });
  });
});

test("a hash that was damaged is refused with a code, or is one", { timeout }, () => {
  const forms = ["base16", "nix32", "base64", "sri", "prefixedBase16", "prefixedNix32"] as const;
  const texts = fc
    .tuple(arbitrary.hash, fc.constantFrom(...forms))
    .map(([hash, form]) => printHash(hash, form));
  holds(fc.tuple(arbitrary.damaged(texts), fc.constantFrom("sha256", undefined)), ([text, algorithm]) => {
    try {
      const hash = parseHash(text, algorithm);
      expect(parseHash(printHash(hash, "sri"))).toEqual(hash);
    } catch (error) {
      expect(error).toBeInstanceOf(DrvError);
    }
  });
});

test("JSON that was damaged is refused with a code, or is what JSON.parse reads", { timeout }, () => {
  holds(
    arbitrary.damaged(arbitrary.jsonValue.filter(isPrintable).map((value) => printJson(value))),
    (text) => {
      let value: ReturnType<typeof parseJson>;
      try {
        value = parseJson(text);
      } catch (error) {
        expect(error).toBeInstanceOf(DrvError);
        return;
      }
      expect(plain(value, Number)).toEqual(JSON.parse(text));
    },
  );
});

function isPrintable(value: ReturnType<typeof parseJson>): boolean {
  try {
    printJson(value);
    return true;
  } catch {
    return false;
  }
}

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

test("nix32 gives back the bytes", { timeout }, () => {
  holds(fc.uint8Array({ maxLength: 70 }), (bytes) =>
    expect(decodeNixBase32(encodeNixBase32(bytes))).toEqual(bytes),
  );
});

test("nix32 has one text for some bytes only", { timeout }, () => {
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

test("a hash is read from each of its forms", { timeout }, () => {
  holds(arbitrary.hash, (hash) => {
    for (const form of ["base16", "nix32", "base64", "sri", "prefixedBase16", "prefixedNix32"] as const)
      expect(parseHash(printHash(hash, form), hash.algorithm)).toEqual(hash);
  });
});

test("a content address is read as what was printed", { timeout }, () => {
  const method = fc.constantFrom("flat" as const, "nar" as const);
  holds(fc.record({ method, hash: arbitrary.hash }), (ca) =>
    expect(parseContentAddress(printContentAddress(ca))).toEqual(ca),
  );
});

test("a store path is read as it is", { timeout }, () => {
  holds(arbitrary.storePath(), (path) => expect(parseStorePath(defaultStoreDir, path)).toBe(path));
});

test("texts compare as their bytes do", { timeout }, () => {
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

test("text is read from its bytes", { timeout }, () => {
  holds(arbitrary.text, (text) => expect(textOf(bytesOf(text))).toBe(text));
});

test("printed JSON prints to itself, and means the same to JSON.parse", { timeout }, () => {
  holds(arbitrary.jsonValue, (value) => {
    let printed: string;
    try {
      printed = printJson(value);
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_JSON_SYNTAX" }); // a number that overflows
      return;
    }
    expect(printJson(parseJson(printed))).toBe(printed);
    const withoutSign = (text: string) => (/^-?0+$/u.test(text) ? 0 : Number(text)); // of an integer
    expect(JSON.parse(printed)).toEqual(plain(value, withoutSign));
  });
});

function plain(value: ReturnType<typeof parseJson>, numberOf: (text: string) => number): unknown {
  switch (value.type) {
    case "null":
      return null;
    case "boolean":
    case "string":
      return value.value;
    case "number":
      return numberOf(value.text);
    case "array":
      return value.items.map((item) => plain(item, numberOf));
    case "object":
      return Object.fromEntries([...value.members].map(([name, member]) => [name, plain(member, numberOf)]));
  }
}
