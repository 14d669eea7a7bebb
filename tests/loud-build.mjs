// Builds one derivation file and prints what came of it: `node loud-build.mjs STORE FILE READER`, a process of its own so that
// its memory is that of the build.
import { openEngine } from "../packages/engine/dist/index.js";

const [store, file, reader] = process.argv.slice(2);
const engine = await openEngine({ store, settings: { "host-tools": "true", "compress-build-log": "false" } });
const before = process.resourceUsage().maxRSS;
const build = engine.build([file]);
const seen = { lines: 0, bytes: 0, longest: 0, last: "", others: [] };

/** Each line at once, some of them slowly, or nothing. */
async function read() {
  for await (const event of build) {
    if (event.type !== "build-line") seen.others.push(event.type);
    else {
      seen.lines += 1;
      seen.bytes += event.line.length;
      seen.longest = Math.max(seen.longest, event.line.length);
      seen.last = event.line.slice(0, 100);
      if (reader === "slow" && seen.lines % 1000 === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

const reading = reader === "none" ? undefined : read();
const { exitStatus } = await build.result;
const grownMegabytes = (process.resourceUsage().maxRSS - before) / 1024;
await reading;
await engine.close();
console.log(JSON.stringify({ exitStatus, grownMegabytes, ...seen }));
