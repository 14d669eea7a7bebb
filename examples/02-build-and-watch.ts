// Builds a `.drv` file and follows what happens: the core of a build tool of your own.
// Run: npx jiti examples/02-build-and-watch.ts FILE.drv [STORE]
import { openEngine } from "@drvkit/engine";

const [file, store = "./.drvkit"] = process.argv.slice(2);
if (file === undefined) throw new Error("give the path of a .drv file");

const engine = await openEngine({ store, settings: { "max-jobs": "2" } });
try {
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());

  const build = engine.build([file], { signal: interrupt.signal });
  for await (const event of build) {
    if (event.type === "build-started") console.log(`started  ${event.drvPath}`);
    if (event.type === "build-line") console.log(`         ${event.line}`);
    if (event.type === "build-finished")
      console.log(`${event.status.padEnd(8)} ${event.drvPath} (${Math.round(event.durationMs)} ms)`);
  }

  const { results, exitStatus } = await build.result;
  for (const result of results) {
    if (!("outputs" in result)) console.error(result.errorMessage);
    else for (const [name, path] of result.outputs) console.log(`${name}: ${engine.store.realPathOf(path)}`);
  }
  process.exitCode = exitStatus;
} finally {
  await engine.close();
}
