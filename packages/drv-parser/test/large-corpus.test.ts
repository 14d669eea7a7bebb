import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  baseNameOf,
  compareBytes,
  computeDerivationPath,
  computeOutputPaths,
  defaultStoreDir,
  HashModuloCache,
  makeStorePath,
  outputPathsOf,
  printDerivation,
} from "../src/index.js";
import { readFrom } from "./support/folder.js";

const corpus = fileURLToPath(new URL("../../../../shared/corpus", import.meta.url));
const drvCount = 34_472;
const why = reasonToSkip();

function reasonToSkip(): string {
  if (process.env["DRVKIT_TEST_LONG"] !== "1") return " (skipped: DRVKIT_TEST_LONG is not 1)";
  if (!existsSync(join(corpus, "large-drvs.tar.zst"))) return " (skipped: ../shared/corpus is not here)";
  return "";
}

interface IndexEntry {
  readonly outputs: Readonly<Record<string, { readonly path: string }>>;
}

describe.skipIf(why !== "")(`each of ${drvCount} real derivations${why}`, () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "drvkit-large-"));
    const script =
      'zstd -dc "$0/large-drvs.tar.zst" | tar x && zstd -dc "$0/large-drvs.index.json.zst" > index.json';
    execFileSync("sh", ["-c", script, corpus], { cwd: folder });
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("prints to the same bytes; its own and its output paths are computed equal", {
    timeout: 900_000,
  }, () => {
    const started = performance.now();
    const store = join(folder, "store");
    const index: Readonly<Record<string, IndexEntry>> = JSON.parse(
      readFileSync(join(folder, "index.json"), "utf8"),
    );
    const read = readFrom(store);
    const cache = new HashModuloCache();
    const files = readdirSync(store).filter((name) => name.endsWith(".drv"));
    const wrong: string[] = [];
    let outputCount = 0;
    for (const file of files) {
      const drvPath = makeStorePath(defaultStoreDir, file);
      const drv = read(drvPath);
      if (compareBytes(printDerivation(drv), readFileSync(join(store, file))) !== 0)
        wrong.push(`bytes of ${file}`);
      if (computeDerivationPath(defaultStoreDir, drv) !== drvPath) wrong.push(`path of ${file}`);
      const stated = outputPathsOf(drv);
      const indexed = index[drvPath]?.outputs ?? {};
      const computed = computeOutputPaths(drv, read, { cache });
      if (computed.size !== Object.keys(indexed).length) wrong.push(`outputs of ${file}`);
      for (const [name, path] of computed) {
        if (path !== indexed[name]?.path || path !== stated.get(name))
          wrong.push(`output ${name} of ${baseNameOf(drvPath)}`);
        outputCount += 1;
      }
    }
    expect(wrong).toEqual([]);
    expect(files).toHaveLength(drvCount);
    const minutes = ((performance.now() - started) / 60_000).toFixed(2);
    console.log(`${files.length} derivations with ${outputCount} outputs in ${minutes} minutes`);
  });
});
