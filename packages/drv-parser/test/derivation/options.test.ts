import { describe, expect, test } from "vitest";
import {
  type Derivation,
  type DerivationOptions,
  defaultStoreDir,
  derivationOptions,
  makeOutputName,
  makeStorePath,
  printJson,
} from "../../src/index.js";
import { withEnv } from "../support/derivation-text.js";

const drvPath = makeStorePath(defaultStoreDir, "00000000000000000000000000000000-x.drv");
const [one, two] = ["1-one", "2-two"].map((name) =>
  makeStorePath(defaultStoreDir, name[0]?.repeat(32) + name.slice(1)),
);
const out = makeOutputName("out");
const known: Derivation["outputs"] = new Map([[out, { kind: "inputAddressed", path: one as never }]]);

const plain = (variables: Readonly<Record<string, string | Uint8Array>>): DerivationOptions =>
  derivationOptions(drvPath, { ...withEnv(variables), outputs: known });
const structured = (
  attributes: unknown,
  variables: Readonly<Record<string, string>> = {},
): DerivationOptions => plain({ ...variables, __json: JSON.stringify(attributes) });

const defaults = {
  requiredSystemFeatures: new Set(),
  preferLocalBuild: false,
  allowSubstitutes: true,
  noChroot: false,
  impureEnvVars: [],
  passAsFile: [],
  exportReferencesGraph: [],
};

describe("attributes in variables", () => {
  test("have their defaults", () => {
    const options = plain({});
    expect(options).toMatchObject({ ...defaults, structuredAttrs: undefined });
    expect(options.outputChecks(out)).toEqual({ ignoreSelfInRequisites: true });
    expect(options.unsafeDiscardReferences(out)).toBe(false);
  });

  test("are words and ones", () => {
    const options = plain({
      requiredSystemFeatures: " kvm\t big-parallel\r\n",
      preferLocalBuild: "1",
      allowSubstitutes: "",
      __noChroot: "1",
      impureEnvVars: "HOME http_proxy",
      passAsFile: "text code",
      exportReferencesGraph: `graph ${one} other.graph ${two}/bin`,
      allowedReferences: "",
      disallowedRequisites: `${one} out`,
    });
    expect(options).toMatchObject({
      requiredSystemFeatures: new Set(["kvm", "big-parallel"]),
      preferLocalBuild: true,
      allowSubstitutes: false,
      noChroot: true,
      impureEnvVars: ["HOME", "http_proxy"],
      passAsFile: ["text", "code"],
      exportReferencesGraph: [
        { name: "graph", paths: [one] },
        { name: "other.graph", paths: [two] },
      ],
    });
    expect(options.outputChecks(out)).toEqual({
      allowedReferences: [],
      disallowedRequisites: [one, "out"],
      ignoreSelfInRequisites: true,
    });
  });

  test.each(["true", "yes", "0", "11"])("'%s' is not true", (text) => {
    expect(plain({ preferLocalBuild: text, allowSubstitutes: text })).toMatchObject({
      preferLocalBuild: false,
      allowSubstitutes: false,
    });
  });

  test.each([
    {
      name: "a file name without a path",
      variables: { exportReferencesGraph: `a ${one} b` },
      message: `odd number of tokens in 'exportReferencesGraph': 'a ${one} b'`,
    },
    {
      name: "a file name with a slash",
      variables: { exportReferencesGraph: `a/b ${one}` },
      message: "invalid file name 'a/b' in 'exportReferencesGraph'",
    },
    {
      name: "a file name that begins with a point",
      variables: { exportReferencesGraph: `.a ${one}` },
      message: "invalid file name '.a' in 'exportReferencesGraph'",
    },
    {
      name: "a path that is no store path",
      variables: { exportReferencesGraph: "a /etc" },
      message: "'exportReferencesGraph' contains a non-store path '/etc'",
    },
    {
      name: "bytes that are no text",
      variables: { impureEnvVars: Uint8Array.of(0xff) },
      message:
        "attribute 'impureEnvVars' of derivation '00000000000000000000000000000000-x.drv' must be a string",
    },
  ])("refuses $name", ({ variables, message }) => {
    expect(() => plain(variables)).toThrow(expect.objectContaining({ code: "ERR_DRV_ATTRIBUTE", message }));
  });
});

describe("structured attributes", () => {
  test("have their defaults", () => {
    const options = structured({});
    expect(options).toMatchObject(defaults);
    expect(options.outputChecks(out)).toEqual({ ignoreSelfInRequisites: false });
    expect(options.unsafeDiscardReferences(out)).toBe(false);
  });

  test("are JSON", () => {
    const attributes = {
      requiredSystemFeatures: ["kvm"],
      preferLocalBuild: true,
      allowSubstitutes: false,
      __noChroot: true,
      impureEnvVars: ["HOME"],
      passAsFile: ["text"],
      exportReferencesGraph: { graph: [one, [[two]]], single: one },
      allowedReferences: [],
      outputChecks: { out: { maxSize: 100, maxClosureSize: 2 ** 40, allowedRequisites: ["out"] } },
      unsafeDiscardReferences: { out: true },
    };
    const options = structured(attributes);
    expect(options).toMatchObject({
      requiredSystemFeatures: new Set(["kvm"]),
      preferLocalBuild: true,
      allowSubstitutes: false,
      noChroot: true,
      impureEnvVars: ["HOME"],
      passAsFile: [],
      exportReferencesGraph: [
        { name: "graph", paths: [one, two] },
        { name: "single", paths: [one] },
      ],
    });
    expect(options.outputChecks(out)).toEqual({
      maxSize: 100,
      maxClosureSize: 2 ** 40,
      allowedRequisites: ["out"],
      ignoreSelfInRequisites: false,
    });
    expect(options.outputChecks(makeOutputName("dev"))).toEqual({ ignoreSelfInRequisites: false });
    expect(options.unsafeDiscardReferences(out)).toBe(true);
    expect(options.unsafeDiscardReferences(makeOutputName("dev"))).toBe(false);
    expect(JSON.parse(printJson(options.structuredAttrs ?? { type: "null" }))).toEqual(attributes);
  });

  test("hide the variables", () => {
    const variables = {
      preferLocalBuild: "1",
      requiredSystemFeatures: "kvm",
      passAsFile: "x",
      allowedReferences: "",
    };
    const options = structured({}, variables);
    expect(options).toMatchObject(defaults);
    expect(options.outputChecks(out)).toEqual({ ignoreSelfInRequisites: false });
  });

  test.each<{ name: string; attributes: unknown; message: string }>([
    { name: "a text for a boolean", attributes: { preferLocalBuild: "1" }, message: "must be a Boolean" },
    {
      name: "a text for a list",
      attributes: { impureEnvVars: "HOME" },
      message: "must be a list of strings",
    },
    {
      name: "a list of others",
      attributes: { requiredSystemFeatures: [1] },
      message: "must be a list of strings",
    },
    {
      name: "a graph of numbers",
      attributes: { exportReferencesGraph: { g: 1 } },
      message: "must be a list of strings",
    },
    {
      name: "a graph of no store path",
      attributes: { exportReferencesGraph: { g: ["/etc"] } },
      message: "contains a non-store path '/etc'",
    },
    { name: "a list for the object", attributes: [], message: "cannot process __json attribute of" },
  ])("refuse $name", ({ attributes, message }) => {
    expect(() => structured(attributes)).toThrow(
      expect.objectContaining({ code: "ERR_DRV_ATTRIBUTE", message: expect.stringContaining(message) }),
    );
  });

  test.each<{ name: string; checks: unknown; message: string }>([
    { name: "a text", checks: "x", message: "'outputChecks.out'" },
    { name: "a size with a fraction", checks: { maxSize: 1.5 }, message: "'maxSize'" },
    { name: "a negative size", checks: { maxClosureSize: -1 }, message: "'maxClosureSize'" },
    { name: "a text for a list", checks: { allowedReferences: "out" }, message: "'allowedReferences'" },
  ])("refuse checks that are $name when they are asked for", ({ checks, message }) => {
    const options = structured({ outputChecks: { out: checks } });
    expect(() => options.outputChecks(out)).toThrow(
      expect.objectContaining({ code: "ERR_DRV_ATTRIBUTE", message: expect.stringContaining(message) }),
    );
  });

  test("refuse what is no JSON, and keep why", () => {
    expect(() => plain({ __json: "{" })).toThrow(
      expect.objectContaining({
        code: "ERR_DRV_ATTRIBUTE",
        message: expect.stringMatching(/^cannot process __json attribute of '0{32}-x\.drv': expected /u),
        cause: expect.objectContaining({ code: "ERR_JSON_SYNTAX", offset: 1 }),
      }),
    );
  });
});

describe("the feature ca-derivations", () => {
  const floating = { kind: "floating", method: "nar", algorithm: "sha256" } as const;
  test.each<{ name: string; outputs: Derivation["outputs"]; needed: boolean }>([
    { name: "known", outputs: known, needed: false },
    { name: "floating", outputs: new Map([[out, floating]]), needed: true },
    { name: "impure", outputs: new Map([[out, { ...floating, kind: "impure" }]]), needed: true },
    { name: "deferred", outputs: new Map([[out, { kind: "deferred" }]]), needed: true },
  ])("is required of $name outputs: $needed", ({ outputs, needed }) => {
    const drv = { ...withEnv({ requiredSystemFeatures: "kvm" }), outputs };
    const { requiredSystemFeatures } = derivationOptions(drvPath, drv);
    expect(requiredSystemFeatures).toEqual(new Set(needed ? ["kvm", "ca-derivations"] : ["kvm"]));
  });
});

test.each(["plain", "structured"])("what concerns macOS is read from %s attributes", (form) => {
  const plain = withEnv({
    __sandboxProfile: "(p)",
    __impureHostDeps: "/a /b",
    __darwinAllowLocalNetworking: "1",
  });
  const json =
    '{"__sandboxProfile":"(p)","__impureHostDeps":["/a","/b"],"__darwinAllowLocalNetworking":true}';
  const drv = form === "plain" ? plain : withEnv({ __json: json });
  expect(derivationOptions(drvPath, drv)).toMatchObject({
    sandboxProfile: "(p)",
    impureHostDeps: ["/a", "/b"],
    allowLocalNetworking: true,
  });
});
