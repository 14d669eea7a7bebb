import { createReadStream } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { EngineError } from "@drvkit/drv-parser";

/** The bytes of a file, or of standard input for `-`. @throws {@link EngineError} `ERR_INPUT`. */
export async function readInput(file: string): Promise<Uint8Array> {
  try {
    if (file !== "-") return await readFile(file);
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** What a compressed file begins with, and how to get at what is in it. */
const compressions: readonly (readonly [magic: readonly number[], program: string])[] = [
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "xz"],
  [[0x42, 0x5a, 0x68], "bzip2"],
  [[0x28, 0xb5, 0x2f, 0xfd], "zstd"],
  [[0x1f, 0x8b], "gzip"],
];

/**
 * The bytes of an archive's file, or of standard input for `-`, as they are read.
 *
 * @throws {@link EngineError} `ERR_INPUT` for a file that cannot be read or is compressed; while it is iterated.
 */
export async function* archiveInput(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  let isFirst = true;
  try {
    for await (const chunk of file === "-" ? process.stdin : createReadStream(file)) {
      const bytes = chunk as Uint8Array;
      if (isFirst) refuseCompressed(file, bytes);
      isFirst = false;
      yield bytes;
    }
  } catch (cause) {
    if (cause instanceof EngineError || !isSystemError(cause)) throw cause;
    throw unreadable(file, cause);
  }
}

function refuseCompressed(file: string, bytes: Uint8Array): void {
  const [, program] =
    compressions.find(([magic]) => magic.every((byte, index) => bytes[index] === byte)) ?? [];
  if (program === undefined) return;
  throw new EngineError("ERR_INPUT", `'${file}' is compressed with ${program}`, {
    hint: `decompress it: ${program} -dc ${file === "-" ? "" : `'${file}' `}| drv nar … -`,
  });
}

/** A new file that only its owner can read. @throws {@link EngineError} `ERR_INPUT` when it is there already. */
export async function writeSecret(file: string, text: string): Promise<void> {
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new EngineError("ERR_INPUT", `cannot write '${file}': ${reasonOf(cause)}`, {
      hint: "name a file that does not exist yet, in a folder that does",
      cause,
    });
  }
}

function unreadable(file: string, cause: unknown): EngineError {
  const name = file === "-" ? "standard input" : `'${file}'`;
  return new EngineError("ERR_INPUT", `cannot read ${name}: ${reasonOf(cause)}`, { cause });
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error;
}

/** What the system said, without what Node puts around it. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /^[A-Z]+: ([^,]+)/u.exec(text)?.[1] ?? text;
}
