import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { derivation } from "@drvkit/drv-parser";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Tarballs } from "./tarballs.js";
import { packages, root } from "./workspace.js";

const pure = packages.filter(({ folder }) => ["drv-parser", "nar", "narinfo"].includes(folder));
const browser = ["chromium", "chromium-browser", "google-chrome"].find(
  (name) => spawnSync(name, ["--version"]).status === 0,
);
const narinfoData = join(root, "packages/narinfo/testdata");
const narData = join(root, "packages/nar/testdata");
const [narinfo = ""] = readdirSync(join(narinfoData, "cache")).filter((file) => file.endsWith(".narinfo"));
const simple = derivation({
  name: "simple",
  system: "x86_64-linux",
  builder: "/bin/sh",
  args: ["-c", "echo hi > $out"],
});

/** The packages as they are installed, bundled as a page would have them. */
describe("in a browser", () => {
  const work = mkdtempSync(join(tmpdir(), "drvkit-browser-"));
  const project = join(work, "project");
  let script = "";

  beforeAll(async () => {
    const tarballs = new Tarballs(work);
    await tarballs.add(pure);
    await tarballs.install(project, pure);
    cpSync(join(root, "tests/browser/page.ts"), join(project, "page.ts"));
    const { outputFiles } = await build({
      absWorkingDir: project,
      entryPoints: ["page.ts"],
      bundle: true,
      write: false,
      format: "esm",
      platform: "browser",
    });
    script = outputFiles[0]?.text ?? "";
  }, 120_000);

  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test("nothing of Node is in the bundle", () => {
    expect(script).not.toMatch(/(?:from|require\()\s*"(?:node:|crypto|buffer)/u);
    expect(script).not.toContain("createRequire");
    expect(script.length).toBeGreaterThan(20_000);
  });

  test.skipIf(browser === undefined)(
    `a page parses a derivation, lists an archive, verifies a narinfo${browser === undefined ? " (skipped: no chromium here)" : ""}`,
    async () => {
      const pages: Readonly<Record<string, string | Uint8Array>> = {
        "/": `<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>`,
        "/page.js": script,
        "/drv": simple.bytes,
        "/nar": readFileSync(join(narData, "tree.nar")),
        "/narinfo": readFileSync(join(narinfoData, "cache", narinfo)),
        "/store-dir": "/tmp/drvkit-narinfo-testdata/store",
        "/public-key": readFileSync(join(narinfoData, "public-key")),
      };
      expect(await resultOf(pages, join(work, "profile"))).toEqual({
        drvPath: simple.drvPath,
        outputs: [simple.output().path],
        described: simple.drvPath,
        listing: readFileSync(join(narData, "tree.ls"), "utf8"),
        signedBy: ["testdata-1"],
        changed: [],
      });
    },
    120_000,
  );
});

/** Serves the pages on the loopback, opens the first, and gives what it posts to `/result`. */
async function resultOf(
  pages: Readonly<Record<string, string | Uint8Array>>,
  profile: string,
): Promise<unknown> {
  let posted: (body: string) => void = () => {};
  const result = new Promise<string>((resolve) => {
    posted = resolve;
  });
  const server = createServer((request, response) => {
    const page = pages[request.url ?? ""];
    if (request.method === "POST") void bodyOf(request).then(posted);
    response.statusCode = request.method === "POST" ? 204 : page === undefined ? 404 : 200;
    response.setHeader(
      "content-type",
      request.url?.endsWith(".js") === true ? "text/javascript" : "text/html",
    );
    response.end(request.method === "POST" ? undefined : page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const flags = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    `--user-data-dir=${profile}`,
  ];
  const child = spawn(browser ?? "", [...flags, `http://127.0.0.1:${port}/`], {
    stdio: "ignore",
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    const failed = ended.then(() => Promise.reject(new Error("the browser ended without a result")));
    return JSON.parse(await Promise.race([result, failed]));
  } finally {
    // Its own children are in its group, which is ours.
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    await ended;
    server.closeAllConnections();
    server.close();
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  return body;
}
