import { bytesOf } from "@drvkit/drv-parser";
import { type Case, equal, objects } from "./support.js";

/** Locks, temp roots, temporary directories. */
export const locking: readonly Case[] = [
  [
    "gives a lock to one at a time",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      const first = await store.tryLockOutputs([a.path]);
      equal(await store.tryLockOutputs([a.path]), undefined);
      await first?.[Symbol.asyncDispose]();
      const second = await store.tryLockOutputs([a.path]);
      equal(second === undefined, false);
      await second?.[Symbol.asyncDispose]();
    },
  ],
  [
    "gives all locks of a set or none",
    async ({ store }) => {
      const { a, b, c } = objects(store.storeDir);
      const held = await store.tryLockOutputs([b.path]);
      equal(await store.tryLockOutputs([a.path, b.path, c.path]), undefined);
      const others = await store.tryLockOutputs([a.path, c.path]);
      equal(others === undefined, false);
      await others?.[Symbol.asyncDispose]();
      await held?.[Symbol.asyncDispose]();
    },
  ],
  [
    "gives a lock again after its file was deleted",
    async ({ store }) => {
      const { a } = objects(store.storeDir);
      const first = await store.tryLockOutputs([a.path]);
      first?.deleteOnRelease();
      await first?.[Symbol.asyncDispose]();
      const second = await store.tryLockOutputs([a.path]);
      equal(second === undefined, false);
      await second?.[Symbol.asyncDispose]();
    },
  ],
  [
    "makes temporary directories that are never the same",
    async ({ store }) => {
      await using first = await store.makeTempDir();
      await using second = await store.makeTempDir();
      equal(first.path === second.path, false);
    },
  ],
  [
    "makes temporary directories private, and removes them with what is in them",
    async ({ store, writeFile, modeOf }) => {
      const temp = await store.makeTempDir();
      await writeFile(`${temp.path}/x`, bytesOf("x"));
      const before = await modeOf?.(temp.path);
      await temp[Symbol.asyncDispose]();
      if (modeOf === undefined) return;
      equal([before, await modeOf(temp.path), await modeOf(`${temp.path}/x`)], [0o700, undefined, undefined]);
    },
  ],
  [
    "protects paths that are not valid yet, and says where their files belong",
    async ({ store }) => {
      const { a, b } = objects(store.storeDir);
      await store.addTempRoots([a.path, b.path]);
      await store.addTempRoots([b.path]);
      equal(store.realPathOf(a.path) === store.realPathOf(b.path), false);
    },
  ],
];
