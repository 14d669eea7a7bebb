// Builds one derivation file and ends by SIGKILL at one moment after its builder ended: `node crash-build.mjs OPTIONS FILE MOMENT MODE`,
// the options of `openEngine` as JSON. Each call of a port is a moment, and so is the end of each that is waited for; 0 is none.
// Prints what the moment is. Exit status 0: the build has succeeded before it.
import { writeSync } from "node:fs";
import { composePorts, openEngine } from "../packages/engine/dist/index.js";
import { defaultWorkerSettings, runGoals } from "../packages/goal/dist/index.js";

const [options, file, moment, mode] = process.argv.slice(2);
let hasEnded = false;
let moments = 0;

function reach(what) {
  if (!hasEnded) return;
  moments += 1;
  if (moments !== Number(moment)) return;
  writeSync(1, what);
  process.kill(process.pid, "SIGKILL");
}

/** Calls that change nothing. */
const idle = new Set(["realPathOf", "scratchLocation", "makeSeenInodes"]);
/** Calls whose results have calls of their own. */
const makers = new Set(["start", "open", "makeTempDir", "tryLockOutputs", "Symbol(Symbol.asyncIterator)"]);

function followed(name, object) {
  return new Proxy(object, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      const call = String(key);
      if (idle.has(call)) return value.bind(target);
      const made = (result) => (makers.has(call) && result ? followed(`${name}.${call}`, result) : result);
      return (...args) => {
        reach(`before ${name}.${call}`);
        const result = value.apply(target, args);
        if (!(result instanceof Promise)) return made(result);
        return result.then((settled) => {
          if (call === "next" && settled.value?.type === "exit") hasEnded = true;
          else reach(`after ${name}.${call}`);
          return made(settled);
        });
      };
    },
  });
}

const engine = await openEngine(JSON.parse(options));
const drvPath = await engine.importDerivation(file);
const ports = composePorts(engine.store, engine.settings);
const { results, exitStatus } = await runGoals([{ drvPath, outputs: "all" }], {
  ports: {
    ...ports,
    store: followed("store", ports.store),
    trees: followed("trees", ports.trees),
    sandbox: followed("sandbox", ports.sandbox),
    log: followed("log", ports.log),
  },
  mode,
  settings: {
    ...defaultWorkerSettings,
    system: engine.settings.system,
    sandbox: engine.settings.sandbox === "true",
    experimentalFeatures: new Set(engine.settings["experimental-features"]),
  },
});
if (exitStatus !== 0) console.error(results);
await ports.sandbox.close();
await engine.close();
process.exitCode = exitStatus;
