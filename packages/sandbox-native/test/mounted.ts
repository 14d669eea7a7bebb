import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { afterEach } from "vitest";
import "./trees-fixture.js"; // registered first, so that directories are removed when nothing is mounted in them any more

/** Whether file systems can be mounted: root outside of a container that forbids it. */
export const canMount = (() => {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

const mounted: string[] = [];

afterEach(() => {
  for (const place of mounted.splice(0).reverse()) execFileSync("umount", ["-l", place]);
});

/** A file system in memory, at a directory that is made for it. */
export function mountMemory(place: string, options: string): string {
  mkdirSync(place);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "drvkit-test", place]);
  mounted.push(place);
  return place;
}

/** From now on it can only be read. */
export function makeReadOnly(place: string): void {
  execFileSync("mount", ["-o", "remount,ro", place]);
}

/** A file of 3 MB on a disk most of which is gone. */
export function mountBroken(dir: string): string {
  const [disk, place] = [`${dir}/disk`, `${dir}/broken`];
  closeSync(openSync(disk, "w"));
  truncateSync(disk, 8 << 20);
  execFileSync("mkfs.ext4", ["-q", "-F", "-O", "^has_journal", "-b", "1024", disk]);
  mkdirSync(place);
  execFileSync("mount", ["-o", "loop", disk, place]);
  mkdirSync(`${place}/tree`);
  writeFileSync(`${place}/tree/file`, Buffer.alloc(3_000_000, "x"));
  execFileSync("umount", [place]);
  execFileSync("mount", ["-o", "loop,ro", disk, place]);
  mounted.push(place);
  truncateSync(disk, 200 << 10);
  return `${place}/tree`;
}

/** Leaves so many bytes free. */
export function fill(place: string, freeBytes: number): void {
  const file = openSync(`${place}/filler`, "w");
  const block = Buffer.alloc(4096);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
  truncateSync(`${place}/filler`, Math.max(0, statSync(`${place}/filler`).size - freeBytes));
}
