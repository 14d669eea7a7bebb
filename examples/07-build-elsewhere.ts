// Builds in another store, as on another machine: a build hook is a plain object.
// Run: npx jiti examples/07-build-elsewhere.ts FOLDER
import { join } from "node:path";
import { derivation, nix, openEngine } from "@drvkit/engine";
import { dumpTree } from "@drvkit/sandbox-native";

const [folder = ".drvkit"] = process.argv.slice(2);
const shell = (name: string, script: string | ReturnType<typeof nix>) =>
  derivation({ name, builder: "/bin/sh", args: ["-euc", script] });
const words = shell("words", "echo elsewhere > $out");
const greeting = shell(
  "greeting",
  nix`read word < ${words}; echo "built $word"; echo "Hello from $word" > $out`,
);

const there = await openEngine({ store: join(folder, "there") });
type Store = Pick<typeof there.store, "queryPathInfo" | "realPathOf">;
type Add = (typeof there.store)["addFromArchive"];

/** Makes a path valid in another store, what it refers to first; nothing where it is valid. */
async function copy(path: Parameters<Store["realPathOf"]>[0], from: Store, add: Add): Promise<void> {
  const info = await from.queryPathInfo(path);
  if (info === undefined) throw new Error(`${path} is not valid`);
  for (const reference of info.references) if (reference !== path) await copy(reference, from, add);
  await add(info, dumpTree(from.realPathOf(path)));
}

const here = await openEngine({
  store: join(folder, "here"),
  settings: { "max-jobs": "0" },
  buildHook: {
    ask: async ({ platform }) => ({
      reply: platform === there.settings.system ? "accept" : "decline",
      machine: "there",
      async build({ drvPath, derivation, inputs, signal, write, add }) {
        for (const path of inputs) await copy(path, here.store, there.store.addFromArchive.bind(there.store));
        const result = await there.buildDerivation(drvPath, derivation, {
          signal,
          onEvent: (event) => void (event.type === "build-line" && write(Buffer.from(`${event.line}\n`))),
        });
        if (!("outputs" in result)) return { kind: "exited", code: 100 };
        for (const path of result.outputs.values()) await copy(path, there.store, add);
        return { kind: "exited", code: 0 };
      },
    }),
  },
});

try {
  const build = here.build([greeting], { root: join(folder, "result") });
  for await (const event of build) {
    if (event.type === "build-started") console.log(`building ${event.drvPath} on ${event.machine}`);
    if (event.type === "build-line") console.log(`> ${event.line}`);
  }
  process.exitCode = (await build.result).exitStatus;
} finally {
  await here.close();
  await there.close();
}
