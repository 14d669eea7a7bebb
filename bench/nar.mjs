import { createHash } from "node:crypto";
import { listNarStream, parseNarStream, printNar, printNarStream } from "../packages/nar/dist/index.js";
import { interleave, report } from "./measure.mjs";

const chunkBytes = 65_536;
const rootName = new Uint8Array();
const directoryEnd = { type: "directoryEnd" };

export async function bench() {
  await benchOf("NAR of 20,000 files of 25 kB", manyFiles(20_000, 25_000));
  await benchOf("NAR of one file of 500 MB", oneFile(500_000_000));
}

async function benchOf(title, events) {
  const archive = Buffer.concat([...printNar(events)]);
  const stream = () => chunksOf(archive);
  const memory = await growthDuring(async (look) => {
    let events = 0;
    for await (const _ of parseNarStream(stream())) if ((events++ & 255) === 0) look();
  });
  const times = await interleave(
    {
      parse: () => drain(parseNarStream(stream())),
      "parse and print": () => drain(printNarStream(parseNarStream(stream()))),
      list: () => listNarStream(stream()),
      "sha256 of the same stream": () => hash(stream()),
    },
    5,
  );
  report(`${title}, streamed in pieces of 64 KiB`, times);
  const parseMs = [...times.get("parse")].sort((a, b) => a - b)[2];
  console.log(
    `  parse: ${(archive.length / 1000 / parseMs).toFixed(0)} MB/s, memory grew by ${(memory / 1e6).toFixed(0)} MB meanwhile`,
  );
}

function* manyFiles(count, sizeBytes) {
  const bytes = new Uint8Array(sizeBytes).fill(0x5a);
  yield { type: "directory", name: rootName };
  for (let index = 0; index < count; index += 1) {
    const name = new TextEncoder().encode(`file-${String(index).padStart(6, "0")}`);
    yield { type: "regular", name, executable: false, sizeBytes };
    yield { type: "contents", bytes };
  }
  yield directoryEnd;
}

function* oneFile(sizeBytes) {
  yield { type: "regular", name: rootName, executable: false, sizeBytes };
  yield { type: "contents", bytes: new Uint8Array(sizeBytes).fill(0x5a) };
}

async function* chunksOf(archive) {
  for (let at = 0; at < archive.length; at += chunkBytes) yield archive.subarray(at, at + chunkBytes);
}

async function drain(stream) {
  for await (const _ of stream);
}

async function hash(stream) {
  const sha256 = createHash("sha256");
  for await (const chunk of stream) sha256.update(chunk);
  return sha256.digest("hex");
}

/** Most bytes of the process above those at the start, looked at whenever `run` asks. */
async function growthDuring(run) {
  const before = process.memoryUsage.rss();
  let most = before;
  await run(() => {
    most = Math.max(most, process.memoryUsage.rss());
  });
  return most - before;
}
