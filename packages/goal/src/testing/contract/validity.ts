import { makeStorePath } from "@drvkit/drv-parser";
import { type Case, equal, objects, printInfo, refuses, unknown } from "./support.js";

/** What is registered is valid, all of it or nothing. */
export const validity: readonly Case[] = [
  [
    "knows nothing of a path that was never registered",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      equal(await store.queryPathInfo(a.path), undefined);
      equal([...(await store.queryValidPaths([a.path]))], []);
    },
  ],
  [
    "registers several paths that refer to each other in one direction, in any order",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      await store.registerValidPaths([c, b, a]);
      const valid = await store.queryValidPaths([a.path, b.path, c.path, unknown(store.storeDir)]);
      equal([...valid].sort(), [a.path, b.path, c.path].sort());
    },
  ],
  [
    "keeps every field of an info",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      const deriver = makeStorePath(store.storeDir, `${"1".repeat(32)}-a.drv`);
      const info = { ...a, deriver, ultimate: true, signatures: ["key:sig"] };
      await store.registerValidPaths([info]);
      equal(printInfo(await store.queryPathInfo(a.path)), printInfo(info));
    },
  ],
  [
    "lets a path refer to itself",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      await store.registerValidPaths([{ ...a, references: new Set([a.path]) }]);
      equal([...((await store.queryPathInfo(a.path))?.references ?? [])], [a.path]);
    },
  ],
  [
    "registers nothing when one reference is neither valid nor registered with it",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      await refuses("ERR_STORE_NOT_VALID", () => store.registerValidPaths([a, c]));
      equal([...(await store.queryValidPaths([a.path, b.path, c.path]))], []);
    },
  ],
  [
    "registers nothing when references run in a circle",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      const circle = { ...a, references: new Set([c.path]) };
      await refuses("ERR_STORE_CYCLE", () => store.registerValidPaths([circle, b, c]));
      equal([...(await store.queryValidPaths([a.path, b.path, c.path]))], []);
    },
  ],
  [
    "keeps the time of the first registration",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      await store.registerValidPaths([{ ...a, registrationTimeSeconds: 100 }]);
      await store.registerValidPaths([{ ...a, registrationTimeSeconds: 200, ultimate: true }]);
      const info = await store.queryPathInfo(a.path);
      equal([info?.registrationTimeSeconds, info?.ultimate], [100, true]);
    },
  ],
  [
    "registers nothing without complaint",
    async ({ store }) => {
      await store.registerValidPaths([]);
    },
  ],
];
