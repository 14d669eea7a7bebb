import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { derivation } from "../packages/drv-parser/dist/index.js";
import { openEngine } from "../packages/engine/dist/index.js";
import { removeTree } from "../packages/sandbox-native/dist/index.js";
import { interleave, median, report, skip } from "./measure.mjs";

const rounds = 5;
const title = "lines that a builder prints";
const kinds = [
  { what: "2,000,000 lines of one letter", count: 2_000_000, line: "y" },
  {
    what: "500,000 lines of a compiler",
    count: 500_000,
    line: "gcc -O2 -Wall -Iinclude -c src/some/module/file.c -o build/some/module/file.o",
  },
];

/** Whole builds, events read and log written, beside a program that copies the same from a terminal to a file. */
export async function bench() {
  if (spawnSync("script", ["--version"]).error !== undefined || !existsSync("/usr/bin/yes"))
    return skip(title, "there is no `script` or no `yes`");
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  const settings = { "host-tools": "true", "compress-build-log": "false" };
  const engine = await openEngine({ store: join(folder, "store"), settings });
  try {
    for (const kind of kinds) await compare(engine, folder, kind);
  } finally {
    await engine.close();
    await removeTree(folder);
  }
}

async function compare(engine, folder, { what, count, line }) {
  const command = `/usr/bin/yes '${line}' | /usr/bin/head -n ${count}`;
  const copied = join(folder, "typescript");
  const times = await interleave(
    {
      "built, every line read": (round) => build(engine, command, `${line.length}-${round}`, count),
      "copied by script(1)": () => execFileSync("script", ["-qc", command, copied], { stdio: "ignore" }),
    },
    rounds,
  );
  if (statSync(copied).size < count * (line.length + 1))
    throw new Error("script(1) has not copied all of it");
  report(`${title}: ${what}`, times);
  for (const [name, values] of times)
    console.log(
      `  ${name.padEnd(34)} ${Math.round((count / median(values)) * 1000).toLocaleString("en")} lines/s`,
    );
}

async function build(engine, command, name, count) {
  const args = ["-c", `${command}; echo > $out`];
  const target = derivation({ name: `loud-${name}`, system: "x86_64-linux", builder: "/bin/sh", args });
  const running = engine.build([target]);
  let lines = 0;
  for await (const event of running) if (event.type === "build-line") lines += 1;
  const { exitStatus } = await running.result;
  if (exitStatus !== 0 || lines !== count)
    throw new Error(`${lines} of ${count} lines, exit status ${exitStatus}`);
}
