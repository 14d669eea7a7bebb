import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { encodeNixBase32 } from "../packages/drv-parser/dist/index.js";
import {
  dumpTree,
  hashFile,
  hashTree,
  removeTree,
  restoreTree,
  scanTree,
} from "../packages/sandbox-native/dist/index.js";
import { openStore } from "../packages/store-lmdb/dist/index.js";
import { interleave, report, skip } from "./measure.mjs";

const exec = promisify(execFile);
const rounds = Number(process.env.DRVKIT_BENCH_ROUNDS ?? 7);
const megabyte = 1 << 20;
/** Ours is called in this process, the peers are whole commands: nothing is taken off for their start. */
const how = "ours called, the peer a whole command";

/** Work on whole trees against the program that one would use for it; every file is in the page cache. */
export async function bench() {
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  const wanted = new Set(process.env.DRVKIT_BENCH_PARTS?.split(",") ?? Object.keys(parts));
  try {
    const trees = {
      folder,
      large: join(folder, "large"),
      mixed: join(folder, "mixed"),
      small: join(folder, "small"),
    };
    if (wanted.has("file")) makeLargeFile(trees.large, 2000);
    makeTree(trees.mixed, 20_000, 25_000);
    makeTree(trees.small, 60_000, 1500);
    for (const [name, part] of Object.entries(parts)) if (wanted.has(name)) await part(trees);
  } finally {
    await removeTree(folder);
  }
}

const parts = { file: hashOfFile, hash: hashOfTrees, scan, add, restore, remove };

async function hashOfFile({ large }) {
  const times = await interleave(
    {
      hashFile: () => hashFile(large),
      "hashTree of the file alone": () => hashTree(large),
      "openssl sha256": () => exec("openssl", ["sha256", large]),
    },
    rounds,
  );
  report(`sha256 of a file of 2 GB, ${how}`, times);
}

async function hashOfTrees({ mixed, small }) {
  for (const [tree, what] of [
    [mixed, "20,000 files of 25 kB"],
    [small, "60,000 files of 1.5 kB"],
  ]) {
    const title = `hash of the archive of ${what}, ${how}`;
    const nixHash = () => exec("nix-hash", ["--type", "sha256", tree]);
    const theirs = await nixHash().catch(() => undefined);
    if (theirs === undefined) {
      skip(title, "there is no nix-hash");
      continue;
    }
    const ours = Buffer.from((await hashTree(tree)).digest).toString("hex");
    if (ours !== theirs.stdout.trim()) throw new Error("hashTree and nix-hash disagree");
    report(title, await interleave({ hashTree: () => hashTree(tree), "nix-hash": nixHash }, rounds));
  }
}

async function scan({ mixed, small }) {
  const candidates = Array.from({ length: 1000 }, () => encodeNixBase32(randomBytes(20)));
  for (const [tree, what] of [
    [mixed, "20,000 files of 25 kB"],
    [small, "60,000 files of 1.5 kB"],
  ]) {
    const times = await interleave(
      { "scanTree for 1,000 candidates": () => scanTree(tree, candidates), hashTree: () => hashTree(tree) },
      rounds,
    );
    report(`scan of ${what} against their hash, both called`, times);
  }
}

/** Each round adds under a name of its own, so that nothing is known already. */
async function add({ folder, mixed, small }) {
  const storeRoot = join(folder, "store");
  const store = await openStore({ root: storeRoot });
  try {
    for (const [tree, what] of [
      [mixed, "20,000 files of 25 kB"],
      [small, "60,000 files of 1.5 kB"],
    ]) {
      let made = 0;
      let path;
      const copy = join(folder, "copy");
      const clean = () => Promise.all([removeTree(copy), path && removeTree(store.realPathOf(path))]);
      const times = await interleave(
        {
          addTree: {
            before: clean,
            run: async () => {
              ({ path } = await store.addTree(`tree-${made++}`, tree));
            },
          },
          "cp -a": { before: clean, run: () => exec("cp", ["-a", tree, copy]) },
        },
        rounds,
      );
      await clean();
      report(`${what} added to a store (copied, made canonical, hashed, registered), ${how}`, times);
    }
  } finally {
    await store.close();
  }
}

async function restore({ folder, small }) {
  const [archive, tarball] = [join(folder, "small.nar"), join(folder, "small.tar")];
  const file = openSync(archive, "w");
  for await (const chunk of dumpTree(small)) writeSync(file, chunk);
  closeSync(file);
  await exec("tar", ["c", "-f", tarball, "-C", small, "."]);
  const [restored, extracted] = [join(folder, "restored"), join(folder, "extracted")];
  const clean = async () => {
    await removeTree(restored);
    await removeTree(extracted);
  };
  const times = await interleave(
    {
      restoreTree: {
        before: clean,
        run: () => restoreTree(createReadStream(archive, { highWaterMark: megabyte }), restored),
      },
      "tar x": {
        before: async () => {
          await clean();
          mkdirSync(extracted);
        },
        run: () => exec("tar", ["x", "-f", tarball, "-C", extracted]),
      },
    },
    rounds,
  );
  await clean();
  report(`archive of 60,000 files restored, ${how}`, times);
}

async function remove({ folder, mixed, small }) {
  for (const [tree, what] of [
    [mixed, "20,000 files of 25 kB"],
    [small, "60,000 files of 1.5 kB"],
  ]) {
    const copy = join(folder, "copy");
    const before = () => exec("cp", ["-r", tree, copy]);
    const times = await interleave(
      {
        removeTree: { before, run: () => removeTree(copy) },
        "rm -rf": { before, run: () => exec("rm", ["-rf", copy]) },
      },
      rounds,
    );
    report(`removal of ${what}, ${how}`, times);
  }
}

function makeLargeFile(path, megabytes) {
  const block = randomBytes(megabyte);
  const file = openSync(path, "w");
  for (let index = 0; index < megabytes; index += 1) writeSync(file, block);
  closeSync(file);
}

/** Folders of a hundred files, each of which differs from the others. */
function makeTree(tree, files, sizeBytes) {
  const block = randomBytes(sizeBytes + files);
  for (let file = 0; file < files; file += 1) {
    const folder = join(tree, `folder-${Math.floor(file / 100)}`);
    if (file % 100 === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${file}`), block.subarray(file, file + sizeBytes));
  }
}
