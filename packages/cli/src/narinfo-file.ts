import { defaultStoreDir, EngineError, makeStoreDir, type StoreDir, textOf } from "@drvkit/drv-parser";
import { type NarInfo, parseNarInfo } from "@drvkit/narinfo";
import { readInput } from "./input.js";

/** A narinfo and the text it was read from. */
export interface NarInfoFile {
  readonly file: string;
  readonly text: string;
  readonly info: NarInfo;
}

/** Reads a narinfo of whatever store directory. @throws {@link EngineError} `ERR_INPUT`, `ERR_NARINFO_SYNTAX`. */
export async function readNarInfoFile(file: string): Promise<NarInfoFile> {
  const bytes = await readInput(file);
  const options = { file, storeDir: storeDirIn(bytes) };
  return { file, info: parseNarInfo(bytes, options), text: textOf(bytes) };
}

/** What the path in it lies in; without one that has a folder, the default: reading then says what is wrong. */
function storeDirIn(bytes: Uint8Array): StoreDir {
  const folder = /^StorePath: (.+)\/[^/\r\n]+\r?$/mu.exec(new TextDecoder().decode(bytes))?.[1];
  if (folder === undefined) return defaultStoreDir;
  try {
    return makeStoreDir(folder);
  } catch (error) {
    if (error instanceof EngineError) return defaultStoreDir;
    throw error;
  }
}

/** The text with these signatures behind those that it has; everything else as it stands. */
export function withSignatures(text: string, signatures: readonly string[]): string {
  const lines = text.split("\n");
  const lastSignature = lines.findLastIndex((line) => line.startsWith("Sig:"));
  const address = lines.findIndex((line) => line.startsWith("CA:"));
  const at = lastSignature >= 0 ? lastSignature + 1 : address >= 0 ? address : lines.length - 1;
  const end = text.includes("\r\n") ? "\r" : "";
  return [
    ...lines.slice(0, at),
    ...signatures.map((signature) => `Sig: ${signature}${end}`),
    ...lines.slice(at),
  ].join("\n");
}
