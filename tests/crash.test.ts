import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { makeStoreDir, type OutputName, printHash, type StorePath } from "@drvkit/drv-parser";
import { type EngineOptions, openEngine } from "@drvkit/engine";
import { hashTree, lockFile, removeTree } from "@drvkit/sandbox-native";
import type { LmdbStore } from "@drvkit/store-lmdb";
import { describe, expect, test } from "vitest";
import { Scratch, sandboxWorks } from "./drv-command.js";
import { DerivationFolder, type Recipe } from "./make-derivation.js";
import { isLong } from "./properties.js";
import { root } from "./workspace.js";

const canRun = sandboxWorks && existsSync("/usr/bin/mkdir");
const why = canRun
  ? ""
  : ` (skipped: ${sandboxWorks ? "there is no /usr/bin/mkdir" : "this machine cannot build in the sandbox"})`;

/** Of so many moments one is tried. */
const every = isLong ? 1 : 3;

const env = { PATH: "/usr/bin:/bin" };
/** Each refers to itself or to another one, and one to all. */
const three = {
  outputs: ["out", "dev", "lib"],
  script:
    "mkdir $out; echo $out $dev > $out/uses; ln -s $lib $out/lib; echo dev of $lib > $dev; echo I am $lib > $lib",
};
const contentAddressed = { __contentAddressed: true, outputHashMode: "recursive", outputHashAlgo: "sha256" };

interface Kind {
  readonly kind: string;
  readonly recipe: Recipe;
  readonly settings: Readonly<Record<string, string>>;
}

const kinds: readonly Kind[] = [
  { kind: "input-addressed", recipe: { ...three, name: "by-input", env }, settings: {} },
  {
    kind: "floating",
    recipe: { ...three, name: "by-content", env: { ...env, ...contentAddressed } },
    settings: { "experimental-features": "ca-derivations" },
  },
  {
    kind: "fixed",
    recipe: { name: "by-hash", script: "echo fixed > $out", env, fixedContent: "fixed\n" },
    settings: {},
  },
  {
    kind: "without a sandbox",
    recipe: { ...three, name: "unconfined", env },
    settings: { sandbox: "false" },
  },
];

describe.skipIf(!canRun)(`a build that is killed after its builder ended${why}`, () => {
  test.each(kinds)(
    "leaves all of its outputs or none, and the next one succeeds: $kind",
    {
      timeout: 900_000,
    },
    async ({ recipe, settings }) => {
      await using scratch = new Scratch();
      chmodSync(scratch.folder, 0o755);
      const { store } = scratch;
      const storeDir = makeStoreDir(join(store, "nix/store")); // where it is: only there no sandbox is needed
      const drvs = new DerivationFolder(scratch.path("drvs"), storeDir);
      const options = { store, storeDir, settings: { ...settings, "host-tools": "true" } };
      const file = drvs.fileOf(drvs.write(recipe));

      expect(await buildUntil(0, file, options)).toMatchObject({ code: 0 });
      const right = await withEngine(options, lookAt);
      const files = filesOf(store);
      expect(right.objects.size).toBe(recipe.outputs?.length ?? 1);
      expect(right.realisations.size).toBe("experimental-features" in settings ? 3 : 0);

      for (let moment = 1; ; moment += every) {
        await removeTree(store);
        const killed = await buildUntil(moment, file, options);
        if (killed.code === 0) break;
        expect(killed).toMatchObject({ signal: "SIGKILL" });
        const where = `${moment}: ${killed.at}`;
        const wasValid = await withEngine(options, async (engine) => {
          expect(engine.warnings, where).toEqual([]);
          expect(underWay(engine.store), where).toEqual([]);
          const found = await look(engine.store);
          expectAllOrNone(found, right, where);
          const { results } = await engine.build([file]).result;
          const failures = results.map((result) =>
            "errorMessage" in result ? result.errorMessage : undefined,
          );
          expect(failures, where).toEqual([undefined]);
          expect(await look(engine.store), where).toEqual(right);
          return found.objects.size > 0;
        });
        if (wasValid) await removeLocks(storeDir, where);
        expect(filesOf(store), where).toEqual(files);
      }
    },
  );
});

describe.skipIf(!canRun)(`a repair that is killed after its builder ended${why}`, () => {
  test("leaves the damaged output or the good one, never none, and the next one succeeds", {
    timeout: 900_000,
  }, async () => {
    await using scratch = new Scratch();
    chmodSync(scratch.folder, 0o755);
    const { store } = scratch;
    const drvs = new DerivationFolder(scratch.path("drvs"));
    const options = { store, settings: { "host-tools": "true" } };
    const drvPath = drvs.write({ ...three, name: "damaged", env });
    const [file, out] = [drvs.fileOf(drvPath), join(store, drvs.outputOf(drvPath), "uses")];
    for (let moment = 1; ; moment += every) {
      await removeTree(store);
      expect(await buildUntil(0, file, options)).toMatchObject({ code: 0 });
      const [right, files, good] = [
        await withEngine(options, lookAt),
        filesOf(store),
        readFileSync(out, "utf8"),
      ];
      chmodSync(out, 0o644);
      writeFileSync(out, "damaged");
      const killed = await buildUntil(moment, file, options, "repair");
      if (killed.code === 0) break;
      expect(killed).toMatchObject({ signal: "SIGKILL" });
      const where = `${moment}: ${killed.at}`;
      expect(["damaged", good], where).toContain(readFileSync(out, "utf8"));
      await withEngine(options, async (engine) => {
        expect(underWay(engine.store), where).toEqual([]);
        const { results } = await engine.build([file], { mode: "repair" }).result;
        expect(results, where).toMatchObject([{ outputs: expect.anything() }]);
        expect(await look(engine.store), where).toEqual(right);
      });
      await removeLocks(join(store, "nix/store"), where);
      expect(filesOf(store), where).toEqual(files);
    }
  });
});

const lookAt = ({ store }: { readonly store: LmdbStore }) => look(store);

/** Builds until the moment of this number; 0: to the end. */
async function buildUntil(
  moment: number,
  file: string,
  options: EngineOptions,
  mode: "normal" | "repair" = "normal",
) {
  const args = [join(root, "tests/crash-build.mjs"), JSON.stringify(options), file, `${moment}`, mode];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const at = text(child.stdout);
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, at: await at };
}

/** Opens the store anew, as the command does: what was left is swept. */
async function withEngine<Result>(
  options: EngineOptions,
  use: (engine: Awaited<ReturnType<typeof openEngine>>) => Promise<Result>,
): Promise<Result> {
  await using engine = await openEngine(options);
  return await use(engine);
}

/** What is valid that was built, and of which outputs it is known where they are. */
interface Seen {
  readonly objects: ReadonlyMap<
    StorePath,
    { readonly narHash: string; readonly references: readonly string[] }
  >;
  readonly realisations: ReadonlyMap<OutputName, StorePath>;
}

/** Each object is what was registered of it. */
async function look(store: LmdbStore): Promise<Seen> {
  const objects = new Map<StorePath, { narHash: string; references: readonly string[] }>();
  const realisations = new Map<OutputName, StorePath>();
  for (const path of await store.queryAllValidPaths()) {
    if (path.endsWith(".drv")) {
      for (const [outputName, hash] of await store.queryOutputHashes(path)) {
        const known = await store.queryRealisation({ type: "hash", hash, outputName });
        if (known !== undefined) realisations.set(outputName, known.outPath);
      }
      continue;
    }
    const { narHash, references } = await store.requirePathInfo(path);
    const { digest } = await hashTree(store.realPathOf(path));
    expect(Buffer.from(digest), path).toEqual(Buffer.from(narHash.digest));
    objects.set(path, { narHash: printHash(narHash, "sri"), references: [...references] });
  }
  return { objects, realisations };
}

/** Objects are registered at once, then realisations one by one: some of them say less, and nothing wrong. */
function expectAllOrNone({ objects, realisations }: Seen, right: Seen, where: string): void {
  if (objects.size > 0) expect(objects, where).toEqual(right.objects);
  else expect(realisations.size, where).toBe(0);
  for (const [name, path] of realisations) expect(path, where).toBe(right.realisations.get(name));
}

/** What only a build under way should have on disk. */
function underWay({ realStoreDir, stateDir }: LmdbStore): readonly string[] {
  const builds = join(stateDir, "builds");
  return [
    ...readdirSync(realStoreDir).filter((name) => /\.chroot$|^tmp-/u.test(name)),
    ...(existsSync(builds) ? readdirSync(builds) : []),
  ];
}

/** Nobody holds one. Where nothing was to be built any more the files are left to whoever collects garbage. */
async function removeLocks(storeDir: string, where: string): Promise<void> {
  for (const name of readdirSync(storeDir).filter((each) => each.endsWith(".lock"))) {
    const lock = await lockFile(join(storeDir, name), { wait: false });
    expect(lock, `${where}: ${name}`).toBeDefined();
    lock?.releaseAndDelete();
  }
}

/**
 * Names of all that is in the folder of a closed store, outputs as a whole, without what is kept for each user id. A log is whole before
 * it is compressed, too; what there is of the compressed one then is replaced by the next build.
 */
function filesOf(store: string): readonly string[] {
  const objects = readdirSync(join(store, "nix/store"));
  const state = readdirSync(join(store, "nix/var"), { recursive: true, encoding: "utf8" })
    .filter((name) => !name.startsWith("nix/cgroups") && !name.endsWith(".bz2.new"))
    .map((name) => name.replace(/\.bz2$/u, ""));
  return [...new Set([...objects, ...state])].sort();
}
