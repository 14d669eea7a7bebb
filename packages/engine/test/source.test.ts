import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { removeTree } from "@drvkit/sandbox-native";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Engine, openEngine, type SourceOptions } from "../src/index.js";

let folder = "";
let engine: Engine;
const warnings: string[] = [];
const top = () => join(folder, "tree");

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "drvkit-source-"));
  engine = await open();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await engine.close();
  await removeTree(folder);
});

function open(): Promise<Engine> {
  warnings.length = 0;
  return openEngine({
    store: join(folder, "store"),
    env: {},
    onWarning: (message) => warnings.push(message),
  });
}

/** Files by path below the top; a path that ends in a slash is a folder. */
function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const file = join(top(), path);
    mkdirSync(path.endsWith("/") ? file : dirname(file), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(file, text);
  }
}

async function add(options: SourceOptions = {}): Promise<string> {
  return (await engine.source(top(), options)).path;
}

/** What is in the store object, folders with a slash. */
async function taken(options: SourceOptions): Promise<string[]> {
  const real = join(folder, "store/nix/store", (await add(options)).slice("/nix/store/".length));
  return readdirSync(real, { recursive: true, withFileTypes: true })
    .map((each) => relative(real, join(each.parentPath, each.name)) + (each.isDirectory() ? "/" : ""))
    .sort();
}

const project = {
  "src/main.c": "main",
  "src/gen/table.c": "table",
  "src/gen/Table.O": "object",
  "src/main.o": "object",
  "docs/a.md": "a",
  "empty/": "",
  ".git/HEAD": "ref",
  ".gitignore": "*.o\n/docs\n",
  "src/gen/.gitignore": "!main.o\n*.O\n",
  README: "readme",
};

describe("filters of engine.source", () => {
  const everything = Object.keys(project).concat([".git/", "docs/", "src/", "src/gen/"]).sort();
  const without = (...paths: string[]) => everything.filter((each) => !paths.includes(each));

  test.each<[what: string, options: SourceOptions, expected: readonly string[]]>([
    ["everything without filters", {}, everything],
    ["everything that no pattern matches", { exclude: [] }, everything],
    ["nothing for no pattern to include", { include: [] }, []],
    ["what a name matches anywhere", { include: ["main.c"] }, ["src/", "src/main.c"]],
    ["a folder with all in it", { include: ["/docs"] }, ["docs/", "docs/a.md"]],
    ["an empty folder that is matched", { include: ["empty"] }, ["empty/"]],
    [
      "what a glob matches, with the folders on the way",
      { include: ["src/**/*.c"] },
      ["src/", "src/gen/", "src/gen/table.c", "src/main.c"],
    ],
    ["what a later pattern takes back", { include: ["*.c", "!table.c"] }, ["src/", "src/main.c"]],
    [
      "not what is excluded, folders with all in them",
      { exclude: ["gen/", "*.md"] },
      without("src/gen/", "src/gen/table.c", "src/gen/Table.O", "src/gen/.gitignore", "docs/a.md"),
    ],
    ["only upper case where a pattern has it", { exclude: ["*.O"] }, without("src/gen/Table.O")],
    [
      "what is included and not excluded",
      { include: ["/src"], exclude: ["gen"] },
      ["src/", "src/main.c", "src/main.o"],
    ],
    [
      "what ignore files leave, and no .git",
      { ignoreFile: ".gitignore" },
      without(".git/", ".git/HEAD", "docs/", "docs/a.md", "src/main.o", "src/gen/Table.O"),
    ],
    ["everything when no file has the name of the ignore file", { ignoreFile: ".none" }, everything],
  ])("takes %s", async (_, options, expected) => {
    write(project);
    expect(await taken(options)).toEqual(expected);
  });

  test("a deeper ignore file decides against a higher one, for files and for whole folders", async () => {
    write({
      ".gitignore": "*.o\nbuild\n",
      "lib/.gitignore": "!kept.o\n!build\n",
      "lib/kept.o": "",
      "lib/other.o": "",
      "lib/build/x": "",
      "build/x": "",
    });
    const found = await taken({ ignoreFile: ".gitignore" });
    expect(found).toEqual([
      ".gitignore",
      "lib/",
      "lib/.gitignore",
      "lib/build/",
      "lib/build/x",
      "lib/kept.o",
    ]);
  });

  test("an ignore file that is a link or a folder is an entry like others", async () => {
    write({ "a/.ignore/x": "", "b/x": "" });
    symlinkSync("/etc/passwd", join(top(), "b/.ignore"));
    const found = await taken({ ignoreFile: ".ignore" });
    expect(found).toEqual(["a/", "a/.ignore/", "a/.ignore/x", "b/", "b/.ignore", "b/x"]);
  });

  test("what is left out is not looked at: neither its content nor its type", async () => {
    write({ "keep/x": "x", "node_modules/secret/x": "x" });
    execFileSync("mkfifo", [join(top(), "pipe")]);
    chmodSync(join(top(), "node_modules/secret"), 0);
    expect(await taken({ exclude: ["node_modules", "pipe"] })).toEqual(["keep/", "keep/x"]);
    chmodSync(join(top(), "node_modules/secret"), 0o700);
  });

  test.each(["", ".", "..", "a/b", "/etc/passwd"])("'%s' names no ignore file", async (ignoreFile) => {
    write(project);
    await expect(add({ ignoreFile })).rejects.toMatchObject({ code: "ERR_SOURCE_FILTER" });
  });

  test("names that are no UTF-8 are taken as they are, and refused when patterns would have to match them", async () => {
    write({ "a/x": "" });
    writeFileSync(Buffer.concat([Buffer.from(`${top()}/a/`), Buffer.from([0xff, 0x41])]), "odd");
    await add();
    await expect(add({ exclude: ["b"] })).rejects.toMatchObject({
      code: "ERR_SOURCE_NAME",
      message: `name of '${top()}/a/\\xffA' is not UTF-8`,
    });
    await add({ exclude: ["a"] });
  });

  test("says nothing about a source that is a file or a link itself", async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(top(), "file");
    expect(await add({ include: ["nothing"] })).toBe(await add());
    rmSync(top());
    symlinkSync("anywhere", top());
    const path = join(folder, "store/nix/store", (await add({ exclude: ["*"] })).slice("/nix/store/".length));
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
  });
});

describe("a source that cannot be added", () => {
  const validPaths = async () => [...(await engine.store.queryAllValidPaths())];

  test("a source to add that is not there", async () => {
    await expect(add()).rejects.toMatchObject({
      code: "ERR_SOURCE_MISSING",
      message: `no file or folder '${top()}'`,
    });
  });

  test.each([{}, { exclude: ["nothing"] }])("has a FIFO, with the options %o", async (options) => {
    write({ "a/x": "" });
    execFileSync("mkfifo", [join(top(), "a/pipe")]);
    await expect(add(options)).rejects.toMatchObject({
      code: "ERR_SOURCE_TYPE",
      message: `file '${top()}/a/pipe' has an unsupported type`,
    });
    expect(await validPaths()).toEqual([]);
  });

  test.skipIf(process.getuid?.() === 0)("has a file that may not be read (root may read all)", async () => {
    write({ "a/x": "" });
    chmodSync(join(top(), "a/x"), 0);
    await expect(add()).rejects.toMatchObject({
      code: "ERR_SOURCE_UNREADABLE",
      message: `cannot read '${top()}/a/x': permission denied`,
    });
    expect(await validPaths()).toEqual([]);
  });

  test("says that it was changed when it goes while it is read", async () => {
    write({ "a/x": "" });
    const { store } = engine;
    const addTree = store.addTree.bind(store);
    vi.spyOn(store, "addTree").mockImplementation((...args) => {
      rmSync(top(), { recursive: true });
      return addTree(...args);
    });
    await expect(add()).rejects.toMatchObject({
      code: "ERR_SOURCE_CHANGED",
      message: `'${top()}' was changed while it was read`,
    });
    expect(await validPaths()).toEqual([]);
  });

  test("ends with the signal's reason, and with the engine", async () => {
    write({ "a/x": "" });
    const reason = new Error("enough");
    await expect(add({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await engine.close();
    await expect(add()).rejects.toMatchObject({ code: "ERR_ENGINE_CLOSED" });
  });

  test("leaves no directory in the store", async () => {
    write({ x: "" });
    execFileSync("mkfifo", [join(top(), "pipe")]);
    await add().catch(() => undefined);
    expect(readdirSync(join(folder, "store/nix/store"))).toEqual([]);
  });
});

describe("the cache of sources", () => {
  const read = () => vi.spyOn(engine.store, "addTree");
  /** As if what was written so far had been there for long. */
  const later = () => {
    const now = Date.now() + 60_000;
    vi.spyOn(Date, "now").mockReturnValue(now);
  };

  test("a source that is as it was is not read again, in this engine and in the next", async () => {
    write(project);
    later();
    const reading = read();
    const path = await add({ exclude: ["*.o"] });
    expect(await add({ exclude: ["*.o"] })).toBe(path);
    expect(reading).toHaveBeenCalledTimes(1);
    await engine.close();
    engine = await open();
    const again = read();
    expect(await add({ exclude: ["*.o"] })).toBe(path);
    expect(again).not.toHaveBeenCalled();
  });

  test("a young file is read each time: it may change within one tick of the clock", async () => {
    write(project);
    const reading = read();
    await add();
    await add();
    expect(reading).toHaveBeenCalledTimes(2);
  });

  test.each<[what: string, change: () => void]>([
    ["another content", () => writeFileSync(join(top(), "src/main.c"), "MAIN")],
    ["another mode", () => chmodSync(join(top(), "src/main.c"), 0o755)],
    ["another file of the same name", replaced],
    ["a new file", () => writeFileSync(join(top(), "src/new.c"), "")],
    ["a new empty folder", () => mkdirSync(join(top(), "src/new"))],
    ["a file less", () => rmSync(join(top(), "src/main.c"))],
    ["another name", () => renameSync(join(top(), "src/main.c"), join(top(), "src/main.cc"))],
    [
      "a link elsewhere",
      () => {
        rmSync(join(top(), "link"));
        symlinkSync("else", join(top(), "link"));
      },
    ],
  ])("%s is noticed", async (_, change) => {
    write(project);
    symlinkSync("where", join(top(), "link"));
    later();
    const before = await add();
    change();
    expect(await add()).not.toBe(before);
  });

  test("a change of what is left out is not looked at", async () => {
    write(project);
    later();
    const reading = read();
    const before = await add({ include: ["*.c"] });
    writeFileSync(join(top(), "src/main.o"), "other");
    writeFileSync(join(top(), "new"), "new");
    expect(await add({ include: ["*.c"] })).toBe(before);
    expect(reading).toHaveBeenCalledTimes(1);
  });

  test("other filters and other names are other sources", async () => {
    write(project);
    later();
    const paths = [
      await add(),
      await add({ name: "other" }),
      await add({ exclude: ["*.c"] }),
      await add({ include: ["*.c"] }),
    ];
    expect(new Set(paths).size).toBe(4);
  });

  test("is forgotten with the store it belongs to, and when its file goes", async () => {
    write(project);
    later();
    const path = await add();
    await engine.close();
    rmSync(join(folder, "store/nix/var/nix/drvkit/cache.mdb"), { recursive: true });
    engine = await open();
    expect(await add()).toBe(path);
    await engine.close();
    rmSync(join(folder, "store/nix/var/nix/drvkit/db"), { recursive: true });
    engine = await open();
    expect(await add()).toBe(path);
    expect(await engine.store.queryPathInfo(path as never)).toBeDefined();
    expect(warnings).toEqual([]);
  });

  test("that cannot be used is one warning", async () => {
    write(project);
    later();
    symlinkSync("/nonexistent", join(folder, "store/nix/var/nix/drvkit/cache.lock"));
    await add();
    await add();
    expect(warnings).toEqual([expect.stringContaining("cache.mdb' is not used: ")]);
    expect(engine.warnings).toEqual(warnings);
  });

  function replaced(): void {
    const file = join(top(), "src/main.c");
    writeFileSync(`${file}.new`, "nine");
    renameSync(`${file}.new`, file);
  }
});

describe("the path of a source", () => {
  const nix = spawnSync("nix-instantiate", ["--version"]).status === 0;

  test("is the one that Nix gave for the same entries", async () => {
    write({ "a/x": "x", "a/y.o": "y", "empty/": "", "run.sh": "#!/bin/sh\n" });
    chmodSync(join(top(), "run.sh"), 0o755);
    symlinkSync("a/x", join(top(), "link"));
    const recorded = JSON.parse(
      readFileSync(new URL("testdata/sources.json", import.meta.url), "utf8"),
    ) as Record<string, string>;
    expect({
      all: await add(),
      named: await add({ name: "other" }),
      "without *.o": await add({ exclude: ["*.o"] }),
      "without a": await add({ exclude: ["a"] }),
    }).toEqual(recorded);
  });

  test.skipIf(!nix)("is the one that an installed Nix gives (nix-instantiate is not here)", async () => {
    write(project);
    const nixPath = (filter: string) => {
      const env = Object.fromEntries(
        ["LOCALSTATE_DIR", "STATE_DIR", "LOG_DIR", "CONF_DIR"].map((name) => [
          `NIX_${name}`,
          join(folder, "nix"),
        ]),
      );
      const text = `builtins.path { path = ${top()}; name = "tree"; filter = path: type: ${filter}; }`;
      const args = ["--eval", "--read-write-mode", "--store", join(folder, "nix-store"), "-E", text];
      return JSON.parse(
        execFileSync("nix-instantiate", args, { env: { ...process.env, ...env } }).toString(),
      );
    };
    expect(await add()).toBe(nixPath("true"));
    expect(await add({ exclude: ["*.o"] })).toBe(nixPath('builtins.match ".*[.]o" path == null'));
    expect(await add({ exclude: ["src"] })).toBe(nixPath('baseNameOf path != "src"'));
  });
});
