import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSuite } from "./build-suite.js";
import { drv, sandboxWorks } from "./drv-command.js";

const isRoot = process.geteuid?.() === 0;

/** Why a program cannot connect a network here. */
function obstacle(name: string): string | undefined {
  if (!sandboxWorks) return "this machine cannot build in the sandbox";
  if (spawnSync(name, ["--version"]).error !== undefined) return `${name} is not installed`;
  // Versions before 2024 do not open namespaces as root.
  if (name === "pasta" && isRoot) return "pasta connects builds of ordinary users";
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return "/dev/net/tun cannot be used by this user";
  }
}

/** Says what it reaches: a port of the machine's loopback, an abstract socket, and a route out. */
function look(port: number, socket: string): string {
  const program = `
    const net = require("node:net"), fs = require("node:fs");
    const reach = (name, where) => new Promise((done) => net.connect(where)
      .on("connect", () => done(console.log(name, "reached"))).on("error", () => done(console.log(name, "refused"))));
    const routes = fs.readFileSync("/proc/net/route", "utf8").split("\\n").filter((line) => /\\t00000000\\t/.test(line.slice(0, 16)));
    console.log("interfaces", fs.readdirSync("/proc/self/net/dev_snmp6").join(" "));
    console.log("routes", routes.length);
    reach("loopback", { host: "127.0.0.1", port: ${port} }).then(() => reach("abstract", "\\0${socket}"));
  `;
  return `/node -e '${program}' && printf fixed > $out`;
}

describe.skipIf(!sandboxWorks)("the network of a fixed output (skipped without a sandbox)", () => {
  const suite = buildSuite();
  const socket = `drvkit-own-network-${process.pid}`;
  const servers: Server[] = [];
  let port = 0;

  beforeAll(async () => {
    const tcp = createServer((client) => client.end()).listen(0, "127.0.0.1");
    const abstract = createServer((client) => client.end()).listen(`\0${socket}`);
    servers.push(tcp, abstract);
    await new Promise((listening) => tcp.once("listening", listening));
    const address = tcp.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
  });
  afterAll(() => {
    for (const server of servers) server.close();
  });

  const build = (name: string, ...flags: readonly string[]) => {
    const drvPath = suite.drvs.write({
      name,
      script: look(port, socket),
      fixedContent: "fixed",
      env: { PATH: "/usr/bin:/bin" },
    });
    const tools = ["--host-tools", "--sandbox-paths", `/node=${process.execPath}`, "-L"];
    return suite.build(suite.drvs.fileOf(drvPath), ...tools, ...flags);
  };

  test("is the machine's unless a program is set", async () => {
    const { status, stderr } = await build("machine");
    expect([status, stderr]).toEqual([0, expect.stringContaining("machine> loopback reached\n")]);
  });

  for (const name of ["slirp4netns", "pasta"]) {
    const why = obstacle(name);
    test.skipIf(why !== undefined)(
      `is its own, with a way out and none to services of the machine, by ${name}${why === undefined ? "" : ` (skipped: ${why})`}`,
      async () => {
        const { status, stderr } = await build(name, "--fixed-output-network", name);
        expect([status, stderr]).toEqual([0, expect.any(String)]);
        const lines = stderr.split("\n").map((line) => line.replace(`${name}> `, ""));
        expect(lines).toEqual(expect.arrayContaining(["loopback refused", "abstract refused"]));
        expect(lines.find((line) => line.startsWith("routes"))).toMatch(/^routes [1-9]/u);
        expect(spawnSync("pgrep", ["-f", `^[^ ]*${name} .*--`], { encoding: "utf8" }).stdout).toBe("");
      },
    );
  }

  test("is none where its program ends", async () => {
    const folder = suite.scratch.path("programs");
    mkdirSync(folder);
    writeFileSync(join(folder, "pasta"), "#!/bin/sh\necho no luck >&2; exit 3\n", { mode: 0o755 });
    const { status, stderr } = await withPath(`${folder}:${process.env["PATH"]}`);
    expect([status, stderr]).toEqual([1, expect.stringContaining("ended with exit code 3: no luck")]);
    expect(stderr).toContain("[ERR_SANDBOX_UNAVAILABLE]");
  });

  test("is none where the program is not installed", async () => {
    const { status, stderr } = await withPath("/no/such");
    expect([status, stderr]).toEqual([1, expect.stringContaining("there is no program 'pasta' in PATH")]);
  });

  const withPath = (path: string) => {
    const drvPath = suite.drvs.write({ name: "none", script: "true", fixedContent: "none" });
    const args = ["build", suite.drvs.fileOf(drvPath), "--no-link", "--store", suite.scratch.store];
    return drv([...args, "--fixed-output-network", "pasta"], { env: { PATH: path } });
  };
});
