import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  baseNameOf,
  defaultStoreDir,
  isDerivationPath,
  parseHash,
  parseStorePath,
  printHash,
  type StorePath,
} from "@drvkit/drv-parser";
import type { PathInfo } from "@drvkit/narinfo";
import { describe, expect, test } from "vitest";
import { openStore } from "../src/index.js";
import { tempRoot } from "./support/process.js";

const shared = fileURLToPath(new URL("../../../../shared/", import.meta.url));
const realStore = join(shared, "real/store");
const corpus = join(shared, "corpus/small-drvs.tar.zst");

/** The format of `nix-store --dump-db`. */
function parseRegistration(file: string): readonly PathInfo[] {
  const lines = readFileSync(file, "utf8").split("\n");
  const infos: PathInfo[] = [];
  const next = () => lines.shift() ?? "";
  while (lines.length > 1) {
    const path = parseStorePath(defaultStoreDir, next());
    const narHash = parseHash(next(), "sha256");
    const narSizeBytes = Number(next());
    const deriver = next();
    const references = new Set<StorePath>();
    for (let count = Number(next()); count > 0; count--)
      references.add(parseStorePath(defaultStoreDir, next()));
    const common = {
      path,
      narHash,
      narSizeBytes,
      references,
      registrationTimeSeconds: 1,
      ultimate: false,
      signatures: [],
    };
    infos.push(deriver === "" ? common : { ...common, deriver: parseStorePath(defaultStoreDir, deriver) });
  }
  return infos;
}

describe.skipIf(!existsSync(realStore))("real builds [needs ../shared/real]", () => {
  test("import object by object, and each has the archive hash and references that Nix registered", async () => {
    await using store = await openStore({ root: tempRoot() });
    const infos = new Map(parseRegistration(join(shared, "real/reg.dump")).map((info) => [info.path, info]));
    const bring = async ({ path, references }: PathInfo): Promise<void> => {
      for (const reference of references) await bring(infos.get(reference) as PathInfo);
      await store.importObject({ path, references, sourcePath: join(realStore, baseNameOf(path)) });
    };
    for (const info of infos.values()) await bring(info);
    expect((await store.queryAllValidPaths()).size).toBe(9);
    for (const info of infos.values()) {
      const { narHash, narSizeBytes, references, ca } = await store.requirePathInfo(info.path);
      expect(printHash(narHash, "sri")).toBe(printHash(info.narHash, "sri"));
      expect({ narSizeBytes, references }).toEqual({
        narSizeBytes: info.narSizeBytes,
        references: info.references,
      });
      expect(ca).toBeDefined();
    }
  });
});

describe.skipIf(!existsSync(corpus) || !hasZstd())(
  "a corpus of derivations [needs ../shared/corpus and zstd]",
  () => {
    test.each(["real", "features", "synthetic"])(
      "%s: one transaction, and the outputs are those that Nix computed",
      { timeout: 240_000 },
      async (name) => {
        const folder = tempRoot();
        execFileSync("tar", ["--zstd", "-xf", corpus, "-C", folder, name]);
        await using store = await openStore({ root: tempRoot() });
        cpSync(join(folder, name, "store"), store.realStoreDir, { recursive: true });
        const infos = parseRegistration(join(folder, name, "reg.dump"));
        await store.registerValidPaths(infos);
        const index = JSON.parse(readFileSync(join(folder, name, "index.json"), "utf8")) as Index;
        for (const { path, references } of infos) {
          expect((await store.requirePathInfo(path)).references).toEqual(references);
          if (!isDerivationPath(path)) continue;
          const outputs = Object.entries(index[path]?.outputs ?? {}).flatMap(([output, { path }]) =>
            path === undefined ? [] : [[output, path] as const],
          );
          const stored = await store.queryDerivationOutputs(path);
          expect(Object.fromEntries(stored)).toEqual(Object.fromEntries(outputs));
          for (const output of stored.values()) expect(await store.queryDerivers(output)).toContain(path);
        }
      },
    );
  },
);

type Index = Record<string, { readonly outputs: Record<string, { readonly path?: string }> }>;

function hasZstd(): boolean {
  try {
    execFileSync("zstd", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
