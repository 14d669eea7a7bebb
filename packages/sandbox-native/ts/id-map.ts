/** Whether a map of `/proc/PID/uid_map` or `gid_map` has an id: lines of first id inside, first id outside, count. */
export function isMapped(map: string, id: number): boolean {
  return map
    .split("\n")
    .map((line) => line.trim().split(/ +/).map(Number))
    .some(([first = 0, , count = 0]) => id >= first && id < first + count);
}
