import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { removeTree, type SandboxEvent, type SandboxSpec, startSandbox } from "../ts/index.js";

const packageDir = fileURLToPath(new URL("..", import.meta.url));

/** Where the five-line builders are. */
export const buildersDir = join(packageDir, "testdata/builders");
export const isRoot = process.geteuid?.() === 0;
/**
 * Id of one builder on this machine: for root one that no other build has, in this or another process, since a start
 * ends whatever runs under it; else our own. Above the range that the engine allocates.
 */
export function nextHostId(): number {
  if (!isRoot) return process.geteuid?.() ?? 0;
  started += 1;
  return 900_000_000 + process.pid * 256 + (started % 256);
}
let started = 0;

export const bytes = (text: string) => new TextEncoder().encode(text);
const text = (chunks: readonly Uint8Array[]) => Buffer.concat(chunks).toString();

/** A directory that is removed, with whatever builders left in it, by {@link removeDirectories}. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "drvkit-sandbox-test-"));
  directories.push(directory);
  return directory;
}
const directories: string[] = [];

export async function removeDirectories(): Promise<void> {
  await Promise.all(directories.splice(0).map((directory) => removeTree(directory)));
}

/** The machine's tools and the builders of this package. */
export const toolBinds = [
  ...["/bin", "/usr", "/lib", "/lib64"].map((path) => bind(path)),
  bind(buildersDir, "/builders"),
];

export function bind(
  source: string,
  target = source,
  options: { writable?: boolean; optional?: boolean } = {},
) {
  const isTool = source === target && source.startsWith("/lib");
  return { source, target, writable: options.writable ?? false, optional: options.optional ?? isTool };
}

/** A description that runs a script of `/builders` with `/bin/sh`, changed by `changes`. */
export function spec(
  directory: string,
  script: readonly string[],
  changes: Partial<SandboxSpec> = {},
): SandboxSpec {
  const hostUid = nextHostId();
  return {
    builder: bytes("/bin/sh"),
    argv: ["sh", ...script].map(bytes),
    env: ["PATH=/bin:/usr/bin"].map(bytes),
    chrootDir: join(directory, "chroot"),
    tempDir: join(directory, "temp"),
    storeDir: "/nix/store",
    buildDir: "/build",
    files: [],
    binds: toolBinds,
    network: "private",
    hostUid,
    hostGid: isRoot ? hostUid : (process.getegid?.() ?? 0),
    personality32: false,
    devShmSize: "50%",
    kvm: false,
    ...changes,
  };
}

/** What a build came to. */
export interface Finished {
  readonly output: string;
  readonly types: readonly SandboxEvent["type"][];
  readonly status: Extract<SandboxEvent, { type: "exit" }>["status"];
  readonly layers: readonly string[];
  readonly directory: string;
}

export async function collect(events: AsyncIterable<SandboxEvent>) {
  const chunks: Uint8Array[] = [];
  const types: SandboxEvent["type"][] = [];
  for await (const event of events) {
    types.push(event.type);
    if (event.type === "output") chunks.push(event.bytes);
    if (event.type === "exit") return { output: text(chunks), types, status: event.status };
  }
  throw new Error("the events ended without an exit");
}

/** Runs a builder to its end. */
export async function build(
  script: readonly string[],
  changes: Partial<SandboxSpec> = {},
): Promise<Finished> {
  const directory = newDirectory();
  const running = await startSandbox(spec(directory, script, changes));
  return { ...(await collect(running)), layers: running.layers, directory };
}

/** Children of any thread of a process: of one that ended meanwhile, none. */
export function childrenOf(pid: number | "self"): readonly number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => readOrNothing(`/proc/${pid}/task/${thread}/children`).split(" "))
    .filter(Boolean)
    .map(Number);
}

export function hasEnded(pid: number): boolean {
  const status = readOrNothing(`/proc/${pid}/status`);
  return status === "" || /^State:\tZ/mu.test(status);
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** `name=value` lines as an object. */
export function facts(output: string): Record<string, string> {
  const lines = output.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** Why the kernel refuses the sandbox here, if it does. */
export async function refusal(): Promise<string | undefined> {
  const directory = newDirectory();
  try {
    await collect(await startSandbox(spec(directory, ["-c", "exit"])));
    return undefined;
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_SANDBOX_UNAVAILABLE")
      throw error;
    return error.message;
  }
}

/**
 * A copy of this package that any user can read, with a program that runs a build and prints one JSON object a line:
 * for builds of another user, of a process that is killed, or inside another namespace.
 */
export function makeDriver(): string {
  const directory = newDirectory();
  chmodSync(directory, 0o755);
  for (const name of ["native", "dist", "builders", "tmp"]) mkdirSync(join(directory, name), { mode: 0o755 });
  chmodSync(join(directory, "tmp"), 0o1777);
  const copy = (from: string, to: string) => {
    copyFileSync(from, join(directory, to));
    chmodSync(join(directory, to), 0o755);
  };
  for (const name of readdirSync(join(packageDir, "native")))
    copy(join(packageDir, "native", name), `native/${name}`);
  for (const name of readdirSync(buildersDir)) copy(join(buildersDir, name), `builders/${name}`);
  for (const name of readdirSync(join(packageDir, "ts"))) {
    const source = readFileSync(join(packageDir, "ts", name), "utf8");
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    const { outputText } = ts.transpileModule(source, { compilerOptions });
    writeFileSync(join(directory, "dist", name.replace(/\.ts$/, ".js")), outputText);
  }
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  writeFileSync(join(directory, "driver.js"), driverProgram);
  return directory;
}

const driverProgram = `
import { chmodSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { probeSandbox, startSandbox, startUnconfined } from "./dist/index.js";
const { script, bindings, ids, changes, unconfined } = JSON.parse(process.argv[2]);
const bytes = (text) => new TextEncoder().encode(text);
const say = (value) => console.log(JSON.stringify(value));
const directory = mkdtempSync(new URL("tmp/b-", import.meta.url).pathname);
chmodSync(directory, 0o755);
say({ directory });
try {
  const running = await (unconfined ? startUnconfined : startSandbox)({
    builder: bytes("/bin/sh"), argv: ["sh", ...script].map(bytes), env: [bytes("PATH=/bin:/usr/bin")],
    chrootDir: directory + "/chroot", tempDir: directory + "/temp", storeDir: "/nix/store", buildDir: "/build",
    files: [], binds: bindings, network: "private", hostUid: ids?.[0] ?? process.geteuid(), hostGid: ids?.[1] ?? process.getegid(),
    personality32: false, devShmSize: "50%", kvm: false, ...changes,
  });
  say({ pid: running.pid, layers: running.layers, directory });
  for await (const event of running) {
    if (event.type === "output") say({ output: Buffer.from(event.bytes).toString() });
    if (event.type === "exit") say({ status: event.status });
  }
} catch (error) {
  say({ error: { ...error, message: error.message } });
}
const listed = (path) => readFileSync(path, "utf8").split(/\\s+/).filter(Boolean);
// Threads end while they are listed.
const childrenOf = (id) => {
  try {
    return listed("/proc/self/task/" + id + "/children");
  } catch {
    return [];
  }
};
const processes = readdirSync("/proc/self/task").flatMap(childrenOf);
const mounts = listed("/proc/self/mounts").filter((word) => word.includes(directory));
const files = readdirSync(directory, { recursive: true });
say({ left: { processes: processes.length, mounts, files } });
say({ probes: await probeSandbox() });
`;

/** Command line that runs the driver: prefix it to run it as somebody else. */
export function driverCommand(
  driver: string,
  script: readonly string[],
  ids?: readonly [number, number],
  { changes, unconfined }: { changes?: Partial<SandboxSpec>; unconfined?: boolean } = {},
): string[] {
  const tools = toolBinds.filter((entry) => entry.target !== "/builders");
  const bindings = [...tools, bind(join(driver, "builders"), "/builders")];
  return [
    process.execPath,
    join(driver, "driver.js"),
    JSON.stringify({ script, bindings, ids, changes, unconfined }),
  ];
}

/** What a finished driver said, merged: output joined, the rest by key. */
export interface DriverResult {
  readonly output: string;
  readonly status?: { readonly kind: string; readonly code?: number };
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
    readonly step?: string;
    readonly path?: string;
    readonly errno?: number;
  };
  /** What there was after the builder's end, or after the refusal: the process that helpers are copies of among it. */
  readonly left?: {
    readonly processes: number;
    readonly mounts: readonly string[];
    readonly files: readonly string[];
  };
  readonly layers?: readonly string[];
  readonly directory?: string;
  readonly probes?: readonly {
    readonly layer: string;
    readonly works: boolean;
    readonly required: boolean;
    readonly hint?: string;
  }[];
}

export function runDriver(command: readonly string[], env: NodeJS.ProcessEnv = {}): DriverResult {
  const [program, ...args] = command;
  const options = { encoding: "utf8", env: { ...process.env, ...env }, cwd: "/" } as const;
  const { stdout, stderr } = spawnSync(program ?? "", args, options);
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  if (lines.length === 0) throw new Error(`the driver said nothing: ${stderr}`);
  const all = lines.map((line) => JSON.parse(line));
  return { ...Object.assign({}, ...all), output: all.map((one) => one.output ?? "").join("") };
}

export function spawnDriver(command: readonly string[]): ChildProcess {
  const [program, ...args] = command;
  return spawn(program ?? "", args, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Processes whose command line contains `mark`, by /proc. */
export function processesWith(mark: string): readonly string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(mark);
    } catch {
      return false; // it ended meanwhile
    }
  });
}

/** Command line before one of a program: where nothing runs from memory. */
export const withoutMemory = [
  "unshare",
  "-pf",
  "--mount-proc",
  "sh",
  "-c",
  'echo 2 > /proc/sys/vm/memfd_noexec && exec "$@"',
  "sh",
] as const;
export const canSeal = spawnSync(withoutMemory[0], [...withoutMemory.slice(1), "true"]).status === 0;

/** Waits until `holds`, which some process makes true soon. */
export async function eventually(holds: () => boolean): Promise<boolean> {
  for (let round = 0; round < 200; round++) {
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}
