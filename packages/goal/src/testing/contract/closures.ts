import { type Case, equal, objects, refuses, unknown } from "./support.js";

/** Closures follow references. */
export const closures: readonly Case[] = [
  [
    "answers a closure in byte order, starts included, each member once",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      await store.registerValidPaths([a, b, c]);
      equal(await store.queryClosure([c.path, a.path]), [a.path, b.path, c.path].sort());
      equal(await store.queryClosure([b.path]), [a.path, b.path].sort());
      equal(await store.queryClosure([]), []);
    },
  ],
  [
    "refuses the closure of a path that is not valid",
    async ({ store }) => {
      await refuses("ERR_STORE_NOT_VALID", () => store.queryClosure([unknown(store.storeDir)]));
    },
  ],
];
