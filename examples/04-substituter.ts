// One store takes from another what it would have to build: a substituter is a plain object.
// Run: npx jiti examples/04-substituter.ts FOLDER
import { join } from "node:path";
import { derivation, openEngine } from "@drvkit/engine";
import { dumpTree } from "@drvkit/sandbox-native";

const [folder = ".drvkit"] = process.argv.slice(2);

/** Different each time it is built, so it shows who built it. */
const ticket = derivation({
  name: "ticket",
  builder: "/bin/sh",
  args: ["-euc", "read id < /proc/sys/kernel/random/uuid; echo $id > $out"],
});

const first = await openEngine({ store: join(folder, "first") });
const second = await openEngine({
  store: join(folder, "second"),
  substituters: [
    {
      uri: "first",
      trusted: true, // else a key of `trusted-public-keys` must have signed what it offers
      queryPathInfo: (path) => first.store.queryPathInfo(path),
      archive: ({ path }) => dumpTree(first.store.realPathOf(path)),
    },
  ],
});

try {
  for (const engine of [first, second]) {
    const build = engine.build([ticket]);
    for await (const event of build) {
      if (event.type === "build-started") console.log(`building ${event.drvPath}`);
      if (event.type === "substitution-started") console.log(`copying ${event.path} from ${event.uri}`);
    }
    const { results, exitStatus } = await build.result;
    for (const result of results)
      if ("outputs" in result) console.log(`${result.status}: ${[...result.outputs.values()].join(" ")}`);
      else console.error(result.errorMessage);
    process.exitCode ||= exitStatus;
  }
} finally {
  await second.close();
  await first.close();
}
