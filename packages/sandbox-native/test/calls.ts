import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type SystemCallNumbers, type SystemCallRule, systemCallRules } from "../ts/index.js";
import * as harness from "./harness.js";

const { bind, build, bytes, newDirectory, toolBinds } = harness;

/** Arguments of each call that change nothing but "f", which is open as 3; the rest is 0. */
const harmless: Record<string, string> = {
  chmod: "path",
  fchmod: "3",
  fchmodat: "-100 path",
  fchmodat2: "-100 path",
  creat: "path",
  mknod: "path",
  mknodat: "-100 path",
  open: "path",
  openat: "-100 path",
  openat2: "-100 path zeros 24",
  prctl: "",
  io_uring_setup: "0 zeros",
  io_uring_enter: "-1",
  io_uring_register: "-1",
  ...Object.fromEntries(
    ["set", "get", "list", "remove"].flatMap((verb) => [
      ...["", "l"].map((kind) => [`${kind}${verb}xattr`, "path zeros"]),
      [`f${verb}xattr`, "3 zeros"],
      [`${verb}xattrat`, "-100 path 0 zeros zeros"],
    ]),
  ),
};

type Values = Readonly<Record<number, number>>;

/** Values of the arguments that a condition looks at: with which it holds, and with which it does not. */
function values(condition: SystemCallRule["condition"]): Record<"refused" | "allowed", readonly Values[]> {
  switch (condition.kind) {
    case "always":
      return { refused: [{}], allowed: [] };
    case "mode-has-set-id": {
      const mode = (value: number) => ({ [condition.mode]: value });
      return { refused: [0o4755, 0o2755, 0o106755].map(mode), allowed: [0o755, 0o1755].map(mode) };
    }
    case "creates-with-set-id": {
      const made = (flags: number, mode: number) => ({ [condition.flags]: flags, [condition.mode]: mode });
      const [create, temporary, writeOnly] = [0o101, 0o20_200_001, 0o1];
      return {
        refused: [create, temporary].flatMap((flags) => [0o4755, 0o2755].map((mode) => made(flags, mode))),
        allowed: [made(create, 0o755), made(temporary, 0o1755), made(writeOnly, 0o4755)],
      };
    }
    case "disarms-death-signal": {
      const [setDeathSignal, getDumpable] = [1, 3];
      return {
        refused: [0, 15].map((signal) => ({ 0: setDeathSignal, 1: signal })),
        allowed: [{ 0: setDeathSignal, 1: 9 }, { 0: getDumpable }],
      };
    }
  }
}

/** One call for the program of `testdata/builders/calls.c`, and whether its rule refuses it. */
export interface Line {
  readonly rule: SystemCallRule;
  readonly text: string;
  readonly refused: boolean;
}

/** What the program of a way is told: every row that has a number there, with both outcomes. */
export function linesOf({ call, of }: Way): readonly Line[] {
  return systemCallRules().flatMap((rule) => {
    const number = rule.numbers[of];
    const known = harmless[rule.call];
    if (known === undefined) throw new Error(`no arguments are known that make ${rule.call} harmless`);
    if (number === undefined) return [];
    const line = (changed: Values) => {
      const words = known.split(" ");
      const all = Array.from({ length: 6 }, (_, index) => changed[index] ?? (words[index] || 0));
      return [call, number, ...all].join(" ");
    };
    const { refused, allowed } = values(rule.condition);
    return [
      ...refused.map((each) => ({ rule, text: line(each), refused: true })),
      ...allowed.map((each) => ({ rule, text: line(each), refused: false })),
    ];
  });
}

/** A way to make calls: a program, how it calls, and whose numbers it uses. */
export interface Way {
  readonly way: string;
  readonly program: Compiled;
  readonly call: "native" | "int80";
  readonly of: keyof SystemCallNumbers;
}

interface Compiled {
  readonly path: string;
  /** Why it does not run here, if it does not. */
  readonly problem: string | undefined;
}

const freestanding = "-O1 -nostdlib -static -no-pie -fno-pie -ffreestanding -fno-stack-protector".split(" ");
const isIntel = process.arch === "x64";

function compile(...flags: readonly string[]): Compiled {
  const path = join(newDirectory(), "calls");
  const source = join(harness.buildersDir, "calls.c");
  const { error, status } = spawnSync("cc", [...freestanding, ...flags, "-o", path, source]);
  if (error !== undefined) return { path, problem: "no C compiler" };
  if (status !== 0) return { path, problem: `the C compiler does not take ${flags.join(" ") || "this"}` };
  chmodSync(path, 0o755);
  return { path, problem: undefined };
}

/** The same with the reason when one call of its kind does not come back. */
function tried(program: Compiled, call: Way["call"]): Compiled {
  if (program.problem !== undefined) return program;
  const getPid32 = 20;
  const { status } = spawnSync(program.path, { input: `${call} ${getPid32} 0 0 0 0 0 0\n` });
  return { ...program, problem: status === 0 ? undefined : "this kernel takes no 32-bit calls" };
}

const own = compile();
const foreign: Compiled = { path: "", problem: "not on x86-64" };
/** Every way that this machine may know; those that it does not say why. */
export const ways: readonly Way[] = [
  { way: "the machine's own numbers", program: own, call: "native", of: isIntel ? "x86_64" : "aarch64" },
  { way: "int 0x80", program: isIntel ? tried(own, "int80") : foreign, call: "int80", of: "i386" },
  {
    way: "a 32-bit program",
    program: isIntel ? tried(compile("-m32"), "native") : foreign,
    call: "native",
    of: "i386",
  },
  { way: "x32 numbers", program: isIntel ? own : foreign, call: "native", of: "x32" },
];

const script = (program: string) => `exec 3<>f; ${program} <lines && stat -c %a f`;

/** The error number of each line, and the mode of "f" in the end. */
function answersOf(output: string, lines: readonly Line[]) {
  const all = output.trim().split("\n");
  expect(all).toHaveLength(lines.length + 1);
  return { errnos: all.slice(0, -1).map(Number), mode: Number.parseInt(all.at(-1) ?? "", 8) };
}

/** What the calls answer in a sandbox. */
export async function inside({ program }: Way, lines: readonly Line[]) {
  const input = lines.map(({ text }) => `${text}\n`).join("");
  const { output } = await build(["-c", script("/calls")], {
    binds: [...toolBinds, bind(program.path, "/calls")],
    files: [{ name: "lines", content: bytes(input) }],
  });
  return answersOf(output, lines);
}

/** What the same calls answer without one. */
export function outside({ program }: Way, lines: readonly Line[]) {
  const cwd = newDirectory();
  writeFileSync(join(cwd, "lines"), lines.map(({ text }) => `${text}\n`).join(""));
  const { stdout } = spawnSync("/bin/sh", ["-c", script(program.path)], { cwd, encoding: "utf8" });
  return answersOf(stdout, lines);
}
