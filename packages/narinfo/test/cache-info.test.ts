import { defaultStoreDir } from "@drvkit/drv-parser";
import { expect, test } from "vitest";
import { parseCacheInfo, printCacheInfo } from "../src/index.js";
import { readTestdata, storeDir } from "./support/testdata.js";

test("what Nix writes prints to the same text", () => {
  const text = readTestdata("cache/nix-cache-info");
  expect(parseCacheInfo(text)).toEqual({ storeDir, wantMassQuery: false, priority: 0 });
  expect(printCacheInfo(parseCacheInfo(text))).toBe(`${text.trimEnd()}\n`);
});

test.each([
  ["", { wantMassQuery: false, priority: 0 }],
  [
    "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n",
    { storeDir: defaultStoreDir, wantMassQuery: true, priority: 40 },
  ],
  ["WantMassQuery: yes\nno colon\nOther: x\nPriority:-1", { wantMassQuery: false, priority: -1 }],
  ["StoreDir:   /nix/store  \r\n", { storeDir: defaultStoreDir, wantMassQuery: false, priority: 0 }],
])("reads '%s'", (text, info) => {
  expect(parseCacheInfo(text)).toEqual(info);
  expect(parseCacheInfo(printCacheInfo(parseCacheInfo(text)))).toEqual(info);
});

test.each([
  ["Priority: high", "'Priority: high' of a cache is no integer"],
  ["StoreDir: nix/store", "'StoreDir: nix/store' of a cache is no store directory"],
])("refuses '%s'", (text, message) => {
  expect(() => parseCacheInfo(text)).toThrow(
    expect.objectContaining({ name: "NarInfoError", code: "ERR_CACHE_INFO", message }),
  );
});
