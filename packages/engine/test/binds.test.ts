import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeStoreDir, parseStorePath, type StorePath } from "@drvkit/drv-parser";
import type { BuildSpec } from "@drvkit/goal";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BindPlaces, Binds } from "../src/sandbox/binds.js";
import { defaultSettings, type Settings } from "../src/settings/table.js";

const storeDir = makeStoreDir("/nix/store");
const object = (letter: string, name: string) =>
  parseStorePath(storeDir, `/nix/store/${letter.repeat(32)}-${name}`);
const [shell, library, source, output, gone] = [
  object("a", "shell"),
  object("b", "library"),
  object("c", "source"),
  object("d", "output"),
  object("f", "gone"),
];
const drvPath = object("x", "x.drv");

/** The shell refers to the library. What is real lies below `/real`. */
class FakePlaces implements BindPlaces {
  readonly storeDir = storeDir;
  readonly valid = new Set([shell, library, source]);
  fails = false;
  realPathOf = (path: StorePath) => path.replace("/nix/store", "/real");
  async queryValidPaths(paths: readonly StorePath[]) {
    if (this.fails) throw new Error("the store does not answer");
    return new Set(paths.filter((path) => this.valid.has(path)));
  }
  async queryClosure(paths: readonly StorePath[]) {
    return paths.includes(shell) ? [...new Set([...paths, library])] : paths;
  }
}

const spec = (parts: Partial<BuildSpec> = {}): BuildSpec => ({
  drvPath,
  isInMemory: false,
  platform: "x86_64-linux",
  isolation: "sandbox",
  idRange: false,
  buildDir: "/build",
  builder: new Uint8Array(),
  argv: [],
  env: [],
  files: [],
  inputs: [],
  outputs: [],
  network: "private",
  impureHostDeps: [],
  ...parts,
});

function bindsOf(settings: Partial<Settings>, places = new FakePlaces()) {
  const binds = new Binds(places, { ...defaultSettings(), ...settings });
  return async (parts: Partial<BuildSpec> = {}, extra: readonly string[] = []) => {
    const all = await binds.of(spec(parts), extra);
    expect(new Set(all.map(({ target }) => target)).size).toBe(all.length);
    return new Map(all.map((bind) => [bind.target, bind]));
  };
}

const sources = (binds: Awaited<ReturnType<ReturnType<typeof bindsOf>>>) =>
  Object.fromEntries([...binds].map(([target, { source: from }]) => [target, from]));

describe("what appears inside", () => {
  test("a later source takes the place of an earlier one: settings, the derivation, the hook, inputs", async () => {
    const binds = bindsOf({
      "sandbox-paths": ["/one=/settings", "/two=/settings", "/three=/settings", `${source}=/settings`],
      "allowed-impure-host-deps": ["/"],
    });
    const impureHostDeps = ["/two", "/three", source];
    const hook = ["/three=/hook", `${source}=/hook`];
    expect(sources(await binds({ impureHostDeps, inputs: [source] }, hook))).toEqual({
      "/one": "/settings",
      "/two": "/two",
      "/three": "/hook",
      [source]: `/real/${source.slice("/nix/store/".length)}`,
    });
    expect((await binds({ impureHostDeps }, hook)).get(source)?.source).toBe("/hook");
    expect((await binds({ impureHostDeps })).get(source)?.source).toBe(source);
    expect((await binds()).get(source)?.source).toBe("/settings");
  });

  test("no output that is known is shown, wherever it comes from", async () => {
    const binds = bindsOf({
      "sandbox-paths": [shell, `${output}=/settings`],
      "allowed-impure-host-deps": ["/nix"],
    });
    const parts = { outputs: [output, library], impureHostDeps: [output], inputs: [output] };
    expect([...(await binds(parts, [`${output}=/hook`])).keys()]).toEqual([shell]);
  });

  test("inputs are read-only and have to be there, whatever settings say of the same place", async () => {
    const binds = bindsOf({ "sandbox-paths": [`${source}=/x?`], "sandbox-writable-paths": [source] });
    expect((await binds()).get(source)).toMatchObject({ writable: true, optional: true });
    expect((await binds({ inputs: [source] })).get(source)).toMatchObject({
      writable: false,
      optional: false,
    });
  });

  test("what settings say is shown in each build, what a hook says in its own", async () => {
    const binds = bindsOf({ "sandbox-paths": ["/a=/b?"], "sandbox-writable-paths": ["/a"] });
    expect([...(await binds({}, ["/hook"])).keys()]).toEqual(["/a", "/hook"]);
    expect([...(await binds()).values()]).toEqual([
      { source: "/b", target: "/a", writable: true, optional: true },
    ]);
  });
});

describe("a source in the store", () => {
  const real = (path: StorePath, rest = "") => `${path.replace("/nix/store", "/real")}${rest}`;

  test("is shown from where it really is, with its closure at its own places", async () => {
    const binds = bindsOf({ "sandbox-paths": [`/bin/sh=${shell}/bin/sh`] });
    expect(sources(await binds())).toEqual({
      "/bin/sh": real(shell, "/bin/sh"),
      [shell]: real(shell),
      [library]: real(library),
    });
  });

  test("gives its closure for a hook, too", async () => {
    expect(
      sources(await bindsOf({ "sandbox-paths": ["/x"] })({}, [`/bin/sh=${shell}/bin/sh`])),
    ).toMatchObject({
      "/bin/sh": real(shell, "/bin/sh"),
      [library]: real(library),
    });
  });

  test("has its closure take the place of what settings show there", async () => {
    const settings = { "sandbox-paths": [`/bin/sh=${shell}/bin/sh`, `${library}=/elsewhere?`] };
    const binds = await bindsOf({ ...settings, "sandbox-writable-paths": [library] })();
    expect(binds.get(library)).toEqual({
      source: real(library),
      target: library,
      writable: false,
      optional: false,
    });
  });

  test.each([
    { name: "an object that is not valid", from: `${gone}/bin/sh` },
    { name: "a name that no object has", from: "/nix/store/trash" },
    { name: "the store directory's neighbour", from: `/nix/storex/${shell.slice("/nix/store/".length)}` },
  ])("that is $name has no closure and stays as it is", async ({ from }) => {
    expect(sources(await bindsOf({ "sandbox-paths": [`/x=${from}`] })())).toEqual({ "/x": from });
  });

  test("is looked for in each build: what is valid changes, and what failed once may not again", async () => {
    const places = new FakePlaces();
    places.valid.delete(shell);
    const binds = bindsOf({ "sandbox-paths": [`/sh=${shell}`] }, places);
    expect((await binds()).get("/sh")?.source).toBe(shell);
    places.fails = true;
    await expect(binds()).rejects.toThrow("the store does not answer");
    places.fails = false;
    places.valid.add(shell);
    expect((await binds()).get("/sh")?.source).toBe(real(shell));
  });
});

describe("impure host dependencies", () => {
  const allowed = { "sandbox-paths": ["/x"], "allowed-impure-host-deps": ["/a", "/dir/", "/c/../d"] };
  const ask = async (path: string) => {
    const binds = await bindsOf(allowed)({ impureHostDeps: [path] });
    binds.delete("/x");
    return [...binds.values()];
  };

  test.each([
    { path: "/a", target: "/a" },
    { path: "/a/", target: "/a" },
    { path: "/a/b/c", target: "/a/b/c" },
    { path: "//a//b", target: "/a/b" },
    { path: "/b/../a", target: "/a" },
    { path: "/dir", target: "/dir" },
    { path: "/dir/x", target: "/dir/x" },
    { path: "/d/x", target: "/d/x" },
  ])("$path may be seen, and may be missing", async ({ path, target }) => {
    expect(await ask(path)).toEqual([{ source: target, target, writable: false, optional: true }]);
  });

  test.each(["/ab", "/a/../b", "/a/..", "/", "a", "", "/c/x", "/dirx", "/dir/../a/../e"])(
    "refuses '%s', which is none of those that are allowed",
    async (path) => {
      await expect(ask(path)).rejects.toMatchObject({
        code: "ERR_IMPURE_HOST_DEP",
        message: `derivation '${drvPath}' requested impure path '${path}', but it was not in allowed-impure-host-deps`,
        hint: expect.stringContaining("allowed-impure-host-deps"),
      });
    },
  );

  test("links are not followed: an allowed one allows itself, not what it leads to", async () => {
    const folder = mkdtempSync(join(tmpdir(), "drvkit-binds-"));
    symlinkSync("/etc", join(folder, "link"));
    const binds = bindsOf({ "sandbox-paths": ["/x"], "allowed-impure-host-deps": [join(folder, "link")] });
    const path = join(folder, "link/hostname");
    expect((await binds({ impureHostDeps: [path] })).get(path)?.source).toBe(path);
    await expect(binds({ impureHostDeps: ["/etc/hostname"] })).rejects.toThrow(
      "requested impure path '/etc/hostname'",
    );
    rmSync(folder, { recursive: true });
  });

  test("none is allowed unless settings say so", async () => {
    await expect(bindsOf({ "sandbox-paths": ["/x"] })({ impureHostDeps: ["/etc"] })).rejects.toThrow(
      "impure path",
    );
  });
});

describe("certificates of a build with network", () => {
  const target = "/etc/ssl/certs/ca-certificates.crt";
  let folder = "";
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "drvkit-certificates-")));
    mkdirSync(join(folder, "deep"));
    writeFileSync(join(folder, "deep/bundle"), "certificates");
    symlinkSync("deep/bundle", join(folder, "second"));
    symlinkSync(join(folder, "second"), join(folder, "first"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("are those of the setting, behind every link, read-only", async () => {
    const binds = bindsOf({ "sandbox-paths": ["/x"], "ssl-cert-file": join(folder, "first") });
    expect((await binds({ network: "host" })).get(target)).toEqual({
      source: join(folder, "deep/bundle"),
      target,
      writable: false,
      optional: true,
    });
    expect((await binds()).has(target)).toBe(false);
  });

  test("are none where the setting names what is not there", async () => {
    const binds = bindsOf({ "sandbox-paths": ["/x"], "ssl-cert-file": join(folder, "absent") });
    expect([...(await binds({ network: "host" })).keys()]).toEqual(["/x"]);
  });

  test.each([target, "/etc/ssl/certs", "/etc"])("take no place that %s has", async (shown) => {
    const binds = bindsOf({ "sandbox-paths": [`${shown}=/mine`], "ssl-cert-file": join(folder, "first") });
    expect(sources(await binds({ network: "host" }))).toEqual({ [shown]: "/mine" });
  });
});
