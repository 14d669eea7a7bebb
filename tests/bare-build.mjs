// node bare-build.mjs STORE GROUP: builds without a sandbox as a member of GROUP, and tells how it went.
import { join } from "node:path";
import { derivation, makeStoreDir } from "../packages/drv-parser/dist/index.js";
import { openEngine } from "../packages/engine/dist/index.js";

const [, , store, group] = process.argv;
const storeDir = makeStoreDir(join(store, "nix/store"));
const settings = { sandbox: "false", "build-users-group": group };
const engine = await openEngine({ store, storeDir, settings });
const script =
  'while read line; do case $line in Uid:*) echo "$line";; esac; done < /proc/self/status > $out';
const target = derivation(
  { name: "bare", system: "x86_64-linux", builder: "/bin/sh", args: ["-c", script] },
  { storeDir },
);
const run = engine.build([target]);
let isolation;
for await (const event of run) if (event.type === "build-started") isolation = event.isolation;
const [result] = (await run.result).results;
await engine.close();
process.stdout.write(JSON.stringify({ status: result.status, isolation, errorMessage: result.errorMessage }));
