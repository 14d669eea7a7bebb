import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashTree } from "@drvkit/sandbox-native";
import { beforeAll, describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { sandboxWorks } from "./drv-command.js";
import { isLong } from "./properties.js";
import { damagedPaths } from "./stored.js";
import { root } from "./workspace.js";

const hasCompiler = spawnSync("cc", ["--version"]).status === 0;
const isReady = sandboxWorks && hasCompiler;
const because = isReady ? "" : ` (skipped: ${sandboxWorks ? "no C compiler" : "no sandbox"} on this machine)`;
const rounds = isLong ? 100 : 5;

/** CVE-2024-27297: the network is shared, so an accomplice outside gets descriptors through an abstract socket. */
describe.skipIf(!isReady)(`a builder that gives away a descriptor of its output${because}`, () => {
  const suite = buildSuite();
  let program: string;
  let outputHash: string;

  beforeAll(async () => {
    program = suite.scratch.path("leak");
    const source = join(root, "packages/sandbox-native/testdata/builders/leak.c");
    spawnSync("cc", ["-static", "-o", program, source], { stdio: "inherit" });
    const expected = suite.scratch.path("expected");
    mkdirSync(expected);
    writeFileSync(join(expected, "data"), "genuine\n");
    outputHash = Buffer.from((await hashTree(expected)).digest).toString("hex");
  });

  /** A fixed output whose builder waits until somebody took descriptors of it. */
  function buildLeaking(name: string) {
    const script = `mkdir $out; echo genuine > $out/data; /leak give ${socketOf(name)} $out $out/data`;
    const env = {
      PATH: "/usr/bin:/bin",
      outputHashMode: "recursive",
      outputHashAlgo: "sha256",
      outputHash,
    };
    const drvPath = suite.drvs.write({ name, script, env });
    const flags = ["--host-tools", "--extra-sandbox-paths", `/leak=${program}`];
    const building = suite.build(suite.drvs.fileOf(drvPath), ...flags);
    return { building, real: join(suite.scratch.store, suite.drvs.outputOf(drvPath)) };
  }

  const socketOf = (name: string) => `drvkit-${process.pid}-${name}`;
  const accomplice = (how: "take" | "race", name: string) =>
    spawn(program, [how, socketOf(name)], { stdio: ["pipe", "pipe", "inherit"] });

  test("B11: descriptors of a fixed output that a builder gave away do not change the registered path", async () => {
    const taker = accomplice("take", "given");
    const said = textOf(taker);
    const { building, real } = buildLeaking("given");
    const ended = await building;
    expect(ended.stderr).not.toContain("error:");
    expect(ended.status).toBe(0);
    const registered = [real, join(real, "data")].map((path) => lstatSync(path));

    taker.stdin?.end("\n");
    const [inodes = "", wrote] = (await said).trimEnd().split("\n");
    expect(wrote).toBe("wrote"); // the descriptors were good
    for (const inode of inodes.split(" ")) expect(registered.map(({ ino }) => `${ino}`)).not.toContain(inode);
    expect(readFileSync(join(real, "data"), "utf8")).toBe("genuine\n");
    expect(await damagedPaths(suite.scratch.store)).toEqual([]);
  });

  test(`B11: ${rounds} outputs that are changed all the time are registered by what they are, or not at all`, {
    timeout: rounds * 20_000,
  }, async () => {
    for (let round = 0; round < rounds; round += 1) {
      const name = `raced-${round}`;
      const racer = accomplice("race", name);
      const said = textOf(racer);
      const ended = await buildLeaking(name).building;
      racer.stdin?.end();
      expect(await said).toMatch(/\nwrote\n$/u);
      expect([0, 1, 102]).toContain(ended.status); // the copy may have caught a change, or stumbled over one
      expect(await damagedPaths(suite.scratch.store)).toEqual([]);
    }
  });
});

/** All that a program says until it ends. */
async function textOf(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, "close");
  return text;
}
