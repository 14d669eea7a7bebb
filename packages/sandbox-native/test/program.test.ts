import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { until } from "../../../tests/until.js";
import { type ProgramOptions, type RunningProgram, startProgram } from "../ts/index.js";
import {
  bytes,
  canSeal,
  eventually,
  isRoot,
  makeDriver,
  newDirectory,
  removeDirectories,
  withoutMemory,
} from "./harness.js";

const running: RunningProgram[] = [];
afterEach(() => Promise.all(running.splice(0).map((program) => program.close())));
afterAll(removeDirectories);

const env = { PATH: "/usr/bin:/bin" };

async function start(options: Partial<ProgramOptions> & { readonly program: string }) {
  const defaults = { argv: [options.program], env, session: true, stdin: "pipe" } as const;
  const program = await startProgram({ ...defaults, ...options });
  running.push(program);
  return program;
}

const sh = (script: string, options: Partial<ProgramOptions> = {}) =>
  start({ program: "/bin/sh", argv: ["sh", "-c", script], ...options });

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}

/** Runs a script to its end. */
async function run(script: string, options: Partial<ProgramOptions> = {}) {
  const program = await sh(script, options);
  const output = await text(program.output);
  return { output, status: await program.ended, program };
}

const isThere = (pid: number) => existsSync(`/proc/${pid}`) && !/^State:\tZ/mu.test(readStatus(pid));

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

/** Fields of a /proc/PID/stat behind the name: state, parent, group, session. */
const statFields = (stat: string) => stat.slice(stat.lastIndexOf(")") + 2).split(" ");

describe("what a program is started with", () => {
  test("its arguments and nothing but its environment", async () => {
    const script = join(newDirectory(), "script");
    writeFileSync(
      script,
      "#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/cmdline; tr '\\0' '\\n' < /proc/$$/environ\n",
    );
    chmodSync(script, 0o755);
    const program = await start({
      program: script,
      argv: ["ignored by the kernel for a script", "two words", "", "ü"],
      env: { PATH: "/usr/bin:/bin", B: "two\nlines=", EMPTY: "", ABSENT: undefined },
    });
    expect((await text(program.output)).split("\n")).toEqual([
      "/bin/sh",
      script,
      "two words",
      "",
      "ü",
      "PATH=/usr/bin:/bin",
      "B=two",
      "lines=",
      "EMPTY=",
      "",
    ]);
  });

  test("the name that argv says, not that of the file", async () => {
    const { output } = await run("echo $0", { argv: ["a name of its own", "-c", "echo $0"] });
    expect(output).toBe("a name of its own\n");
    const program = await start({ program: "/bin/cat", argv: ["other", "/proc/self/cmdline"] });
    expect(await text(program.output)).toBe("other\0/proc/self/cmdline\0");
  });

  test("the directory that is given, else that of this process", async () => {
    const directory = realpathSync(newDirectory());
    expect((await run("pwd -P", { cwd: directory })).output).toBe(`${directory}\n`);
    expect((await run("pwd -P")).output).toBe(`${process.cwd()}\n`);
  });

  test.each([
    { name: "its standard streams and no other descriptors", logPipe: false, numbers: ["0", "1", "2"] },
    { name: "its streams and both ends of the log pipe", logPipe: true, numbers: ["0", "1", "2", "4", "5"] },
  ])("$name", async ({ logPipe, numbers }) => {
    const { output } = await run("ls -l /proc/$$/fd; true", { logPipe });
    const found = new Map([...output.matchAll(/ (\d+) -> (.*)$/gmu)].map(([, fd, target]) => [fd, target]));
    expect([...found.keys()]).toEqual(numbers);
    for (const target of found.values()) expect(target).toMatch(/^pipe:/u);
    expect(found.get("1")).toBe(found.get("2"));
    expect(found.get("4")).toBe(found.get("5"));
    expect(new Set(found.values()).size).toBe(logPipe ? 3 : 2);
  });

  test("log ends that block, the first to write, the second to read", async () => {
    const { output } = await run("cat /proc/$$/fdinfo/4 /proc/$$/fdinfo/5", { logPipe: true });
    expect(output.match(/flags:\t\d+/gu)).toEqual(["flags:\t01", "flags:\t00"]);
  });

  test("the standard input of this process, if that is asked for", async () => {
    const { output } = await run("readlink /proc/$$/fd/0", { stdin: "inherit" });
    const ours = spawnSync("readlink", ["/proc/self/fd/0"], { stdio: ["inherit", "pipe", "inherit"] });
    expect(output).toBe(ours.stdout.toString());
  });

  test("a session and a group of its own, if that is asked for", async () => {
    const { output, program } = await run("cat /proc/$$/stat");
    const [, parent, group, session] = statFields(output);
    expect([parent, group, session]).toEqual([process.pid, program.pid, program.pid].map(String));
    const plain = statFields((await run("cat /proc/$$/stat", { session: false })).output);
    const ours = statFields(readFileSync("/proc/self/stat", "utf8"));
    expect(plain.slice(2, 4)).toEqual(ours.slice(2, 4));
  });

  test("every signal at its default and none blocked", async () => {
    const ignored = readFileSync("/proc/self/status", "utf8").match(/^SigIgn:\t(\w+)/mu)?.[1];
    expect(BigInt(`0x${ignored}`) & 0x1000n).toBe(0x1000n); // SIGPIPE, by Node
    const program = await start({ program: "/bin/cat", argv: ["cat", "/proc/self/status"] });
    const status = await text(program.output);
    for (const name of ["SigBlk", "SigIgn", "SigCgt"])
      expect(status).toMatch(new RegExp(`^${name}:\\t0+$`, "mu"));
  });
});

describe("what a program says", () => {
  test("comes in the order in which it was written, both streams in one", async () => {
    const { output } = await run("for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done");
    expect(output).toBe([1, 2, 3, 4, 5].map((i) => `out ${i}\nerr ${i}\n`).join(""));
  });

  test("is whole, however much it is and however fast it ends", async () => {
    const { output, status } = await run("head -c 3000000 /dev/zero; echo end");
    expect([output.length, output.slice(-4)]).toEqual([3_000_004, "end\n"]);
    expect(status).toEqual({ kind: "exited", code: 0 });
  });

  test("waits in the pipe while nobody reads, so that the program waits too", async () => {
    const file = join(newDirectory(), "done");
    const program = await sh('head -c 2000000 /dev/zero; echo > "$FILE"', { env: { ...env, FILE: file } });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(existsSync(file)).toBe(false);
    expect((await text(program.output)).length).toBe(2_000_000);
    expect(await program.ended).toEqual({ kind: "exited", code: 0 });
    expect(existsSync(file)).toBe(true);
  });

  test("can be read by one after the other", async () => {
    const program = await sh("read line; echo first $line; read line; echo second $line");
    await program.write(bytes("a\n"));
    let reply = "";
    for await (const chunk of program.output) {
      reply += Buffer.from(chunk);
      if (reply.endsWith("\n")) break;
    }
    expect(reply).toBe("first a\n");
    await program.write(bytes("b\n"));
    expect(await text(program.output)).toBe("second b\n");
  });

  test("goes on as long as somebody can write, though the program has ended", async () => {
    const program = await sh("exec 3<&0; (read line; echo $line from a child) <&3 & exit 3", {
      session: false,
    });
    expect(await program.ended).toEqual({ kind: "exited", code: 3 });
    await program.write(bytes("word\n"));
    expect(await text(program.output)).toBe("word from a child\n");
  });

  test("of its log is whole when the log is ended after it, though the pipe does not hold that much", async () => {
    const program = await sh("head -c 200000 /dev/zero | tr '\\0' x >&4; printf end >&4; exit 7", {
      logPipe: true,
    });
    const log = text(program.log);
    expect(await program.ended).toEqual({ kind: "exited", code: 7 });
    program.endLog();
    program.endLog();
    expect(await log).toBe(`${"x".repeat(200_000)}end`);
    expect(await text(program.output)).toBe("");
  });

  test("of its log does not end by itself, nor for a child that holds it and writes for ever", async () => {
    const program = await sh("(while :; do echo more; done) >&4 2> /dev/null & echo $!", {
      logPipe: true,
      session: false,
    });
    let length = 0;
    const log = (async () => {
      for await (const chunk of program.log) length += chunk.length;
    })();
    await program.ended;
    expect(await eventually(() => length > 1_000_000)).toBe(true);
    const before = length;
    program.endLog();
    await log;
    expect(length - before).toBeLessThan(2 * 1024 * 1024);
    const left = Number(await text(program.output));
    expect(isThere(left)).toBe(true);
    process.kill(left, "SIGKILL");
  });

  test("of its session ends with it, and what is left of it is killed", async () => {
    const { output, program } = await run("sleep 1000 > /dev/null 2>&1 & echo $!");
    await program.ended;
    expect(await eventually(() => !isThere(Number(output)))).toBe(true);
  });

  test("of a log that it does not have is nothing", async () => {
    const program = await sh("exit");
    program.endLog();
    expect(await text(program.log)).toBe("");
  });
});

describe("what is written to a program", () => {
  test("arrives, with an end", async () => {
    const program = await start({ program: "/bin/cat", argv: ["cat"] });
    const output = text(program.output);
    await Promise.all([program.write(bytes("a".repeat(500_000))), program.write(bytes("b"))]);
    program.closeInput();
    program.closeInput();
    expect(await output).toBe(`${"a".repeat(500_000)}b`);
    expect(await program.ended).toEqual({ kind: "exited", code: 0 });
  });

  test("is refused when it does not read any more, and this process lives on", async () => {
    const program = await sh("exec <&-; echo closed; read line <&4", { logPipe: true });
    for await (const chunk of program.output) {
      expect(Buffer.from(chunk).toString()).toBe("closed\n");
      break;
    }
    const refusal = { name: "SandboxError", code: "ERR_PIPE_CLOSED", errno: 32 };
    await expect(program.write(bytes("x"))).rejects.toMatchObject(refusal);
    await expect(program.write(bytes("x"))).rejects.toMatchObject(refusal);
  });

  test("is refused after the end of the input, without one, and when it ends in the middle", async () => {
    const program = await start({ program: "/bin/cat", argv: ["cat"] });
    program.closeInput();
    await expect(program.write(bytes("x"))).rejects.toMatchObject({ code: "ERR_PIPE_CLOSED" });
    const without = await sh("exit", { stdin: "inherit" });
    without.closeInput();
    await expect(without.write(bytes("x"))).rejects.toMatchObject({ code: "ERR_PIPE_CLOSED" });
    const slow = await sh("read line");
    const write = slow.write(bytes(`\n${"x".repeat(1_000_000)}`));
    await expect(write).rejects.toMatchObject({ code: "ERR_PIPE_CLOSED" });
    expect(await slow.ended).toEqual({ kind: "exited", code: 0 });
  });
});

describe("a program that cannot be started", () => {
  const directory = newDirectory();
  const file = (name: string, content: string, mode: number) => {
    writeFileSync(join(directory, name), content);
    chmodSync(join(directory, name), mode);
    return join(directory, name);
  };
  const step = "execute-program";

  test.each([
    { name: "is not there", path: "/no/such/program", step, errno: 2, reason: "no such file or directory" },
    { name: "is no executable", path: file("text", "", 0o644), step, errno: 13, reason: "permission denied" },
    { name: "is a directory", path: "/", step, errno: 13, reason: "permission denied" },
    {
      name: "has no interpreter",
      path: file("lost", "#!/no/such\n", 0o755),
      step,
      errno: 2,
      reason: "no such",
    },
    {
      name: "is no program",
      path: file("plain", "echo\n", 0o755),
      step,
      errno: 8,
      reason: "exec format error",
    },
  ])("because it $name", async ({ path, step, errno, reason }) => {
    await expect(start({ program: path })).rejects.toMatchObject({
      name: "SandboxError",
      code: "ERR_PROGRAM_START",
      message: expect.stringContaining(`cannot execute "${path}": ${reason}`),
      hint: expect.any(String),
      path,
      step,
      errno,
    });
  });

  test("because its directory is not there", async () => {
    await expect(sh("exit", { cwd: "/no/such" })).rejects.toMatchObject({
      code: "ERR_PROGRAM_START",
      message:
        'cannot start "/bin/sh": the step "change-directory" failed on "/no/such": no such file or directory',
      step: "change-directory",
      path: "/no/such",
      errno: 2,
    });
  });

  test.each([
    { name: "a relative path", options: { program: "sh" }, message: 'the program "sh" is no absolute path' },
    { name: "no arguments", options: { argv: [] }, message: /there are none$/u },
    { name: "a zero byte", options: { argv: ["a\0b"] }, message: '"a\\0b" has a zero byte' },
    {
      name: "a bad name",
      options: { env: { "A=B": "" } },
      message: '"A=B" is no name of an environment variable',
    },
  ])("because of $name", async ({ options, message }) => {
    await expect(sh("exit", options)).rejects.toMatchObject({
      code: "ERR_PROGRAM_SPEC",
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
  });
});

describe("the end of a program", () => {
  test("is told by code or signal", async () => {
    expect((await run("exit 42")).status).toEqual({ kind: "exited", code: 42 });
    expect((await run("kill -TERM $$")).status).toEqual({ kind: "signalled", signal: 15 });
    expect((await run("sh -c 'kill -PIPE $$'; echo $?")).output).toBe("141\n");
  });

  test("of a session is the end of its children", async () => {
    const program = await sh("sleep 1000 & echo $!; sleep 1000");
    let child = 0;
    for await (const chunk of program.output) {
      child = Number(Buffer.from(chunk));
      break;
    }
    expect(isThere(child)).toBe(true);
    program.kill("SIGTERM");
    expect(await program.ended).toEqual({ kind: "signalled", signal: 15 });
    expect(await eventually(() => !isThere(child))).toBe(true);
    expect(await text(program.output)).toBe("");
    program.kill("SIGKILL");
  });

  test("without a session is its own only", async () => {
    const program = await sh("sleep 1000 & echo $!; wait", { session: false });
    let child = 0;
    for await (const chunk of program.output) {
      child = Number(Buffer.from(chunk));
      break;
    }
    program.kill("SIGKILL");
    expect(await program.ended).toEqual({ kind: "signalled", signal: 9 });
    expect(isThere(child)).toBe(true);
    process.kill(child);
  });

  test("comes with close, which ends loops as well", async () => {
    const program = await sh("trap '' TERM; echo ready; while :; do sleep 0.01; done", { logPipe: true });
    for await (const chunk of program.output) {
      expect(Buffer.from(chunk).toString()).toBe("ready\n");
      break;
    }
    const reading = [text(program.output), text(program.log)];
    program.kill("SIGTERM");
    await Promise.all([program.close(), program.close()]);
    expect(await Promise.all(reading)).toEqual(["", ""]);
    expect(await program.ended).toEqual({ kind: "signalled", signal: 9 });
    expect(existsSync(`/proc/${program.pid}`)).toBe(false);
    program.endLog();
    await expect(program.write(bytes("x"))).rejects.toMatchObject({ code: "ERR_PIPE_CLOSED" });
  });

  test("leaves no descriptor and no zombie, 200 times", async () => {
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const round = async (number: number) => {
      const failing = startProgram({
        program: "/no/such",
        argv: [""],
        env,
        session: true,
        stdin: "pipe",
        logPipe: true,
      });
      await expect(failing).rejects.toMatchObject({ code: "ERR_PROGRAM_START" });
      const program = await sh("echo log >&4; read line; echo $line", { logPipe: number % 2 === 0 });
      await program.write(bytes("word\n"));
      if (number % 3 === 0) expect(await text(program.output)).toContain("word\n");
      if (number % 5 === 0) program.endLog();
      await program.close();
    };
    await round(0);
    const before = descriptors();
    for (let number = 0; number < 200; number += 4)
      await Promise.all([0, 1, 2, 3].map((offset) => round(number + offset)));
    await until(() => descriptors() <= before); // those of a program that did not start are closed by a thread
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
    const states = readdirSync("/proc")
      .filter((name) => /^\d+$/u.test(name))
      .map((name) => readStatus(Number(name)))
      .filter((status) => new RegExp(`^PPid:\\t${process.pid}$`, "mu").test(status))
      .map((status) => status.match(/^State:\t(\S)/mu)?.[1]);
    expect(states, children).not.toContain("Z");
  });
});

/** Another Node that starts a program and says its pid; as another user, if we may choose. */
function otherNode(directory: string, script: string, prefix: readonly string[] = []) {
  const starter = join(directory, "starter.js");
  writeFileSync(starter, starterProgram);
  const [command = "", ...args] = [...prefix, process.execPath, starter, script];
  const user = isRoot && prefix.length === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const TMPDIR = join(directory, "tmp");
  return spawn(command, args, {
    ...user,
    cwd: "/",
    env: { ...env, TMPDIR },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

const starterProgram = `
import { startProgram } from "./dist/index.js";
const program = await startProgram({
  program: "/bin/sh", argv: ["sh", "-c", process.argv[2]], env: { PATH: "/usr/bin:/bin" }, session: true, stdin: "pipe", logPipe: true,
});
console.log(program.pid);
for await (const bytes of program.output) process.stdout.write(bytes);
console.log(JSON.stringify(await program.ended));
await program.close();
`;

describe("another process", () => {
  test("of an ordinary user starts programs", async () => {
    const node = otherNode(makeDriver(), "id -u; exit 5");
    const [pid, uid, status] = (await text(node.stdout)).split("\n");
    expect(Number(pid)).toBeGreaterThan(0);
    expect(Number(uid)).toBe(isRoot ? 65_534 : process.geteuid?.());
    expect(JSON.parse(status ?? "")).toEqual({ kind: "exited", code: 5 });
  });

  test("takes its program along when it is killed", async () => {
    const node = otherNode(makeDriver(), "echo ready; while :; do sleep 0.1; done");
    let said = "";
    for await (const chunk of node.stdout) {
      said += chunk;
      if (said.includes("ready")) break;
    }
    const pid = Number(said.split("\n")[0]);
    expect(isThere(pid)).toBe(true);
    node.kill("SIGKILL");
    expect(await eventually(() => !isThere(pid))).toBe(true);
  });

  test("is not kept alive by a program that nobody waits for", async () => {
    const directory = makeDriver();
    writeFileSync(join(directory, "starter.js"), starterProgram.replace(/for await.*/su, ""));
    const node = spawn(process.execPath, [join(directory, "starter.js"), "sleep 1000"], {
      cwd: "/",
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = Number(await text(node.stdout));
    expect(await eventually(() => !isThere(pid))).toBe(true);
  });

  test("runs the second example of the README", async () => {
    const directory = makeDriver();
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const example = /^```ts\n(\/\/ ask-a-program.mjs\n.*?)^```$/msu.exec(readme)?.[1] ?? "";
    const file = join(directory, "ask-a-program.mjs");
    writeFileSync(file, example.replace("@drvkit/sandbox-native", "./dist/index.js"));
    const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: "utf8" });
    expect([stdout, stderr]).toEqual([
      "answer to 6 times 7\n{ kind: 'exited', code: 0 }\na line of its log\n",
      "",
    ]);
  });

  const isolated = canSeal ? "" : " (skipped: the sysctl vm.memfd_noexec is not there or not ours)";
  test.skipIf(!canSeal)(`starts programs where none runs from memory, and tidies up${isolated}`, async () => {
    const directory = makeDriver();
    const node = otherNode(directory, "echo ran", withoutMemory);
    expect((await text(node.stdout)).split("\n").slice(1, 3)).toEqual(["ran", '{"kind":"exited","code":0}']);
    expect(readdirSync(join(directory, "tmp"))).toEqual([]);
  });
});
