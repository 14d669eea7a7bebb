import { bytesOf, derivationOptions, textOf } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { makeBuildSpec } from "../../src/plan/sandbox-spec.js";
import type { Recipe } from "../../src/testing/index.js";
import { World } from "../support/world.js";

function filesOf(recipe: Omit<Recipe, "name">) {
  const world = new World();
  const drvPath = world.add({ name: "files", ...recipe });
  const drv = world.ports.store.readDerivationSync(drvPath);
  const { files } = makeBuildSpec({
    drvPath,
    drv,
    options: derivationOptions(drvPath, drv),
    inputs: [],
    scratch: new Map([...drv.outputs.keys()].map((name) => [name, world.out(drvPath, name)])),
    graphs: new Map(),
    storeDir: world.ports.store.storeDir,
    buildDir: "/build",
    known: new Map(),
    isInMemory: false,
    isolation: "sandbox",
    cores: 1,
    impureEnv: () => undefined,
  });
  return { files: new Map(files.map(({ name, content }) => [name, content])), list: files, world, drvPath };
}

/** Everything that 04 §10.2 of the specification speaks of, members in no order. */
const attrs = `{
  "text": "it's \\"quoted\\"\\n\\ttab \\u0007 \\u001f é \\ud83d\\ude00 \\\\ /",
  "empty": "",
  "nothing": null, "yes": true, "no": false,
  "int": 42, "negative": -7, "minusZero": -0,
  "maxUnsigned": 18446744073709551615, "minSigned": -9223372036854775808,
  "whole": 1.0, "exponent": 1e3, "tiny": 1e-5, "huge": 1e16, "half": 0.5,
  "10": "ten", "2": "two", "__proto__": "own", "constructor": {"prototype": null},
  "list": ["a b", 1, true, false, null], "emptyList": [], "floats": [0.5],
  "nested": [["x"], {"y": []}],
  "map": {"b": 1, "a'c": "d'e", "10": "x", "9": "y", "": null}, "emptyMap": {}, "deep": {"a": {"b": "c"}},
  "not-a-name": "x", "1st": "x", "_ok": "x", "ünicode": "x", "new\\nline": "x",
  "repeated": "first", "repeated": "last",
  "placeholder": "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9/bin"
}`;

describe("structured attributes, byte for byte", () => {
  const { files, list, world, drvPath } = filesOf({ outputs: ["out", "dev"], env: { __json: attrs } });
  const { out, dev } = world.outputs(drvPath);
  const contentOf = (name: string) => textOf(files.get(name) ?? new Uint8Array());

  test("are two files and nothing else", () => {
    expect(list.map(({ name }) => name)).toEqual([".attrs.sh", ".attrs.json"]);
  });

  test("B2: as JSON", () => {
    expect(contentOf(".attrs.json").split(/,(?="[^"]*":)/u)).toEqual([
      '{"10":"ten"',
      '"1st":"x"',
      '"2":"two"',
      '"__proto__":"own"',
      '"_ok":"x"',
      '"constructor":{"prototype":null}',
      '"deep":{"a":{"b":"c"}}',
      '"empty":""',
      '"emptyList":[]',
      '"emptyMap":{}',
      '"exponent":1000.0',
      '"floats":[0.5]',
      '"half":0.5',
      '"huge":1e+16',
      '"int":42',
      '"list":["a b",1,true,false,null]',
      '"map":{"":null',
      '"10":"x"',
      '"9":"y"',
      `"a'c":"d'e"`,
      '"b":1}',
      '"maxUnsigned":18446744073709551615',
      '"minSigned":-9223372036854775808',
      '"minusZero":0',
      '"negative":-7',
      '"nested":[["x"],{"y":[]}]',
      '"new\\nline":"x"',
      '"no":false',
      '"not-a-name":"x"',
      '"nothing":null',
      `"outputs":{"dev":"${dev}"`,
      `"out":"${out}"}`,
      `"placeholder":"${out}/bin"`,
      '"repeated":"last"',
      `"text":"it's \\"quoted\\"\\n\\ttab \\u0007 \\u001f é 😀 \\\\ /"`,
      '"tiny":1e-05',
      '"whole":1.0',
      '"yes":true',
      '"ünicode":"x"}',
    ]);
  });

  test("B2: as declarations of bash", () => {
    expect(contentOf(".attrs.sh")).toBe(
      [
        "declare __proto__='own'",
        "declare _ok='x'",
        "declare -A constructor=(['prototype']='' )",
        "declare empty=''",
        "declare -a emptyList=()",
        "declare -A emptyMap=()",
        "declare exponent=1000",
        "declare huge=10000000000000000",
        "declare int=42",
        "declare -a list=('a b' 1 1  '' )",
        "declare -A map=(['']='' ['10']='x' ['9']='y' ['a'\\''c']='d'\\''e' ['b']=1 )",
        "declare maxUnsigned=18446744073709551615",
        "declare minSigned=-9223372036854775808",
        "declare minusZero=0",
        "declare negative=-7",
        "declare no=",
        "declare nothing=''",
        `declare -A outputs=(['dev']='${dev}' ['out']='${out}' )`,
        `declare placeholder='${out}/bin'`,
        "declare repeated='last'",
        `declare text='it'\\''s "quoted"\n\ttab \u0007 \u001f é 😀 \\ /'`,
        "declare whole=1",
        "declare yes=1",
        "",
      ].join("\n"),
    );
  });
});

test.each([
  { name: "16777217.0", sh: "16777217" },
  { name: "16777217.5", sh: "16777217" },
  { name: "-16777217.5", sh: "-16777217" },
  { name: "8388607.5", sh: undefined },
  { name: "1e-46", sh: "0" },
  { name: "-0.0", sh: "0" },
  { name: "1e39", sh: "999999999999999939709166371603178586112" },
])("bash is told $name as $sh: a float of 32 bits decides whether it is whole", ({ name, sh }) => {
  const { files } = filesOf({ env: { __json: `{"n":${name}}` } });
  const text = textOf(files.get(".attrs.sh") ?? new Uint8Array());
  expect(/^declare n=(.*)$/mu.exec(text)?.[1]).toBe(sh);
});

describe("variables that are passed as files", () => {
  test("B3: are one file each, however often they are named, with any bytes", () => {
    const { list } = filesOf({ env: { passAsFile: "foo foo  bar\tfoo", foo: "text\n", bar: "" } });
    expect(list.map(({ content }) => textOf(content)).sort()).toEqual(["", "text\n"]);
    expect(new Set(list.map(({ name }) => name)).size).toBe(2);
    for (const { name } of list) expect(name).toMatch(/^\.attr-[0-9a-z]{52}$/u);
  });

  test("that are no text are passed as they are", () => {
    const world = new World();
    const drvPath = world.add({ name: "binary", env: { passAsFile: "blob", blob: "" } });
    const drv = world.ports.store.readDerivationSync(drvPath);
    const blob = Uint8Array.of(0x00, 0xff, 0xfe, 0x0a);
    const raw = Uint8Array.of(0xc3, 0x28);
    const binary = { ...drv, env: drv.env.with("blob", blob).with("raw", raw) };
    const { files, env } = makeBuildSpec({
      drvPath,
      drv: binary,
      options: derivationOptions(drvPath, binary),
      inputs: [],
      scratch: new Map(),
      graphs: new Map(),
      storeDir: world.ports.store.storeDir,
      buildDir: "/build",
      known: new Map(),
      isInMemory: false,
      isolation: "sandbox",
      cores: 1,
      impureEnv: () => undefined,
    });
    expect(files.map(({ content }) => content)).toEqual([blob]);
    expect(env.find(([name]) => textOf(name) === "raw")).toEqual([bytesOf("raw"), raw]);
  });
});
