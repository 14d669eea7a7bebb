import { bytesOf, derivationOptions, encodeNixBase32, hashBytes, textOf } from "@drvkit/drv-parser";
import { describe, expect, test } from "vitest";
import { makeBuildSpec } from "../../src/plan/sandbox-spec.js";
import type { BuildSpec } from "../../src/ports/sandbox.js";
import type { Recipe } from "../../src/testing/index.js";
import { World } from "../support/world.js";

function specOf(recipe: Omit<Recipe, "name">, impureEnv: Readonly<Record<string, string>> = {}) {
  const world = new World();
  const drvPath = world.add({ name: "spec", ...recipe });
  const drv = world.ports.store.readDerivationSync(drvPath);
  const scratch = new Map(
    [...drv.outputs].map(([name, output]) => [name, "path" in output ? output.path : world.out(drvPath)]),
  );
  const spec = makeBuildSpec({
    drvPath,
    drv,
    options: derivationOptions(drvPath, drv),
    inputs: [],
    scratch,
    graphs: new Map(),
    storeDir: world.ports.store.storeDir,
    buildDir: "/build",
    known: new Map(),
    isInMemory: false,
    isolation: "sandbox",
    cores: 4,
    impureEnv: (name) => impureEnv[name],
  });
  return { spec, env: environmentOf(spec), out: world.out(drvPath), world, drvPath };
}

const environmentOf = ({ env }: BuildSpec) => env.map(([name, value]) => `${textOf(name)}=${textOf(value)}`);

describe("the environment", () => {
  test("B1: is exactly this, sorted by name", () => {
    const { env, out } = specOf({ env: { zebra: "1", answer: "42" } });
    expect(env).toEqual([
      "HOME=/homeless-shelter",
      "NIX_BUILD_CORES=4",
      "NIX_BUILD_TOP=/build",
      "NIX_LOG_FD=2",
      "NIX_STORE=/nix/store",
      "PATH=/path-not-set",
      "PWD=/build",
      "TEMP=/build",
      "TEMPDIR=/build",
      "TERM=xterm-256color",
      "TMP=/build",
      "TMPDIR=/build",
      "answer=42",
      "builder=/bin/sh",
      "name=spec",
      `out=${out}`,
      "system=x86_64-linux",
      "zebra=1",
    ]);
  });

  test("B1: lets the derivation choose PATH and HOME, not TMPDIR, NIX_LOG_FD or TERM", () => {
    const { env } = specOf({
      env: {
        PATH: "/p",
        HOME: "/h",
        NIX_STORE: "/s",
        NIX_BUILD_CORES: "9",
        TMPDIR: "/t",
        NIX_LOG_FD: "7",
        TERM: "x",
      },
    });
    expect(env).toEqual(
      expect.arrayContaining([
        "PATH=/p",
        "HOME=/h",
        "NIX_STORE=/s",
        "NIX_BUILD_CORES=9",
        "TMPDIR=/build",
        "NIX_LOG_FD=2",
        "TERM=xterm-256color",
      ]),
    );
  });

  test("of a fixed output has its impure variables, empty when unset, over all but the last", () => {
    const fixed = { method: "flat", hash: hashBytes("sha256", bytesOf("x")) } as const;
    const impureEnvVars = "http_proxy TMPDIR NIX_OUTPUT_CHECKED TERM";
    const { env, spec } = specOf(
      { fixed, env: { impureEnvVars } },
      { http_proxy: "http://proxy", TERM: "dumb" },
    );
    expect(env).toEqual(
      expect.arrayContaining([
        "http_proxy=http://proxy",
        "TMPDIR=",
        "NIX_OUTPUT_CHECKED=",
        "TERM=xterm-256color",
      ]),
    );
    expect(spec.network).toBe("host");
  });

  test("of a fixed output is exactly this", () => {
    const fixed = { method: "nar", hash: hashBytes("sha256", bytesOf("x")) } as const;
    const { env, out } = specOf(
      { fixed, env: { impureEnvVars: "unset https_proxy" } },
      { https_proxy: "p=1", other: "x" },
    );
    expect(env).toEqual([
      "HOME=/homeless-shelter",
      "NIX_BUILD_CORES=4",
      "NIX_BUILD_TOP=/build",
      "NIX_LOG_FD=2",
      "NIX_OUTPUT_CHECKED=1",
      "NIX_STORE=/nix/store",
      "PATH=/path-not-set",
      "PWD=/build",
      "TEMP=/build",
      "TEMPDIR=/build",
      "TERM=xterm-256color",
      "TMP=/build",
      "TMPDIR=/build",
      "builder=/bin/sh",
      "https_proxy=p=1",
      "impureEnvVars=unset https_proxy",
      "name=spec",
      `out=${out}`,
      "system=x86_64-linux",
      "unset=",
    ]);
  });

  test("with structured attributes is exactly this", () => {
    const { env } = specOf({ env: { __json: '{"PATH":"/p","passAsFile":["PATH"]}', FOO: "x" } });
    expect(env).toEqual([
      "HOME=/homeless-shelter",
      "NIX_ATTRS_JSON_FILE=/build/.attrs.json",
      "NIX_ATTRS_SH_FILE=/build/.attrs.sh",
      "NIX_BUILD_CORES=4",
      "NIX_BUILD_TOP=/build",
      "NIX_LOG_FD=2",
      "NIX_STORE=/nix/store",
      "PATH=/path-not-set",
      "PWD=/build",
      "TEMP=/build",
      "TEMPDIR=/build",
      "TERM=xterm-256color",
      "TMP=/build",
      "TMPDIR=/build",
    ]);
  });

  test("has own placeholders replaced in names as well, and is sorted by what comes out", () => {
    const placeholder = "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9";
    const { env, out } = specOf({ env: { [`A${placeholder}`]: "1", "A/n": "2" } });
    expect(env.slice(0, 2)).toEqual([`A${out}=1`, "A/n=2"].sort());
  });

  test("of any other output has none of them", () => {
    const { env, spec } = specOf({ env: { impureEnvVars: "http_proxy" } }, { http_proxy: "http://proxy" });
    expect(env.filter((each) => each.startsWith("http_proxy"))).toEqual([]);
    expect(spec.network).toBe("private");
  });

  test("with structured attributes names their files and nothing of the derivation", () => {
    const { env } = specOf({ env: { __json: "{}" } });
    expect(env.filter((each) => each.startsWith("NIX_ATTRS"))).toEqual([
      "NIX_ATTRS_JSON_FILE=/build/.attrs.json",
      "NIX_ATTRS_SH_FILE=/build/.attrs.sh",
    ]);
    expect(env.filter((each) => /^(out|name|builder|__json)=/u.test(each))).toEqual([]);
  });

  test("B3: has the paths of what is passed as files, unless a variable of that name comes later", () => {
    const { env, spec } = specOf({
      env: { passAsFile: "foo bar absent", foo: "text", bar: "x", barPath: "mine" },
    });
    const file = ".attr-1bp7cri8hplaz6hbz0v4f0nl44rl84q1sg25kgwqzipzd1mv89ic";
    expect(env.filter((each) => /^(foo|bar|absent)/u.test(each))).toEqual([
      "barPath=mine",
      `fooPath=/build/${file}`,
    ]);
    expect(spec.files.find(({ name }) => name === file)?.content).toEqual(bytesOf("text"));
    expect(spec.files).toHaveLength(2);
  });

  test("has own placeholders replaced everywhere but in the builder's path", () => {
    const placeholder = "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9";
    const { env, spec, out } = specOf({
      builder: `${placeholder}/bin/sh`,
      args: [`--prefix=${placeholder}`, `${placeholder}:${placeholder}`],
      env: { flags: `-L${placeholder}/lib`, passAsFile: "text", text: placeholder },
    });
    expect(env).toContain(`flags=-L${out}/lib`);
    expect(spec.argv.map(textOf)).toEqual(["sh", `--prefix=${out}`, `${out}:${out}`]);
    expect(textOf(spec.builder)).toBe(`${placeholder}/bin/sh`);
    expect(spec.files.map(({ content }) => textOf(content))).toEqual([out]);
  });
});

describe("structured attributes", () => {
  const filesOf = (attrs: string) => {
    const { spec, out } = specOf({ env: { __json: attrs } });
    const contentOf = (name: string) =>
      textOf(spec.files.find((file) => file.name === name)?.content ?? new Uint8Array());
    return { json: contentOf(".attrs.json"), sh: contentOf(".attrs.sh"), out };
  };

  test("as JSON keep numbers, order members by bytes and name the outputs", () => {
    const { json, out } = filesOf(
      '{"z":1.0,"10":18446744073709551615,"2":-0,"text":"a\\u0007\\"é","__proto__":null}',
    );
    expect(json).toBe(
      `{"10":18446744073709551615,"2":0,"__proto__":null,"outputs":{"out":"${out}"},"text":"a\\u0007\\"é","z":1.0}`,
    );
  });

  test.each([
    { name: "a string", json: '{"a":"it\'s\\n2"}', sh: "declare a='it'\\''s\n2'\n" },
    {
      name: "true, false and null",
      json: '{"t":true,"f":false,"n":null}',
      sh: "declare f=\ndeclare n=''\ndeclare t=1\n",
    },
    {
      name: "whole numbers",
      json: '{"a":12,"b":2.0,"c":4294967296}',
      sh: "declare a=12\ndeclare b=2\ndeclare c=4294967296\n",
    },
    { name: "other numbers, not", json: '{"a":1.5}', sh: "" },
    { name: "arrays", json: '{"a":["x",1]}', sh: "declare -a a=('x' 1 )\n" },
    { name: "nested arrays, not", json: '{"a":[["x"]]}', sh: "" },
    { name: "an array with one that cannot be, not", json: '{"a":["x",1.5]}', sh: "" },
    { name: "objects", json: '{"a":{"k 1":"v","b":true}}', sh: "declare -A a=(['b']=1 ['k 1']='v' )\n" },
    { name: "names that are none, not", json: '{"a-b":"x","1a":"y","_ok":"z"}', sh: "declare _ok='z'\n" },
  ])("as declarations of bash: $name", ({ json, sh }) => {
    const { sh: printed, out } = filesOf(json);
    expect(
      printed
        .split("\n")
        .filter((line) => !line.startsWith("declare -A outputs"))
        .join("\n"),
    ).toBe(sh);
    expect(printed).toContain(`declare -A outputs=(['out']='${out}' )\n`);
  });

  test("of Nix's own making come out the same", async () => {
    const { env } = specOf({ env: { passAsFile: "x", __json: '{"passAsFile":["x"]}', x: "y" } });
    expect(env.filter((each) => each.includes("xPath"))).toEqual([]);
  });
});

test("file names of passed variables are hashes of their names", () => {
  const hash = encodeNixBase32(hashBytes("sha256", bytesOf("foo")).digest);
  expect(hash).toBe("1bp7cri8hplaz6hbz0v4f0nl44rl84q1sg25kgwqzipzd1mv89ic");
});
