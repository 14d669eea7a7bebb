// Puts what is built into a folder that others can take it from: a post-build hook is a plain object.
// Run: npx jiti examples/08-upload-outputs.ts FOLDER
import { createWriteStream } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { derivation, nix, openEngine } from "@drvkit/engine";
import { narInfoFileName, printNarInfo } from "@drvkit/narinfo";
import { dumpTree } from "@drvkit/sandbox-native";

const [folder = ".drvkit"] = process.argv.slice(2);
const cache = join(folder, "cache");
await mkdir(join(cache, "nar"), { recursive: true });
await writeFile(join(cache, "nix-cache-info"), "StoreDir: /nix/store\n");

const words = derivation({ name: "words", builder: "/bin/sh", args: ["-c", "echo uploaded > $out"] });
const greeting = derivation({
  name: "greeting",
  builder: "/bin/sh",
  args: ["-euc", nix`read word < ${words}; echo "$word with ${words}" > $out`],
});

const engine = await openEngine({
  store: join(folder, "store"),
  postBuildHook: {
    program: "upload to a folder",
    async run({ outputs }, { signal, write }) {
      for (const path of outputs) {
        const info = await engine.store.queryPathInfo(path);
        if (info === undefined) throw new Error(`${path} is not valid`);
        const url = `nar/${narInfoFileName(path).replace(/info$/u, "")}`;
        const file = join(cache, url);
        await pipeline(dumpTree(engine.store.realPathOf(path)), createWriteStream(`${file}.part`), {
          signal,
        });
        await rename(`${file}.part`, file);
        // Last: whoever sees it finds the archive.
        await writeFile(
          join(cache, narInfoFileName(path)),
          printNarInfo({ ...info, url, compression: "none" }),
        );
        write(Buffer.from(`uploaded ${path}\n`));
      }
    },
  },
});

try {
  const build = engine.build([greeting], { root: join(folder, "result") });
  for await (const event of build) if (event.type === "post-build-hook-line") console.log(event.line);
  process.exitCode = (await build.result).exitStatus;
} finally {
  await engine.close();
}
