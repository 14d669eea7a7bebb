// The process that a benchmark of starts measures in: `starts.mjs contest FOLDER ROUNDS` or `starts.mjs serve FOLDER GIB`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { isHostId, removeTree, startSandbox } from "../packages/sandbox-native/dist/index.js";
import { binds, bwrapArguments } from "./bwrap.mjs";
import { interleave } from "./measure.mjs";

const [mode, folder, count] = process.argv.slice(2);
const bytes = (text) => new TextEncoder().encode(text);
/** Nobody's, and above what the engine allocates. */
const allocated = 990_000_000 + process.pid;
const own = process.geteuid() !== 0 || !isHostId(allocated);
let started = 0;

if (mode === "contest") {
  const times = await interleave({ drvkit: startOurs, bwrap: startTheirs }, Number(count));
  process.send([...times], () => process.disconnect());
} else {
  const held = Array.from({ length: Number(count) }, () => Buffer.alloc(2 ** 30, 1));
  process.on("message", async (contestant) => {
    if (contestant === "drvkit-new") await childless();
    const began = performance.now();
    await (contestant === "bwrap" ? startTheirs() : startOurs());
    process.send(performance.now() - began);
  });
  process.on("disconnect", () => held.splice(0)); // held until then
  process.send(process.memoryUsage.rss());
}

/** Until the helper that others are copies of has ended, as it does a second after its last use. */
async function childless() {
  const children = (task) => readFileSync(`/proc/self/task/${task}/children`, "utf8");
  while (readdirSync("/proc/self/task").some((task) => children(task) !== "")) await setTimeout(20);
}

/** From the call to a builder that has ended and left nothing. */
async function startOurs() {
  const [chrootDir, tempDir] = ["chroot", "temp"].map((name) =>
    join(folder, `${name}-${process.pid}-${started}`),
  );
  started += 1;
  const running = await startSandbox({
    builder: bytes("/bin/true"),
    argv: [bytes("true")],
    env: [],
    chrootDir,
    tempDir,
    storeDir: "/nix/store",
    buildDir: "/build",
    files: [],
    binds: binds.map((path) => ({ source: path, target: path, writable: false, optional: true })),
    network: "private",
    hostUid: own ? process.geteuid() : allocated,
    hostGid: own ? process.getegid() : allocated,
    personality32: false,
    devShmSize: "50%",
    kvm: false,
  });
  for await (const event of running)
    if (event.type === "exit" && event.status.code !== 0) throw new Error("a trivial builder failed");
  await Promise.all([chrootDir, tempDir].map(removeTree));
}

async function startTheirs() {
  const out = join(folder, `bwrap-${process.pid}-${started}`);
  started += 1;
  mkdirSync(out);
  // Of its own each time: it is read to its end.
  const filter = openSync(join(folder, "filter"), "r");
  const options = ["--seccomp", "3", "--chdir", "/tmp", "/bin/true"];
  const child = spawn("bwrap", [...bwrapArguments(out, "/nix/store"), ...options], {
    stdio: ["ignore", "pipe", "inherit", filter],
  });
  const [code] = await once(child, "close");
  closeSync(filter);
  if (code !== 0) throw new Error("bwrap failed");
  rmSync(out, { recursive: true });
}
