import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { report, skip } from "./measure.mjs";
import { seccompFilter } from "./seccomp-filter.mjs";

const starts = join(import.meta.dirname, "starts.mjs");
const [heapGib, heapNeededGib] = [8, 10];
const heapTitle = `one sandbox from a process that holds ${heapGib} GiB, against one from a small process`;
const nobody = 65534;

export async function bench() {
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  try {
    chmodSync(folder, 0o1777);
    writeFileSync(join(folder, "filter"), seccompFilter(), { mode: 0o644 });
    for (const user of users()) await contest(folder, user);
    await heaps(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Root starts as itself and as an ordinary user: its ids are allocated, the other's are not. */
function users() {
  const uid = process.geteuid();
  return uid === 0 ? [0, nobody] : [uid];
}

async function contest(folder, uid) {
  const title = `from a call to an ended /bin/true and no directories left, as user ${uid}, against bwrap with a filter`;
  const why = absent("bwrap") ?? unreachable(uid);
  if (why !== undefined) return skip(title, why);
  const child = fork(starts, ["contest", folder, "200"], uid === process.geteuid() ? {} : { uid, gid: uid });
  const times = await answer(child);
  report(title, new Map(times));
}

function absent(command) {
  try {
    execFileSync(command, ["--version"]);
  } catch {
    return `${command} is not installed`;
  }
}

/** Why a user cannot run this Node and this tree. */
function unreachable(uid) {
  if (uid === process.geteuid()) return;
  try {
    const script = `require("node:fs").accessSync(process.argv[1])`;
    execFileSync(process.execPath, ["-e", script, starts], { uid, gid: uid, stdio: "ignore" });
  } catch {
    return `user ${uid} cannot read this tree or run this Node`;
  }
}

/** Two processes start in turn, so that what else this machine does meets both. */
async function heaps(folder) {
  if (freemem() < heapNeededGib * 2 ** 30)
    return skip(heapTitle, `less than ${heapNeededGib} GiB of memory are free`);
  const children = new Map();
  try {
    for (const gib of [heapGib, 0]) {
      const child = fork(starts, ["serve", folder, String(gib)]);
      const rssBytes = await answer(child);
      children.set(`RSS ${Math.round(rssBytes / 2 ** 20)} MiB`, child);
    }
    report(heapTitle, await inTurn(children, "drvkit", 60));
    report(
      "the same after pauses, when there is no helper to copy",
      await inTurn(children, "drvkit-new", 20),
    );
    if (absent("bwrap") === undefined)
      report("the same of bwrap, for which Node forks", await inTurn(children, "bwrap", 20));
  } finally {
    for (const child of children.values()) await end(child);
  }
}

/** Times in ms, as the processes measure them, after one warm-up. Who comes second finds warmer caches: that alternates. */
async function inTurn(children, contestant, rounds) {
  const times = new Map([...children.keys()].map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1)
    for (const [name, child] of round % 2 === 0 ? children : [...children].reverse()) {
      child.send(contestant);
      const tookMs = await answer(child);
      if (round >= 0) times.get(name).push(tookMs);
    }
  return times;
}

/** What it held is free afterwards. */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.disconnect();
  await exit;
}

/** The next message of a process, which may end instead. */
async function answer(child) {
  const ended = new AbortController();
  const { signal } = ended;
  const exit = once(child, "exit", { signal }).then(([code]) => {
    throw new Error(`the process that measures ended with ${code}`);
  });
  try {
    return (await Promise.race([once(child, "message", { signal }), exit]))[0];
  } finally {
    ended.abort();
    exit.catch(() => undefined);
  }
}
