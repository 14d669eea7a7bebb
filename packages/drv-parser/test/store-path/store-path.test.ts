import { describe, expect, test } from "vitest";
import {
  baseNameOf,
  defaultStoreDir,
  derivationNameOf,
  hashPartOf,
  isDerivationPath,
  makeOutputName,
  makeStoreDir,
  makeStorePath,
  namePartOf,
  outputPathName,
  parseStorePath,
  splitStorePath,
  storeDirOf,
} from "../../src/index.js";

const hashPart = "i5xvchlm36jash0k9ndh3vya563ls965";
const simple = `/nix/store/${hashPart}-simple`;
const longest = "n".repeat(211);

describe("parseStorePath", () => {
  test.each(["a", longest, ".", "..", ".hidden", "-", "0-9.A+_?="])("takes the name %s", (name) => {
    const path = parseStorePath(defaultStoreDir, `/nix/store/${hashPart}-${name}`);
    expect([namePartOf(path), hashPartOf(path), storeDirOf(path)]).toEqual([name, hashPart, "/nix/store"]);
    expect(baseNameOf(path)).toBe(`${hashPart}-${name}`);
    expect(makeStorePath(defaultStoreDir, baseNameOf(path))).toBe(path);
  });

  test.each([
    {
      name: "another directory",
      text: `/gnu/store/${hashPart}-x`,
      message: `path '/gnu/store/${hashPart}-x' is not in the Nix store`,
    },
    {
      name: "a directory that begins alike",
      text: `/nix/store2/${hashPart}-x`,
      message: `path '/nix/store2/${hashPart}-x' is not in the Nix store`,
    },
    {
      name: "the directory itself",
      text: "/nix/store",
      message: "path '/nix/store' is not in the Nix store",
    },
    {
      name: "two slashes",
      text: `/nix/store//${hashPart}-x`,
      message: `path '/${hashPart}-x' contains illegal base-32 character '/'`,
    },
    { name: "a slash at the end", text: `${simple}/`, message: "name 'simple/' is not valid" },
    {
      name: "what lies below a store path",
      text: `${simple}/bin`,
      message: "name 'simple/bin' is not valid",
    },
    {
      name: "a base name that is short",
      text: `/nix/store/${hashPart}`,
      message: `path '${hashPart}' is too short to be a valid store path`,
    },
    { name: "an empty name", text: `/nix/store/${hashPart}-`, message: "name '' is not valid" },
    {
      name: "no dash",
      text: `/nix/store/${hashPart}Xsimple`,
      message: `path '${hashPart}Xsimple' has no dash after its hash part`,
    },
    {
      name: "a letter that the alphabet leaves out",
      text: `/nix/store/e${hashPart.slice(1)}-x`,
      message: `path 'e${hashPart.slice(1)}-x' contains illegal base-32 character 'e'`,
    },
    {
      name: "upper case",
      text: `/nix/store/${hashPart.toUpperCase()}-x`,
      message: `path '${hashPart.toUpperCase()}-x' contains illegal base-32 character 'I'`,
    },
    {
      name: "a long name",
      text: `${simple}${"n".repeat(206)}`,
      message: `name 'simple${"n".repeat(206)}' is not valid`,
    },
    { name: "a blank", text: `${simple} 1`, message: "name 'simple 1' is not valid" },
    { name: "a line end", text: `${simple}\n`, message: "name 'simple\n' is not valid" },
    { name: "a letter beyond ASCII", text: `${simple}é`, message: "name 'simpleé' is not valid" },
  ])("refuses $name", ({ text, message }) => {
    expect(() => parseStorePath(defaultStoreDir, text)).toThrow(
      expect.objectContaining({ code: "ERR_STORE_PATH", message }),
    );
  });
});

describe("splitStorePath", () => {
  test.each([
    { text: simple, path: simple, rest: "" },
    { text: `${simple}/`, path: simple, rest: "/" },
    { text: `${simple}/bin/x`, path: simple, rest: "/bin/x" },
  ])("$text", ({ text, path, rest }) => {
    expect(splitStorePath(defaultStoreDir, text)).toEqual({ path, rest });
  });

  test("refuses what is not in the store", () => {
    expect(() => splitStorePath(defaultStoreDir, "/bin/sh")).toThrow(
      expect.objectContaining({ code: "ERR_STORE_PATH" }),
    );
  });
});

describe("a path of a derivation", () => {
  test.each([
    { name: "simple.drv", is: true },
    { name: "a.drv.drv", is: true },
    { name: "simple", is: false },
    { name: "simple.drv2", is: false },
    { name: "drv", is: false },
    { name: ".drv", is: false },
  ])("$name: $is", ({ name, is }) => {
    const path = parseStorePath(defaultStoreDir, `/nix/store/${hashPart}-${name}`);
    expect(isDerivationPath(path)).toBe(is);
    if (is) expect(derivationNameOf(path)).toBe(name.slice(0, -4));
    else
      expect(() => derivationNameOf(path)).toThrow(
        expect.objectContaining({ code: "ERR_STORE_PATH", message: `path '${path}' is not a derivation` }),
      );
  });
});

describe("names that are made", () => {
  test.each([
    { drvName: "x", output: "out", name: "x" },
    { drvName: "x", output: "dev", name: "x-dev" },
    { drvName: ".x", output: "out", name: ".x" },
    { drvName: "...", output: "out", name: "..." },
  ])("$drvName, $output: $name", ({ drvName, output, name }) => {
    expect(outputPathName(drvName, makeOutputName(output))).toBe(name);
  });

  test.each([
    { drvName: ".", output: "out" },
    { drvName: "..", output: "out" },
    { drvName: ".", output: "dev" },
    { drvName: "..-a", output: "out" },
    { drvName: "n".repeat(209), output: "dev" },
    { drvName: "", output: "out" },
  ])("refuses '$drvName', $output", ({ drvName, output }) => {
    expect(() => outputPathName(drvName, makeOutputName(output))).toThrow(
      expect.objectContaining({ code: "ERR_STORE_PATH" }),
    );
  });

  test.each(["", "a/b", "a b", "a,b", "*", "n".repeat(212)])("refuses the output name '%s'", (text) => {
    expect(() => makeOutputName(text)).toThrow(
      expect.objectContaining({ code: "ERR_OUTPUT_NAME", message: `'${text}' is not an output name` }),
    );
  });
});

describe("makeStoreDir", () => {
  test.each(["/nix/store", "/s", "/my store/é"])("takes %s", (text) => {
    expect(makeStoreDir(text)).toBe(text);
  });

  test.each(["", "/", "nix/store", "/nix/store/", "/nix//store", "/nix/./store", "/nix/../store", "/.."])(
    "refuses '%s'",
    (text) => {
      expect(() => makeStoreDir(text)).toThrow(
        expect.objectContaining({
          code: "ERR_STORE_DIR",
          message: `'${text}' is not an absolute canonical path`,
        }),
      );
    },
  );
});
