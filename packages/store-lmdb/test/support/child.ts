/**
 * A process beside the test. `child.ts ROOT COMMAND ARG…`; it answers with lines on standard output.
 */

import { Environment } from "../../src/environment.js";
import { openStore } from "../../src/index.js";
import { computeLayout } from "../../src/layout.js";
import { inputOf } from "./objects.js";

const [root = "", command = "", ...args] = process.argv.slice(2);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Adds `count` texts that all other children of the same count add too, and registers as many of its own. */
async function addMany(own: string, count: number): Promise<void> {
  await using store = await openStore({ root });
  for (let i = 0; i < count; i++) {
    await store.addText(`shared-${i}`, Buffer.from(`text ${i}`));
    const info = await store.addText(`${own}-${i}`, Buffer.from(own));
    await store.addText(`${own}-${i}-referrer`, Buffer.from(own), [info.path]);
  }
  console.log("done");
}

/** Registers `count` objects of about 300 bytes of record in one transaction. */
async function registerMany(own: string, count: number): Promise<void> {
  await using store = await openStore({ root });
  const names = Array.from({ length: count }, (_, i) => `${own}-${i}-${"x".repeat(180)}`);
  await store.registerValidPaths(names.map((name) => ({ ...inputOf(name), signatures: [name] })));
  console.log("done");
}

/** Dies in the middle of a write transaction, holding LMDB's writer mutex and `write.lock`. */
async function dieWriting(): Promise<void> {
  await using store = await openStore({ root });
  await store.addText("before", Buffer.from("x"));
  const environment = await Environment.make((await computeLayout(root)).databaseDir);
  await environment.openForWriting(store.storeDir);
  await environment.write((tables) => {
    tables.paths.put(Buffer.from("half"), Buffer.from("half"));
    process.kill(process.pid, "SIGKILL");
    // The signal is delivered before the call returns.
  });
}

/** Holds `write.lock` and LMDB's writer for `ms`, blocking. */
async function holdWriter(ms: number): Promise<void> {
  const environment = await Environment.make((await computeLayout(root)).databaseDir);
  await environment.openForWriting("/nix/store");
  await environment.write(() => {
    console.log("holding");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  });
}

/** Locks the output of a name until its standard input ends. */
async function holdLock(name: string): Promise<void> {
  await using store = await openStore({ root });
  await using locks = await store.lockOutputs([inputOf(name).path]);
  let ended = false;
  process.stdin.on("end", () => {
    ended = true;
  });
  process.stdin.resume();
  console.log("locked");
  await until(() => ended);
  locks.deleteOnRelease();
}

/** Adds a temp root and stays until its standard input ends. */
async function holdRoot(name: string): Promise<void> {
  await using store = await openStore({ root });
  await store.addTempRoot(inputOf(name).path);
  let ended = false;
  process.stdin.on("end", () => {
    ended = true;
  });
  process.stdin.resume();
  console.log(`${process.pid}`);
  await until(() => ended);
}

/** Puts `count` values of its own into the cache. */
async function cacheMany(own: string, count: number): Promise<void> {
  await using store = await openStore({ root, onWarning: (message) => console.log(message) });
  for (let i = 0; i < count; i++)
    await store.cache.put("sources", Buffer.from(`${own}-${i}`), Buffer.from(own));
  console.log("done");
}

/** Prints how many paths are valid, from a store opened for reading. */
async function count(): Promise<void> {
  await using store = await openStore({ root, readOnly: true });
  console.log(`${(await store.queryAllValidPaths()).size}`);
}

switch (command) {
  case "add-many":
    await addMany(args[0] ?? "", Number(args[1]));
    break;
  case "register-many":
    await registerMany(args[0] ?? "", Number(args[1]));
    break;
  case "die-writing":
    await dieWriting();
    break;
  case "hold-writer":
    await holdWriter(Number(args[0]));
    break;
  case "hold-lock":
    await holdLock(args[0] ?? "");
    break;
  case "hold-root":
    await holdRoot(args[0] ?? "");
    break;
  case "cache-many":
    await cacheMany(args[0] ?? "", Number(args[1]));
    break;
  case "count":
    await count();
    break;
  default:
    throw new Error(`no command '${command}'`);
}
