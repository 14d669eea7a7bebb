import { isUtf8 } from "node:buffer";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  type AttributeValue,
  type AuthoredDerivation,
  baseNameOf,
  bytesOf,
  type Derivation,
  type DerivationAttributes,
  defaultStoreDir,
  derivation,
  derivationNameOf,
  isDerivationPath,
  type JsonValue,
  joinText,
  makeStorePath,
  nix,
  parseDerivation,
  parseJson,
  Source,
  type StorePath,
  Text,
  type TextPart,
  textOf,
} from "../src/index.js";

const base = {
  name: "simple",
  system: "x86_64-linux",
  builder: "/bin/sh",
  args: ["-c", "echo hi > $out"],
} as const;
const text = (authored: AuthoredDerivation) => textOf(authored.bytes);

describe("derivation", () => {
  test("gives the bytes that Nix gives", () => {
    const simple = derivation(base);
    // From `nix-instantiate` of Nix 2.8.0 on the same attributes.
    expect(text(simple)).toBe(
      'Derive([("out","/nix/store/i5xvchlm36jash0k9ndh3vya563ls965-simple","","")],[],[],"x86_64-linux","/bin/sh",["-c","echo hi > $out"],[("builder","/bin/sh"),("name","simple"),("out","/nix/store/i5xvchlm36jash0k9ndh3vya563ls965-simple"),("system","x86_64-linux")])',
    );
  });

  test("keeps what a text depends on", () => {
    const lib = derivation({ ...base, name: "lib", outputs: ["out", "dev"] });
    const source = new Source(makeStorePath(defaultStoreDir, "i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt"));
    const user = derivation({
      ...base,
      name: "user",
      args: ["-c", nix`cp ${source} $out; echo ${lib}`],
      dev: lib.output("dev"),
    });
    expect(user.derivation.inputDrvs).toEqual(new Map([[lib.drvPath, new Set(["dev", "out"])]]));
    expect(user.derivation.inputSrcs).toEqual(new Set([source.path]));
    expect(user.derivation.env.getText("dev")).toBe(lib.output("dev").path);
    expect(user.inputs).toEqual([lib]);
  });

  test("refuses a dependency that became a bare string", () => {
    const lib = derivation({ ...base, name: "lib" });
    for (const bare of [
      () => `${lib}/bin`,
      () => `${lib.output()}`,
      () => String(nix`${lib}`),
      () => `${new Source(makeStorePath(defaultStoreDir, "i9pmrzmpshapij2kin22pff6fc2adavx-hello.txt"))}`,
    ])
      expect(bare).toThrow(
        expect.objectContaining({ code: "ERR_DRV_CONTEXT", hint: expect.stringContaining("nix`") }),
      );
  });

  test.each([
    { name: "true", value: true, text: "1" },
    { name: "false", value: false, text: "" },
    { name: "null", value: null, text: "" },
    { name: "integer", value: 42, text: "42" },
    { name: "bigint", value: 9007199254740993n, text: "9007199254740993" },
    { name: "float", value: 2.5, text: "2.500000" },
    { name: "list", value: ["a", 1, true, ["b", "c"]], text: "a 1 1 b c" },
    { name: "empty lists", value: [[], "a", [], "b"], text: "a b" },
  ])("writes $name as Nix does", ({ value, text: expected }) => {
    expect(derivation({ ...base, value: value as AttributeValue }).derivation.env.getText("value")).toBe(
      expected,
    );
  });

  test("structured attributes become one JSON text", () => {
    const lib = derivation({ ...base, name: "lib" });
    const authored = derivation({
      ...base,
      __structuredAttrs: true,
      meta: { b: [1, 2.5, null], a: lib },
      big: 2n ** 62n,
    });
    expect(authored.derivation.env.getText("__json")).toBe(
      `{"big":4611686018427387904,"builder":"/bin/sh","meta":{"a":"${lib.output().path}","b":[1,2.5,null]},"name":"simple","system":"x86_64-linux"}`,
    );
    expect(authored.inputs).toEqual([lib]);
  });

  test.each([
    { name: "an object without structured attributes", extra: { meta: {} }, code: "ERR_DRV_ATTRIBUTE" },
    { name: "no outputs", extra: { outputs: [] }, code: "ERR_DRV_ATTRIBUTE" },
    { name: "an output twice", extra: { outputs: ["out", "out"] }, code: "ERR_DRV_ATTRIBUTE" },
    { name: "a name that ends in .drv", extra: { name: "x.drv" }, code: "ERR_STORE_PATH" },
    { name: "an impossible name", extra: { name: "a b" }, code: "ERR_STORE_PATH" },
    {
      name: "a fixed output beside others",
      extra: { outputHash: "", outputHashAlgo: "sha256", outputs: ["a", "b"] },
      code: "ERR_DRV_ATTRIBUTE",
    },
    { name: "a hash of unknown kind", extra: { outputHash: "abc" }, code: "ERR_HASH" },
    {
      name: "a floating output that is impure",
      extra: { __contentAddressed: true, __impure: true },
      code: "ERR_DRV_ATTRIBUTE",
    },
    { name: "a flag that is none", extra: { __contentAddressed: 1 }, code: "ERR_DRV_ATTRIBUTE" },
    { name: "an empty hash of unknown kind", extra: { outputHash: "" }, code: "ERR_HASH" },
    {
      name: "an unknown mode",
      extra: { __impure: true, outputHashMode: "deep" },
      code: "ERR_DRV_ATTRIBUTE",
    },
  ])("refuses $name", ({ extra, code }) => {
    expect(() => derivation({ ...base, ...extra } as DerivationAttributes)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

const shared = fileURLToPath(new URL("../../../../shared", import.meta.url));
const corpus = join(shared, "corpus/small-drvs.tar.zst");
const canUnpack = existsSync(corpus) && existsSync("/usr/bin/zstd");

/** Describes every derivation of a folder anew, from nothing but its variables, and compares the bytes. */
describe.skipIf(!canUnpack)(`described anew${canUnpack ? "" : " (skipped: no ../shared or no zstd)"}`, () => {
  test("every derivation of the vectors and of the corpus has equal bytes", { timeout: 120_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "drvkit-author-"));
    execFileSync("sh", ["-c", 'zstd -dc "$0" | tar x -C "$1"', corpus, folder]);
    const parts = ["real", "features", "synthetic"].map(
      (part) => [join(folder, part), join(folder, "small-drvs", part)].find((path) => existsSync(path)) ?? "",
    );
    let equal = 0;
    for (const store of [join(shared, "vectors/drvs"), ...parts.map((part) => join(part, "store"))]) {
      const again = new Again(store);
      for (const file of readdirSync(store).filter((name) => name.endsWith(".drv"))) {
        const { bytes } = again.describe(makeStorePath(defaultStoreDir, file));
        expect(Buffer.from(bytes).equals(readFileSync(join(store, file))), file).toBe(true);
        equal += 1;
      }
    }
    rmSync(folder, { recursive: true });
    console.log(`${equal} derivations described anew with equal bytes; left out: none`);
    expect(equal).toBe(1475);
  });
});

class Again {
  readonly #known = new Map<StorePath, AuthoredDerivation>();

  constructor(private readonly store: string) {}

  describe(drvPath: StorePath): AuthoredDerivation {
    const known = this.#known.get(drvPath) ?? this.#describe(drvPath);
    this.#known.set(drvPath, known);
    return known;
  }

  #describe(drvPath: StorePath): AuthoredDerivation {
    const drv = parseDerivation(readFileSync(join(this.store, baseNameOf(drvPath))), {
      name: derivationNameOf(drvPath),
    });
    const inputs = new Map<string, TextPart>();
    for (const [path, names] of drv.inputDrvs)
      for (const output of [...names].map((name) => this.describe(path).output(name))) {
        const others = inputs.get(output.text); // two ways to one fixed output
        const dependencies = new Set([...(others instanceof Text ? others.dependencies : []), output]);
        inputs.set(output.text, new Text(bytesOf(output.text), dependencies));
      }
    for (const path of drv.inputSrcs)
      inputs.set(
        path,
        isDerivationPath(path)
          ? this.describe(path).file({ closure: drv.inputDrvs.has(path) })
          : new Source(path),
      );
    const link = new Linker(inputs);
    const variables = [...drv.env.entries()]
      .filter(([name]) => !isUtf8(name))
      .map(([name, value]) => [name, link.text(value)] as const);
    return derivation(attributesOf(drv, link), { variables });
  }
}

/** Finds the inputs' paths in text and puts the inputs in their place. */
class Linker {
  readonly #pattern: RegExp | undefined;

  constructor(private readonly inputs: ReadonlyMap<string, TextPart>) {
    const paths = [...inputs.keys()].map((path) => path.replace(/[.+?]/gu, "\\$&"));
    this.#pattern =
      paths.length === 0
        ? undefined
        : new RegExp(`(${paths.sort((a, b) => b.length - a.length).join("|")})`, "u");
  }

  /** Byte by byte as a text of as many characters, in which ASCII is what it is. */
  text(bytes: Uint8Array): AttributeValue {
    const parts =
      this.#pattern === undefined ? [] : Buffer.from(bytes).toString("latin1").split(this.#pattern);
    if (parts.length <= 1) return isUtf8(bytes) ? textOf(bytes) : bytes;
    return joinText(
      parts.map((part) => this.inputs.get(part) ?? new Uint8Array(Buffer.from(part, "latin1"))),
    );
  }

  json(value: JsonValue): AttributeValue {
    switch (value.type) {
      case "string":
        return this.text(bytesOf(value.value));
      case "number":
        return /^-?\d+$/u.test(value.text) ? BigInt(value.text) : Number(value.text);
      case "array":
        return value.items.map((item) => this.json(item));
      case "object":
        return Object.fromEntries([...value.members].map(([name, member]) => [name, this.json(member)]));
      case "boolean":
        return value.value;
      case "null":
        return null;
    }
  }
}

function attributesOf(drv: Derivation, link: Linker): DerivationAttributes {
  const required = {
    name: drv.name,
    system: drv.platform,
    builder: link.text(drv.builder),
    args: drv.args.map((arg) => link.text(arg)),
  };
  const json = drv.env.get("__json");
  const attributes: Record<string, AttributeValue> = {};
  if (json !== undefined) Object.assign(attributes, link.json(parseJson(json)), { __structuredAttrs: true });
  else
    for (const [name, value] of drv.env.entries())
      if (isUtf8(name) && !drv.outputs.has(textOf(name) as never))
        attributes[textOf(name)] = link.text(value);
  const outputs =
    typeof attributes["outputs"] === "object" || json !== undefined ? attributes["outputs"] : undefined;
  const names = drv.env
    .getText("outputs")
    ?.split(/\s+/u)
    .filter((name) => name !== "");
  const kinds = new Set([...drv.outputs.values()].map(({ kind }) => kind));
  return {
    ...attributes,
    ...required,
    __contentAddressed: kinds.has("floating"),
    __impure: kinds.has("impure"),
    ...(outputs === undefined ? {} : { outputs }),
    ...(names === undefined ? {} : { outputs: names }),
  } as DerivationAttributes;
}
