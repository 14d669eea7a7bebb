import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { defaultStoreDir, hashBytes } from "@drvkit/drv-parser";
import { parseNarInfo } from "@drvkit/narinfo";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drv, Scratch, sandboxWorks } from "./drv-command.js";
import { root } from "./workspace.js";

const exec = promisify(execFile);
const jiti = join(root, "node_modules/.bin/jiti");
const example = (name: string, ...args: string[]) =>
  exec(jiti, [join(root, "examples", name), ...args], { cwd: root });

describe("examples", () => {
  let scratch: Scratch;
  beforeAll(() => {
    scratch = new Scratch();
  });
  afterAll(() => scratch[Symbol.asyncDispose]());

  test("01 writes derivations whose names are their store paths", async () => {
    const { stdout } = await example("01-make-derivations.ts", scratch.path("drvs"));
    expect(stdout.trim()).toMatch(/-report\.drv$/u);
    expect(readdirSync(scratch.path("drvs"))).toHaveLength(5);
  });

  test.skipIf(!sandboxWorks)(
    `02 builds one and prints where it is${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
    async () => {
      const { stdout: file } = await example("01-make-derivations.ts", scratch.path("drvs"));
      const { stdout } = await example("02-build-and-watch.ts", file.trim(), scratch.store);
      const [, place = ""] = /^out: (.*)$/mu.exec(stdout) ?? [];
      expect(readFileSync(place, "utf8")).toBe("primes below 120 add up to 1593, 20 squares to 2870\n");
    },
  );

  test.skipIf(!sandboxWorks)(
    `03 is built by the command${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
    async () => {
      const file = join(root, "examples/03-describe-builds.ts");
      const { stdout } = await drv(["build", `${file}#all`, "--out-link", "all", "--store", scratch.store], {
        cwd: scratch.folder,
      });
      expect(stdout).toMatch(/-all\n$/u);
      expect(readFileSync(scratch.path("all"), "utf8")).toBe("Hello, world: 19 lines\n");
    },
  );

  test.skipIf(!sandboxWorks)(
    `04 takes from the first store what the second would build${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
    async () => {
      const { stdout } = await example("04-substituter.ts", scratch.path("stores"));
      expect(stdout.match(/^\w+/gmu)).toEqual(["building", "built", "copying", "substituted"]);
      const [made, taken] = ["first", "second"].map((store) => {
        const objects = scratch.path("stores", store, "nix/store");
        const name = readdirSync(objects).find((each) => each.endsWith("-ticket")) ?? "";
        return readFileSync(join(objects, name), "utf8");
      });
      expect(taken).toMatch(/^[0-9a-f-]{36}\n$/u);
      expect(taken).toBe(made);
    },
  );

  test.skipIf(!sandboxWorks)(
    `05 builds once what two builds need, though one is cancelled${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
    async () => {
      const { stdout } = await example("05-share-builds.ts", scratch.path("shared"));
      expect(stdout.replaceAll(/\/nix\/store\/[^-]*-/gu, "").split("\n")).toEqual([
        "building lib.drv",
        "building patient.drv",
        "first: interrupted by the user",
        "second: built",
        "",
      ]);
    },
  );

  test.skipIf(!sandboxWorks)(
    `06 renders what happens${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
    async () => {
      const { stdout } = await example("06-render-events.ts", scratch.path("rendered"));
      expect(stdout).toBe("▶ hello\n  writing\n■ hello: built\ndone\n");
    },
  );

  test.skipIf(!sandboxWorks)(
    `07 builds in the other store, and has what it needs itself${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
    async () => {
      const folder = scratch.path("elsewhere");
      const { stdout } = await example("07-build-elsewhere.ts", folder);
      expect(stdout.replaceAll(/\/nix\/store\/[^-]*-/gu, "").split("\n")).toEqual([
        "building words.drv on there",
        "building greeting.drv on there",
        "> built elsewhere",
        "",
      ]);
      expect(readFileSync(join(folder, "result"), "utf8")).toBe("Hello from elsewhere\n");
    },
  );

  test.skipIf(!sandboxWorks)(
    `08 puts into a folder what others take from it${sandboxWorks ? "" : " (skipped: this machine cannot build in the sandbox)"}`,
    async () => {
      const folder = scratch.path("uploaded");
      const { stdout } = await example("08-upload-outputs.ts", folder);
      const paths = stdout.match(/\/nix\/store\/.*/gu) ?? [];
      expect(paths.map((path) => path.replace(/^.*?-/u, ""))).toEqual(["words", "greeting"]);
      for (const path of paths) {
        const name = path.slice("/nix/store/".length, "/nix/store/".length + 32);
        const info = parseNarInfo(readFileSync(join(folder, "cache", `${name}.narinfo`), "utf8"), {
          storeDir: defaultStoreDir,
        });
        expect(info.path).toBe(path);
        const archive = readFileSync(join(folder, "cache", info.url));
        expect(hashBytes("sha256", archive)).toEqual(info.narHash);
      }
    },
  );

  test("09 packs a tree and unpacks the same", async () => {
    const folder = scratch.path("archived");
    const { stdout } = await example("09-archive-trees.ts", join(root, "examples/project/lib"), folder);
    expect(stdout).toMatch(
      /^\d+ files\npacked \d+ bytes into \d+\nit names nothing\nsha256 [0-9a-f]{64}\n$/u,
    );
    expect(readdirSync(join(folder, "tree"))).toEqual(readdirSync(join(root, "examples/project/lib")));
  });

  test("none is longer than 60 lines", () => {
    const files = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".ts"));
    const lengths = files.map((name) => ({
      name,
      lines: readFileSync(join(root, "examples", name), "utf8")
        .trimEnd()
        .split("\n").length,
    }));
    expect(lengths.filter(({ lines }) => lines > 60)).toEqual([]);
  });
});

describe("the README of the repository", () => {
  const text = readFileSync(join(root, "README.md"), "utf8");
  const commands = [...text.matchAll(/^npx drv .*$/gmu)].map(([line]) => line);

  test.each(commands)("%s works as written", async (command) => {
    await using scratch = new Scratch();
    const { stdout } = await exec("sh", ["-c", command], {
      cwd: root,
      env: { ...process.env, DRVKIT_HOME: scratch.store },
    });
    expect(stdout).not.toBe("");
  });
});
