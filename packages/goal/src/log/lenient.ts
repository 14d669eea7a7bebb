import type { StorePath } from "@drvkit/drv-parser";
import { reasonOf } from "../error.js";
import type { LogPort, LogWriter } from "../ports/log.js";

/**
 * The log of a build, given up once and with a warning where it cannot be written: the disk may be full, and the build
 * is worth more than its log. What was written until then stays, and who follows it is at its end.
 */
export async function openLenientLog(
  port: LogPort,
  drvPath: StorePath,
  warn: (text: string) => void,
): Promise<LogWriter> {
  let warned = false;
  const attempt = async <Value>(what: string, act: () => Promise<Value>): Promise<Value | undefined> => {
    try {
      return await act();
    } catch (error) {
      if (!warned) warn(`cannot ${what} the log of '${drvPath}': ${reasonOf(error)}`);
      warned = true;
      return undefined;
    }
  };
  const writer = await attempt("open", () => port.open(drvPath));
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    if (writer !== undefined) closed ??= attempt("complete", () => writer.close());
    return closed ?? Promise.resolve();
  };
  return {
    async write(bytes) {
      if (writer === undefined || closed !== undefined) return;
      await attempt("write", () => writer.write(bytes));
      if (warned) void close();
    },
    close,
  };
}
