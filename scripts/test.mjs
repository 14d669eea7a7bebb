// Sets up and runs every suite: `npm test`, with `--long` the counts that issues name, with `--no-build` what is built.
// The last line is `N passed, N failed, N skipped`, summed over the runners.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { root, run } from "./run.mjs";
import { setup } from "./setup.mjs";

const flags = new Set(process.argv.slice(2));
const started = Date.now();
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
/** What failed with its first lines, for the end of the log: a runner may keep no more than that. */
const causes = [];
const bin = (name) => join(root, "node_modules/.bin", name);
const native = (script) => join(root, "packages/sandbox-native/scripts", script);
const long = flags.has("--long") ? "1" : "";
/** What a script ends with that could do nothing on this machine and said why. */
const cannotRun = 77;

if (!flags.has("--no-build")) {
  try {
    await setup();
  } catch (error) {
    console.error(error.message);
    add("set-up", { passed: 0, failed: 1, skipped: 0 });
    finish();
  }
}
if (!flags.has("--unit")) {
  await check("lint", bin("biome"), ["check", "."]);
  await check("type check", bin("tsc"), ["-p", "tsconfig.json"]);
  await cargo();
  if (flags.has("--long")) {
    await check("AddressSanitizer", process.execPath, [native("sanitize.mjs")]);
    await check("cargo fuzz", process.execPath, [native("fuzz.mjs")]);
  }
}
const reached = mkdtempSync(join(tmpdir(), "drvkit-reached-"));
await vitest();
await check("rows of the specification", process.execPath, [
  join(root, "packages/goal/scripts/row-coverage.mjs"),
  reached,
]);
rmSync(reached, { recursive: true, force: true });
finish();

function add(name, counts) {
  for (const key of Object.keys(total)) total[key] += counts[key];
  if (counts.failed > 0) failures.push(name);
}

async function check(name, command, args) {
  console.log(`\n── ${name}`);
  const { ok, code } = await run(command, args);
  if (code === cannotRun) return add(name, { passed: 0, failed: 0, skipped: 1 });
  add(name, { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });
}

async function cargo() {
  const cwd = join(root, "packages/sandbox-native");
  const available = await run("cargo", ["--version"], { quiet: true }).then(
    ({ ok }) => ok,
    () => false,
  );
  if (!available) {
    console.log("\n── cargo: skipped, cargo is not on the path of this user");
    return add("cargo", { passed: 0, failed: 0, skipped: 3 });
  }
  console.log("\n── cargo fmt");
  const form = await run("cargo", ["fmt", "--all", "--check"], { cwd });
  add("cargo fmt", { passed: form.ok ? 1 : 0, failed: form.ok ? 0 : 1, skipped: 0 });
  console.log("\n── cargo clippy");
  const lint = await run(
    "cargo",
    ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"],
    { cwd },
  );
  add("cargo clippy", { passed: lint.ok ? 1 : 0, failed: lint.ok ? 0 : 1, skipped: 0 });
  console.log("\n── cargo test");
  const env = { ...process.env, DRVKIT_TEST_LONG: long };
  const tests = await run("cargo", ["test", "--workspace", "--locked", "--quiet"], {
    cwd,
    env,
    capture: true,
  });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed, ignored] of tests.output.matchAll(
    /test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/g,
  )) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(ignored);
  }
  if (!tests.ok && counts.failed === 0) counts.failed = 1;
  add("cargo test", counts);
}

async function vitest() {
  console.log("\n── vitest");
  const folder = mkdtempSync(join(tmpdir(), "drvkit-vitest-"));
  const report = join(folder, "report.json");
  const env = { ...process.env, DRVKIT_TEST_LONG: long, DRVKIT_REACHED: reached };
  const where = flags.has("--unit") ? ["packages"] : [];
  const { ok } = await run(
    bin("vitest"),
    ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...where],
    { env },
  );
  const counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    const result = JSON.parse(readFileSync(report, "utf8"));
    counts.passed = result.numPassedTests;
    counts.failed = result.numFailedTests;
    counts.skipped = result.numPendingTests + (result.numTodoTests ?? 0);
    causes.push(...failedTests(result));
    if (!ok && counts.failed === 0) counts.failed = Math.max(1, result.numFailedTestSuites ?? 1);
  } catch {
    counts.failed = 1;
  }
  rmSync(folder, { recursive: true, force: true });
  add("vitest", counts);
}

function failedTests({ testResults }) {
  return testResults.flatMap((file) => {
    const name = relative(root, file.name);
    const failed = file.assertionResults.filter(({ status }) => status === "failed");
    if (failed.length === 0 && file.status === "failed")
      return [`failed: ${name}\n${firstLines(file.message)}`];
    return failed.map(
      (test) => `failed: ${name}: ${test.fullName}\n${firstLines(test.failureMessages.join("\n"))}`,
    );
  });
}

function firstLines(text) {
  return text
    .split("\n")
    .slice(0, 12)
    .map((line) => `  ${line.slice(0, 300)}`)
    .join("\n");
}

function finish() {
  if (causes.length > 0) console.log(`\n── what failed\n${causes.join("\n")}\n── end of what failed`);
  const minutes = ((Date.now() - started) / 60_000).toFixed(1);
  console.log(
    `\n${failures.length === 0 ? "everything passed" : `failed: ${failures.join(", ")}`} in ${minutes} minutes`,
  );
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exit(total.failed === 0 ? 0 : 1);
}
