import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packages, shared } from "./workspace.js";

/** Which package's suite runs a file of vectors; the others are of things that come later. */
const suites: Readonly<Record<string, string | undefined>> = {
  "hashes.json": "drv-parser",
  "store-paths.json": "drv-parser",
  "derivations.json": "drv-parser",
  "malformed-derivations.json": "drv-parser",
  "ca-derivations.json": "drv-parser",
  "nar.json": "nar",
  "narinfo.json": "narinfo",
  "export.json": "narinfo",
  "daemon-protocol.json": undefined,
  "serve-protocol.json": undefined,
  "config.json": undefined,
};

const folder = join(shared, "vectors");
const why = existsSync(folder) ? "" : " (skipped: ../shared/vectors is not here)";

test.skipIf(why !== "")(`every file of vectors on formats is run by a suite${why}`, () => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  expect(files.filter((file) => !Object.hasOwn(suites, file))).toEqual([]);
  let cases = 0;
  for (const file of files) {
    const suite = suites[file];
    if (suite === undefined) continue;
    const path = packages.find((each) => each.folder === suite)?.path ?? "";
    expect(readFileSync(join(path, "test/vectors.test.ts"), "utf8")).toContain(file);
    const content: Readonly<Record<string, unknown>> = JSON.parse(readFileSync(join(folder, file), "utf8"));
    for (const value of Object.values(content))
      if (typeof value === "object" && value !== null) cases += Object.keys(value).length;
  }
  console.log(
    `${files.filter((file) => suites[file] !== undefined).length} files of vectors, ${cases} cases`,
  );
  expect(cases).toBeGreaterThan(350);
});
