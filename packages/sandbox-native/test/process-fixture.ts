import { readdirSync, readlinkSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What descriptors of this process are open on, in order; neither pipes nor what the list itself is read from. */
export function openFiles(): readonly string[] {
  const files: string[] = [];
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`);
      if (file.startsWith("/") && !file.startsWith("/proc/")) files.push(file);
    } catch {
      // The descriptor of the list is closed by now.
    }
  }
  return files.sort();
}

/** How much more memory this process has at the most while `act` runs; garbage does not count. */
export async function growthWhile(act: () => Promise<void>): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  collectGarbage();
  const before = process.memoryUsage().rss;
  let highest = before;
  const timer = setInterval(() => {
    collectGarbage();
    highest = Math.max(highest, process.memoryUsage().rss);
  }, 20);
  try {
    await act();
  } finally {
    clearInterval(timer);
  }
  return highest - before;
}
