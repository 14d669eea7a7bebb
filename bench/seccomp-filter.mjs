import { readFileSync } from "node:fs";
import { join } from "node:path";

const source = join(import.meta.dirname, "../packages/sandbox-native/sandbox/src/seccomp.rs");
const row =
  /^ {4}rule\((call|common)\("\w+", ([\w(), ]+?)\), (\w+)(?:\((\d)\)| \{ flags: (\d), mode: (\d) \})?, N/gm;
const [loadWord, and, jump, jumpEqual, jumpSet, returns] = [0x20, 0x54, 0x05, 0x15, 0x45, 0x06];
const [allow, refuse, kill] = [0x7fff0000, 0x00050001, 0x80000000];
const [x8664, i386] = [0xc000003e, 0x40000003];
const [number, architecture] = [0, 4];
const [setIdBits, createBits, x32Bit] = [0o6000, 0o20000100, 0x40000000];

/**
 * A filter of x86_64 for programs that load one from a file: a rule for each row of our own table, instruction for instruction
 * as long. It refuses with EPERM alone, since what a call is refused with costs nothing.
 */
export function seccompFilter() {
  const rules = [...readFileSync(source, "utf8").matchAll(row)];
  if (rules.length === 0) throw new Error("bug: the table of calls has another form");
  const section = (prepare, column) => [
    line(loadWord, number),
    ...prepare,
    ...rules.flatMap((rule) => look(rule, column)),
    line(returns, allow),
  ];
  const sections = [
    [x8664, section([line(and, ~x32Bit >>> 0)], 0)],
    [i386, section([], 1)],
  ].flatMap(([word, lines]) => [line(jumpEqual, word, 1, 0), line(jump, lines.length), ...lines]);
  return Buffer.concat([line(loadWord, architecture), ...sections, line(returns, kill)]);
}

function look([, kind, numbers, condition, only, flags, mode], column) {
  const call = Number(numbers.match(/\d+/g)[kind === "common" ? 0 : column]);
  const body = bodies[condition]({ mode: Number(only ?? mode), flags: Number(flags) });
  return [line(jumpEqual, call, 0, body.length), ...body];
}

const bodies = {
  Always: () => [line(returns, refuse)],
  ModeHasSetId: ({ mode }) => hasSetId(mode),
  CreatesWithSetId: ({ mode, flags }) => [
    line(loadWord, argument(flags)),
    line(jumpSet, createBits, 0, 3),
    ...hasSetId(mode),
  ],
  // PR_SET_PDEATHSIG with another signal than SIGKILL.
  DisarmsDeathSignal: () => [
    line(loadWord, argument(0)),
    line(jumpEqual, 1, 0, 3),
    line(loadWord, argument(1)),
    line(jumpEqual, 9, 1, 0),
    line(returns, refuse),
    line(returns, allow),
  ],
};

function hasSetId(mode) {
  return [
    line(loadWord, argument(mode)),
    line(jumpSet, setIdBits, 0, 1),
    line(returns, refuse),
    line(returns, allow),
  ];
}

function argument(index) {
  return 16 + 8 * index;
}

/** One instruction, as the kernel reads it. */
function line(code, value, ifTrue = 0, ifFalse = 0) {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}
