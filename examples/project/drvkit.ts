// A C library, a program that links to it, tests, a page made by Node, and a bundle: thirteen derivations in one file.
// npx drv build examples/project/drvkit.ts#bundle --host-tools
import { fileURLToPath } from "node:url";
import { derivation, type Engine, nix } from "@drvkit/engine";

type Script = ReturnType<typeof nix> | string;

/** A build step with the machine's tools. */
const step = (name: string, script: Script, more: Record<string, string> = {}) =>
  derivation({ name, builder: "/bin/sh", args: ["-euc", script], PATH: "/usr/bin:/bin", ...more });

const project = async (engine: Engine) => {
  const source = (path: string) => engine.source(fileURLToPath(new URL(path, import.meta.url)));
  const headers = await source("lib/words.h");

  const object = async (name: string, path: string) =>
    step(
      `${name}.o`,
      nix`mkdir include; cp ${headers} include/words.h; cc -Wall -O2 -Iinclude -x c -c ${await source(path)} -o $out`,
    );

  // The library: each file is compiled by itself, so that a change compiles one file.
  const split = await object("split", "lib/split.c");
  const count = await object("count", "lib/count.c");
  const library = step("libwords.a", nix`ar rcsD $out ${split} ${count}`);

  // What links to it.
  const words = step("words", nix`cc ${await object("main", "app/main.c")} ${library} -o $out`);
  const suite = step("words-test", nix`cc ${await object("test", "test/words-test.c")} ${library} -o $out`);
  const report = step("test-report", nix`${suite} > $out || { cat $out; exit 1; }`);

  // A fixed output: whatever the builder does, the bytes have this hash. Such a builder has the network.
  const text = step(
    "text",
    String.raw`printf 'The engine reads what should exist,\nand makes of it what is not there yet;\nwhat is there already stays as it is.\n' > $out`,
    {
      outputHashAlgo: "sha256",
      outputHash: "abbacf84657189724d4339935fcefaaa824c99d758cb6884bcb646f0d5b0b3e5",
    },
  );

  // Steps that run what was built, and one that runs in JavaScript, by this very Node.
  const facts = step("facts.json", nix`${words} < ${text} > $out`);
  const manual = step("manual", "echo 'words: counts the words of standard input' > $out");
  const page = derivation({
    name: "page.html",
    builder: process.execPath,
    args: [await source("page/render.mjs"), facts, text, manual],
  });

  const bundle = step(
    "bundle",
    nix`mkdir -p $out/bin $out/share; cp ${words} $out/bin/words; cp ${page} $out/share/index.html; cp ${report} $out/share/test-report`,
  );
  return { library, words, report, page, bundle };
};

export const bundle = async (engine: Engine) => (await project(engine)).bundle;

export const report = async (engine: Engine) => (await project(engine)).report;
