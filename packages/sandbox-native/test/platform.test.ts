import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import * as everything from "../ts/index.js";
import { makeDriver, removeDirectories } from "./harness.js";

afterAll(removeDirectories);

const packageDir = fileURLToPath(new URL("..", import.meta.url));

/** Runs a module beside a copy of this package that is installed under its name. */
function runModule(source: string, prepare: (driver: string) => void = () => {}) {
  const driver = makeDriver();
  writeFileSync(join(driver, "package.json"), JSON.stringify({ type: "module", exports: "./dist/index.js" }));
  prepare(driver);
  const scope = join(driver, "node_modules/@drvkit");
  mkdirSync(scope, { recursive: true });
  symlinkSync(driver, join(scope, "sandbox-native"));
  const file = join(driver, "example.mjs");
  writeFileSync(file, source);
  // pnpm's commands put the workspace's packages on this path.
  const env = { ...process.env, NODE_PATH: "" };
  return spawnSync(process.execPath, ["--preserve-symlinks", file], { encoding: "utf8", env });
}

test("the example of the README runs", () => {
  const readme = readFileSync(join(packageDir, "README.md"), "utf8");
  const source = /^```ts example\n(.*?)^```$/msu.exec(readme)?.[1] ?? "";
  const { stdout, stderr, status } = runModule(source);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^this Node as an archive: \d+ bytes, sha256 [0-9a-f]{64}$/mu);
  expect(stdout).toMatch(/a file of the build directory\n\{ kind: 'exited', code: 0 \}|^no sandbox here: /mu);
});

describe("a platform without a sandbox", () => {
  const asDarwin = 'Object.defineProperty(process, "platform", { value: "darwin" });';

  test("imports, says why not, and throws from calls", () => {
    const { stdout, stderr } = runModule(`
      ${asDarwin}
      const { platformSupport, probeSandbox } = await import("@drvkit/sandbox-native");
      console.log(JSON.stringify(platformSupport()));
      await probeSandbox().catch((error) => console.log(JSON.stringify({ ...error, message: error.message })));
    `);
    expect(stderr).toBe("");
    const [support, error] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(support).toEqual({ supported: false, reason: "darwin is not Linux" });
    expect(error).toMatchObject({
      code: "ERR_PLATFORM",
      message: "the sandbox does not work on this machine: darwin is not Linux",
      hint: "use Linux on x64 or arm64",
    });
  });

  test("a missing binary names the package that holds it", () => {
    const { stdout } = runModule(
      `import { hashTree } from "@drvkit/sandbox-native";
       await hashTree("/").catch((error) => console.log(error.code, error.hint));`,
      (driver) => rmSync(join(driver, "native"), { recursive: true }),
    );
    expect(stdout).toMatch(/^ERR_PLATFORM install the package "@drvkit\/sandbox-native-linux-/u);
  });

  test("a binary that is damaged keeps the reason", () => {
    const { stdout } = runModule(
      `import { hashTree } from "@drvkit/sandbox-native";
       await hashTree("/").catch((error) => console.log(error.code, error.cause.code));`,
      (driver) => {
        for (const line of execFileSync("ls", [join(driver, "native")], { encoding: "utf8" })
          .trim()
          .split("\n"))
          writeFileSync(join(driver, "native", line), "no library");
      },
    );
    expect(stdout).toBe("ERR_PLATFORM ERR_DLOPEN_FAILED\n");
  });
});

test("importing loads no native code", () => {
  const { stdout } = runModule(`
    import { readFileSync } from "node:fs";
    await import("@drvkit/sandbox-native");
    console.log(readFileSync("/proc/self/maps", "utf8").includes("sandbox-native."));
    const { hashTree } = await import("@drvkit/sandbox-native");
    await hashTree("/proc/self/exe");
    console.log(readFileSync("/proc/self/maps", "utf8").includes("sandbox-native."));
  `);
  expect(stdout).toBe("false\ntrue\n");
});

test("every function of the contract is exported", () => {
  const functions = Object.entries(everything).filter(([, value]) => typeof value === "function");
  expect(functions.map(([name]) => name)).toEqual(
    expect.arrayContaining(
      (
        "startSandbox probeSandbox isHostId platformSupport hashTree hashFile scanTree dumpTree canonicaliseTree canonicaliseAndScanTree copyTree " +
        "removeTree moveTree replaceTree statTree syncTree compressBzip2 decompressBzip2 compressZstd decompressZstd " +
        "lockFile lockDescriptor allocateFile fileSystemType freeBytes startProgram"
      ).split(" "),
    ),
  );
});

describe("scripts", () => {
  test("the build does nothing where nothing changed, quickly", () => {
    const started = performance.now();
    const output = execFileSync(process.execPath, [join(packageDir, "scripts/build.mjs"), "addon"], {
      encoding: "utf8",
    });
    expect(output).toBe("");
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test("a platform package without its binary is not packed", () => {
    const folder = mkdtempSync(join(tmpdir(), "drvkit-require-"));
    const check = () =>
      spawnSync(process.execPath, [join(packageDir, "scripts/require-binary.mjs")], {
        cwd: folder,
        encoding: "utf8",
      });
    try {
      writeFileSync(join(folder, "package.json"), '{ "name": "p", "main": "p.node" }');
      expect(check()).toMatchObject({
        status: 1,
        stderr: 'p cannot be packed: the binary "p.node" is missing; build it on that platform first\n',
      });
      writeFileSync(join(folder, "p.node"), "");
      expect(check().status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
