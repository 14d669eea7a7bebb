import { execFile } from "node:child_process";
import { open, realpath } from "node:fs/promises";
import { promisify } from "node:util";

const busyboxPlaces = ["/bin/busybox", "/usr/bin/busybox", "/sbin/busybox"];

/** The machine's own tools, for `host-tools`. */
export const hostToolPaths: readonly string[] = [
  "/usr",
  "/bin?",
  "/lib?",
  "/lib32?",
  "/lib64?",
  "/etc/alternatives?",
  "/etc/ld.so.cache?",
  "/etc/ld.so.conf?",
  "/etc/ld.so.conf.d?",
];

/**
 * Sandbox paths that give `/bin/sh` when nothing else is configured: a static busybox if the machine has one,
 * else the machine's own shell with exactly the libraries it loads. Empty when there is no shell at all.
 */
export async function defaultShellPaths(): Promise<readonly string[]> {
  for (const place of busyboxPlaces) {
    const program = await readProgram(place);
    if (program !== undefined && program.interpreter === undefined) return [`/bin/sh=${program.path}`];
  }
  const shell = await readProgram("/bin/sh");
  if (shell === undefined) return [];
  if (shell.interpreter === undefined) return [`/bin/sh=${shell.path}`];
  return [`/bin/sh=${shell.path}`, ...(await librariesOf(shell.path, shell.interpreter))];
}

/** Each library under the name by which the loader looks for it, with the real file behind it. */
async function librariesOf(program: string, interpreter: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(interpreter, ["--list", program], { env: { LC_ALL: "C" } });
  const names = new Set([interpreter]);
  for (const line of stdout.split("\n")) {
    const name = /(?:=> )?(\/\S+) \(0x[0-9a-f]+\)$/u.exec(line.trim())?.[1];
    if (name !== undefined) names.add(name);
  }
  return Promise.all([...names].map(async (name) => `${name}=${await realpath(name)}`));
}

interface Program {
  readonly path: string;
  /** Path of the dynamic loader; absent for a static program. */
  readonly interpreter: string | undefined;
}

/** Reads the program headers of a 64-bit ELF file; `undefined` when there is none at `place`. */
async function readProgram(place: string): Promise<Program | undefined> {
  const path = await realpath(place).catch(() => undefined);
  if (path === undefined) return undefined;
  await using file = await open(path, "r");
  const header = Buffer.alloc(64);
  await file.read(header, 0, header.length, 0);
  const elf64LittleEndian = header.subarray(0, 6).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]));
  if (!elf64LittleEndian) return undefined;
  const [tableOffset, entrySize, count] = [
    header.readBigUInt64LE(32),
    header.readUInt16LE(54),
    header.readUInt16LE(56),
  ];
  const table = Buffer.alloc(entrySize * count);
  await file.read(table, 0, table.length, Number(tableOffset));
  for (let at = 0; at < table.length; at += entrySize) {
    const isInterpreter = table.readUInt32LE(at) === 3;
    if (!isInterpreter) continue;
    const text = Buffer.alloc(Number(table.readBigUInt64LE(at + 32)));
    await file.read(text, 0, text.length, Number(table.readBigUInt64LE(at + 8)));
    return { path, interpreter: text.toString("latin1").replace(/\0.*$/su, "") };
  }
  return { path, interpreter: undefined };
}
