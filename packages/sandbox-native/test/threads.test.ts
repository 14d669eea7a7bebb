import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, test } from "vitest";
import * as harness from "./harness.js";

afterAll(harness.removeDirectories);

const refused = await harness.refusal();
const because = refused === undefined ? "" : ` (skipped: ${refused})`;

/**
 * Does what its lines of input say and answers each with a line: starts builders here or on a worker, ends workers. A
 * builder says that it runs by a file, and ends when it finds another one.
 */
const program = `
import { mkdtempSync } from "node:fs";
import { createInterface } from "node:readline";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { startSandbox } from "./dist/index.js";
const { bindings, meeting } = JSON.parse(process.argv[2]);
const bytes = (text) => new TextEncoder().encode(text);
async function start({ name, ids, reads }) {
  const directory = mkdtempSync(new URL("tmp/b-", import.meta.url).pathname);
  const script = ": builder-" + name + "; : > /meeting/" + name + ".runs; while [ ! -e /meeting/" + name + ".go ]; do sleep 0.01; done; echo went";
  const running = await startSandbox({
    builder: bytes("/bin/sh"), argv: ["sh", "-c", script].map(bytes), env: [bytes("PATH=/bin:/usr/bin")],
    chrootDir: directory + "/chroot", tempDir: directory + "/temp", storeDir: "/nix/store", buildDir: "/build", files: [],
    binds: [...bindings, { source: meeting, target: "/meeting", writable: true, optional: false }],
    network: "private", hostUid: ids[0], hostGid: ids[1],
    personality32: false, devShmSize: "50%", kvm: false,
  });
  const ended = reads ? (async () => {
    let output = "";
    for await (const event of running) {
      if (event.type === "output") output += Buffer.from(event.bytes).toString();
      if (event.type === "exit") return { output, status: event.status };
    }
  })() : undefined;
  return { pid: running.pid, ended, running };
}
const kept = new Map();
if (isMainThread) {
  const workers = new Map();
  const say = (value) => console.log(JSON.stringify(value));
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (order.do === "start") {
      kept.set(order.name, await start(order));
      say({ pid: kept.get(order.name).pid });
    } else if (order.do === "end") say(await kept.get(order.name).ended);
    else if (order.do === "worker") {
      const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
      workers.set(order.worker, worker);
      worker.postMessage(order);
      say(await new Promise((resolve) => worker.once("message", resolve)));
    } else if (order.do === "terminate") say({ code: await workers.get(order.worker).terminate() });
    else if (order.do === "leave") {
      const worker = workers.get(order.worker);
      worker.postMessage("leave");
      say({ code: await new Promise((resolve) => worker.once("exit", resolve)) });
    }
  }
} else parentPort.on("message", async (order) => {
  if (order === "leave") return process.exit(0); // of a worker: the end of its thread
  const { pid, ...rest } = await start(order);
  kept.set(order.name, rest);
  parentPort.postMessage({ pid });
});
`;

/** The program, with a directory where its builders meet the test. */
function startThreads() {
  const driver = harness.makeDriver();
  writeFileSync(join(driver, "threads.js"), program);
  const meeting = join(driver, "tmp");
  const bindings = harness.toolBinds.filter((entry) => entry.target !== "/builders");
  const args = [join(driver, "threads.js"), JSON.stringify({ bindings, meeting })];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    async order(order: Readonly<Record<string, unknown>>) {
      const id = harness.nextHostId();
      const ids = harness.isRoot ? [id, id] : [id, process.getegid?.()];
      child.stdin.write(`${JSON.stringify({ ...order, ids })}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`the program ended at ${JSON.stringify(order)}`);
      return JSON.parse(value);
    },
    runs: (name: string) => harness.eventually(() => existsSync(join(meeting, `${name}.runs`))),
    letGo: (name: string) => writeFileSync(join(meeting, `${name}.go`), ""),
    /** The end of its input is the end of the program, once no worker runs. */
    async close() {
      child.stdin.end();
      await once(child, "exit");
    },
    [Symbol.dispose]() {
      child.kill("SIGKILL"); // whatever failed: its builders go with it
    },
  };
}

/** What ended has no command line, though nobody may have asked for its status yet. */
function isGone(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") === "";
  } catch {
    return true;
  }
}

const went = { output: "went\n", status: { kind: "exited", code: 0 } };

describe.skipIf(refused !== undefined)(`a program with workers${because}`, () => {
  test.each([
    { how: "terminate", reads: true },
    { how: "terminate", reads: false },
    { how: "leave", reads: true },
    { how: "leave", reads: false },
  ])(
    "B27: builders of the main thread outlast every worker: $how, reading: $reads",
    async ({ how, reads }) => {
      using threads = startThreads();
      // A worker is the first to start one, so what starts all of them was made on its behalf.
      const first = await threads.order({ do: "worker", worker: 0, name: "w0", reads });
      await threads.order({ do: "start", name: "main", reads: true });
      expect([await threads.runs("w0"), await threads.runs("main")]).toEqual([true, true]);
      for (const worker of [1, 2, 3]) {
        const { pid } = await threads.order({ do: "worker", worker, name: `w${worker}`, reads });
        await threads.order({ do: how, worker });
        expect(await harness.eventually(() => isGone(pid))).toBe(true);
      }
      await threads.order({ do: how, worker: 0 });
      expect(await harness.eventually(() => isGone(first.pid))).toBe(true);
      await threads.order({ do: "start", name: "later", reads: true });
      for (const name of ["main", "later"]) {
        expect(await threads.runs(name)).toBe(true);
        threads.letGo(name);
        expect(await threads.order({ do: "end", name })).toEqual(went);
      }
      await threads.close();
      expect(threads.child.exitCode).toBe(0);
    },
  );

  test("B27: SIGKILL of a program whose workers came and went ends every builder", async () => {
    using threads = startThreads();
    const pids: number[] = [];
    for (const worker of [0, 1]) {
      const { pid } = await threads.order({ do: "worker", worker, name: `w${worker}`, reads: true });
      pids.push(pid);
    }
    await threads.order({ do: "terminate", worker: 0 });
    pids.push((await threads.order({ do: "start", name: "main", reads: true })).pid);
    pids.push((await threads.order({ do: "start", name: "unread", reads: false })).pid);
    for (const name of ["w1", "main", "unread"]) expect(await threads.runs(name)).toBe(true);
    threads.child.kill("SIGKILL");
    await once(threads.child, "exit");
    expect(await harness.eventually(() => pids.every(isGone))).toBe(true);
  });
});
