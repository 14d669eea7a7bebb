import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { filesBelow, type Package, packages } from "./workspace.js";

/** What each package may use of ours: the table of docs/architecture.md. */
const table: Readonly<Record<string, readonly string[]>> = {
  "drv-parser": [],
  nar: [],
  narinfo: ["drv-parser"],
  "sandbox-native": [],
  "store-lmdb": ["drv-parser", "narinfo", "sandbox-native"],
  goal: ["drv-parser", "narinfo"],
  engine: ["drv-parser", "goal", "narinfo", "sandbox-native", "store-lmdb"],
  cli: ["drv-parser", "engine", "goal", "nar", "narinfo", "sandbox-native", "store-lmdb"],
};

/** Packages of others that only one of ours may use. */
const reserved: Readonly<Record<string, string>> = {
  lmdb: "store-lmdb",
  ignore: "engine",
  "xxhash-wasm": "engine",
  commander: "cli",
  "@noble/hashes": "drv-parser",
};

describe.each(packages.map((each) => ({ name: each.folder, each })))("$name", ({ name, each }) => {
  const allowed = (table[name] ?? []).map((other) => `@drvkit/${other}`);

  test("is in the table", () => {
    expect(Object.keys(table)).toContain(name);
  });

  test("declares no package of ours that the table does not allow", () => {
    const declared = Object.keys(each.manifest.dependencies ?? {}).filter((other) =>
      other.startsWith("@drvkit/"),
    );
    expect(declared.filter((other) => !allowed.includes(other))).toEqual([]);
  });

  test("imports only what its manifest declares", () => {
    const declared = [
      ...Object.keys(each.manifest.dependencies ?? {}),
      ...Object.keys(each.manifest.optionalDependencies ?? {}),
      each.manifest.name,
    ];
    const undeclared = importsOf(each).filter(({ from }) => !declared.includes(from));
    expect(undeclared).toEqual([]);
  });

  test("leaves to others what is theirs", () => {
    const foreign = importsOf(each).filter(
      ({ from }) => reserved[from] !== undefined && reserved[from] !== name,
    );
    expect(foreign).toEqual([]);
  });

  test("has exports, files and engines", () => {
    expect(each.manifest.exports).toBeDefined();
    expect(each.manifest.files).toContain("dist");
    expect(each.manifest.engines?.["node"]).toBe(">=20.19.0");
  });
});

test("drv-parser, nar and narinfo import nothing of Node: they run in a browser", () => {
  const pure = packages.filter(({ folder }) => ["drv-parser", "nar", "narinfo"].includes(folder));
  expect(pure.flatMap((each) => nodeImportsOf(each))).toEqual([]);
});

interface Import {
  readonly file: string;
  readonly from: string;
}

function specifiersOf(each: Package): readonly { file: string; specifier: string }[] {
  const sources = ["src", "ts", "bin"].flatMap((folder) =>
    filesBelow(join(each.path, folder), [".ts", ".js"]),
  );
  return sources.flatMap((file) =>
    [
      ...readFileSync(file, "utf8").matchAll(
        /^(?!\s*(?:\*|\/\/)).*?(?:from|import\(|^import)\s*"([^"]+)"/gmu,
      ),
    ].map((match) => ({
      file: file.slice(each.path.length + 1),
      specifier: match[1] ?? "",
    })),
  );
}

function importsOf(each: Package): readonly Import[] {
  return specifiersOf(each)
    .filter(({ specifier }) => !/^(?:[.#]|node:)/u.test(specifier))
    .map(({ file, specifier }) => ({ file, from: packageNameOf(specifier) }));
}

function nodeImportsOf(each: Package): readonly string[] {
  return (
    specifiersOf(each)
      .filter(({ specifier }) => specifier.startsWith("node:"))
      // Taken under the condition "node" only; there is a portable one beside it.
      .filter(({ file }) => !file.endsWith("-node.ts"))
      .map(({ file, specifier }) => `${file}: ${specifier}`)
  );
}

function packageNameOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
