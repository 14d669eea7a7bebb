import type { StorePath } from "@drvkit/drv-parser";
import type { LogPort, LogWriter } from "../ports/log.js";

/** Logs in memory. */
export class MemoryLog implements LogPort {
  readonly #chunks = new Map<StorePath, Uint8Array[]>();
  /** Derivations whose log is complete. */
  readonly closed = new Set<StorePath>();
  /** Fails opening, writing or completing a log by returning an error. */
  refuse: ((what: "open" | "write" | "close", drvPath: StorePath) => Error | undefined) | undefined;

  async open(drvPath: StorePath): Promise<LogWriter> {
    const refuse = (what: "open" | "write" | "close") => {
      const refused = this.refuse?.(what, drvPath);
      if (refused !== undefined) throw refused;
    };
    refuse("open");
    const chunks: Uint8Array[] = [];
    this.#chunks.set(drvPath, chunks);
    this.closed.delete(drvPath);
    return {
      write: async (bytes) => {
        refuse("write");
        chunks.push(bytes.slice());
      },
      close: async () => {
        refuse("close");
        this.closed.add(drvPath);
      },
    };
  }

  /** What was written for this derivation; `undefined` when it was never built. */
  textOf(drvPath: StorePath): string | undefined {
    const chunks = this.#chunks.get(drvPath);
    if (chunks === undefined) return undefined;
    const decoder = new TextDecoder();
    return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode();
  }
}
