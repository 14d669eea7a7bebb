import { bytesOf } from "@drvkit/drv-parser";
import { archiveOf } from "../fake-tree.js";
import { pathInfoOf } from "../path-info.js";
import {
  archived,
  type Case,
  equal,
  inPieces,
  printInfo,
  refuses,
  required,
  unaborted,
  unknown,
} from "./support.js";

/** Archives become objects once they were held against what was said of them. */
export const archives: readonly Case[] = [
  [
    "adds an object from its archive, in whatever pieces it comes",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      await store.addFromArchive(info, inPieces(archive, 7), unaborted());
      equal(
        printInfo({ ...(await required(store, info.path)), registrationTimeSeconds: 0 }),
        printInfo(info),
      );
      await store.addFromArchive(info, inPieces(archive, 1000), unaborted());
    },
  ],
  [
    "adds an object whose lock the caller holds",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      await using _locks = await store.tryLockOutputs([info.path]);
      await store.addFromArchive(info, inPieces(archive, 50), { ...unaborted(), isLocked: true });
      equal([...(await store.queryValidPaths([info.path]))], [info.path]);
    },
  ],
  [
    "adds nothing of an archive that is not what was said",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      const other = archiveOf({ type: "directory", entries: { other: "x" } });
      const wrongSize = { ...info, narSizeBytes: info.narSizeBytes + 8 };
      await refuses("ERR_STORE_HASH_MISMATCH", () =>
        store.addFromArchive(info, inPieces(other, 50), unaborted()),
      );
      await refuses("ERR_STORE_HASH_MISMATCH", () =>
        store.addFromArchive(wrongSize, inPieces(archive, 50), unaborted()),
      );
      equal([...(await store.queryValidPaths([info.path]))], []);
    },
  ],
  [
    "puts an object in the place of what is not any more what was registered",
    async ({ store, writeFile }) => {
      const { info, archive } = archived(store.storeDir);
      const other = archiveOf("other");
      const before = pathInfoOf(info.path, other);
      await store.addFromArchive(before, inPieces(other, 50), unaborted());
      await writeFile(store.realPathOf(info.path), bytesOf("damaged"));
      await refuses("ERR_STORE_HASH_MISMATCH", () =>
        store.addFromArchive(info, inPieces(other, 50), { ...unaborted(), repair: true }),
      );
      equal((await required(store, info.path)).narSizeBytes, before.narSizeBytes);
      await store.addFromArchive(info, inPieces(archive, 50), { ...unaborted(), repair: true });
      equal(
        printInfo({ ...(await required(store, info.path)), registrationTimeSeconds: 0 }),
        printInfo(info),
      );
    },
  ],
  [
    "adds nothing whose references are not valid",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      const needy = { ...info, references: new Set([unknown(store.storeDir)]) };
      await refuses("ERR_STORE_NOT_VALID", () =>
        store.addFromArchive(needy, inPieces(archive, 50), unaborted()),
      );
      equal([...(await store.queryValidPaths([info.path]))], []);
    },
  ],
  [
    "throws what the archive throws, and the reason of the signal",
    async ({ store }) => {
      const { info, archive } = archived(store.storeDir);
      const broken = async function* () {
        yield archive.subarray(0, 100);
        throw Object.assign(new Error("broken"), { code: "ERR_BROKEN" });
      };
      await refuses("ERR_BROKEN", () => store.addFromArchive(info, broken(), unaborted()));
      const aborted = AbortSignal.abort(Object.assign(new Error("enough"), { code: "ERR_ENOUGH" }));
      await refuses("ERR_ENOUGH", () =>
        store.addFromArchive(info, inPieces(archive, 50), { signal: aborted }),
      );
      equal([...(await store.queryValidPaths([info.path]))], []);
    },
  ],
];
