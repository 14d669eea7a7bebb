import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SandboxError, startProgram } from "@drvkit/sandbox-native";
import type { Settings } from "../settings/table.js";
import type { MachineProbe } from "./probe-machine.js";

/** Starts the smallest program of 32 bits; nothing to say on machines that have no such system. */
export async function probeNarrowPrograms(settings: Settings): Promise<readonly MachineProbe[]> {
  if (process.arch !== "x64") return [];
  const isOffered = settings["extra-platforms"].includes("i686-linux");
  const common = { name: "i686-linux", required: false, setting: "extra-platforms" } as const;
  const problem = await problemOf(smallestProgram);
  if (problem !== undefined)
    return [
      {
        ...common,
        works: false,
        detail: `programs of 32 bits do not run: ${problem}`,
        hint: "the kernel needs CONFIG_IA32_EMULATION, and not the parameter `ia32_emulation=0`",
      },
    ];
  const detail = isOffered ? "programs of 32 bits run" : "programs of 32 bits run; no build may ask for it";
  return [{ ...common, works: isOffered, detail }];
}

async function problemOf(content: Uint8Array): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "drvkit-probe-"));
  const program = join(folder, "narrow");
  try {
    await writeFile(program, content, { mode: 0o700 });
    const running = await startProgram({ program, argv: [program], env: {}, session: true, stdin: "pipe" });
    const status = await running.ended;
    await running.close();
    if (status.kind === "exited") return status.code === 0 ? undefined : `exit code ${status.code}`;
    return `signal ${status.signal}`;
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    return error.message;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Where its only segment is in memory. */
const base = 0x0804_8000;
const [headerBytes, segmentBytes] = [52, 32];
/** `exit(0)`: mov eax, 1; xor ebx, ebx; int 0x80. */
const code = [0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80];

/** An executable for i386. @see the System V ABI, "Object Files" */
const smallestProgram: Uint8Array = (() => {
  const size = headerBytes + segmentBytes + code.length;
  const file = Buffer.alloc(size);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]); // 32 bits, little-endian, version 1
  const [executable, i386, loadable, readAndExecute, page] = [2, 3, 1, 5, 4096];
  const halves = [
    [16, executable],
    [18, i386],
    [40, headerBytes],
    [42, segmentBytes],
    [44, 1], // segments
  ] as const;
  const words = [
    [20, 1], // version
    [24, base + headerBytes + segmentBytes], // entry
    [28, headerBytes], // where segments are described
    ...[loadable, 0, base, base, size, size, readAndExecute, page].map(
      (word, index) => [headerBytes + 4 * index, word] as const,
    ),
  ] as const;
  for (const [at, half] of halves) file.writeUInt16LE(half, at);
  for (const [at, word] of words) file.writeUInt32LE(word, at);
  file.set(code, headerBytes + segmentBytes);
  return file;
})();
