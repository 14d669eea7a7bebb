import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  computeDerivationPath,
  computeOutputPaths,
  defaultStoreDir,
  derivationNameOf,
  derivationToJson,
  derivationType,
  isCanonicalDerivation,
  makeStorePath,
  outputPathsOf,
  parseDerivation,
  printDerivation,
  validateDerivation,
} from "../src/index.js";
import { readFrom } from "./support/folder.js";
import { goldenUpdate } from "./support/golden-update.js";

const testdata = fileURLToPath(new URL("../testdata", import.meta.url));
const files = readdirSync(testdata, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".drv"))
  .sort();
const updating = goldenUpdate(process.env);

describe.each(files)("%s", (file) => {
  const drvPath = makeStorePath(defaultStoreDir, basename(file));
  const name = derivationNameOf(drvPath);
  const bytes = new Uint8Array(readFileSync(join(testdata, file)));
  const read = readFrom(dirname(join(testdata, file)));
  const drv = () => parseDerivation(bytes, { name });

  test("reads as the JSON beside it", ({ skip }) => {
    const beside = join(testdata, file.replace(/\.drv$/u, ".json"));
    const text = `${JSON.stringify(derivationToJson(drv()), undefined, 2)}\n`;
    if (updating) {
      writeFileSync(beside, text);
      skip("written anew");
    }
    expect(existsSync(beside), "UPDATE_GOLDEN=1 writes what is missing").toBe(true);
    expect(text).toBe(readFileSync(beside, "utf8"));
  });

  test("prints to the same bytes", () => {
    expect(printDerivation(drv())).toEqual(bytes);
    expect(isCanonicalDerivation(bytes, { name })).toBe(true);
  });

  test("has the path that is computed from it", () => {
    expect(computeDerivationPath(defaultStoreDir, drv())).toBe(drvPath);
  });

  test("states the output paths that are computed from it", () => {
    expect(computeOutputPaths(drv(), read)).toEqual(outputPathsOf(drv()));
    expect(() => validateDerivation(drvPath, drv(), read)).not.toThrow();
  });
});

test("the golden derivations are of every kind", () => {
  const kinds = files.map((file) => {
    const drvPath = makeStorePath(defaultStoreDir, basename(file));
    const type = derivationType(readFrom(dirname(join(testdata, file)))(drvPath));
    return "deferred" in type && type.deferred ? "deferred" : type.kind;
  });
  expect(new Set(kinds)).toEqual(new Set(["inputAddressed", "fixed", "floating", "deferred", "impure"]));
});

describe("UPDATE_GOLDEN", () => {
  test.each([
    { name: "is off unless it is 1", env: { UPDATE_GOLDEN: "" }, updates: false },
    { name: "is on", env: { UPDATE_GOLDEN: "1" }, updates: true },
    { name: "does not matter to CI when off", env: { CI: "true" }, updates: false },
  ])("$name", ({ env, updates }) => {
    expect(goldenUpdate(env)).toBe(updates);
  });

  test("is refused in CI", () => {
    expect(() => goldenUpdate({ UPDATE_GOLDEN: "1", CI: "true" })).toThrow("UPDATE_GOLDEN is refused in CI");
  });
});
