import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeStoreDir } from "@drvkit/drv-parser";
import { parsePublicKey, parseSecretKey } from "../../src/index.js";

const folder = join(import.meta.dirname, "../../testdata");

export const readTestdata = (name: string) => readFileSync(join(folder, name), "utf8");

/** Where the store was that the files are about. */
export const storeDir = makeStoreDir("/tmp/drvkit-narinfo-testdata/store");

export const secretKey = parseSecretKey(readTestdata("secret-key"));
export const publicKey = parsePublicKey(readTestdata("public-key"));

/** Narinfos that Nix wrote. */
export const narInfos = readdirSync(join(folder, "cache"))
  .filter((file) => file.endsWith(".narinfo"))
  .map((file) => ({ file, text: readTestdata(`cache/${file}`) }));

/** Realisations that Nix wrote, with their names in a cache. */
export const realisations = readTestdata("realisations.txt")
  .trimEnd()
  .split("\n")
  .map((line) => ({ file: line.slice(0, line.indexOf(" ")), text: line.slice(line.indexOf(" ") + 1) }));

export const exportStream = new Uint8Array(readFileSync(join(folder, "all.export")));
export const dumpDb = readTestdata("dump-db.txt");
