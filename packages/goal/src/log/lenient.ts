import type { StorePath } from "@drvkit/drv-parser";
import { reasonOf } from "../error.js";
import type { LogPort, LogWriter } from "../ports/log.js";

/**
 * The log of a build, given up once and with a warning where it cannot be written: the disk may be full, and the build
 * is worth more than its log. What was written until then stays.
 */
export async function openLenientLog(
  port: LogPort,
  drvPath: StorePath,
  warn: (text: string) => void,
): Promise<LogWriter> {
  let given = false;
  const attempt = async <Value>(what: string, act: () => Promise<Value>): Promise<Value | undefined> => {
    try {
      return await act();
    } catch (error) {
      const reason = reasonOf(error);
      if (!given) warn(`cannot ${what} the log of '${drvPath}': ${reason}`);
      given = true;
      return undefined;
    }
  };
  const writer = await attempt("open", () => port.open(drvPath));
  return {
    async write(bytes) {
      if (writer !== undefined && !given) await attempt("write", () => writer.write(bytes));
    },
    async close() {
      if (writer !== undefined) await attempt("complete", () => writer.close());
    },
  };
}
