import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isHostId, probeSandbox } from "@drvkit/sandbox-native";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { BegunSandboxes, endBegun } from "../src/sandbox/begun.js";
import { ControlGroups } from "../src/sandbox/control-groups.js";
import { defaultSettings, type Settings } from "../src/settings/table.js";

const folder = mkdtempSync(join(tmpdir(), "drvkit-begun-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.useRealTimers());

const isRoot = process.geteuid?.() === 0;
const because = await refusal();

/** Why no sandbox can be had here. */
async function refusal(): Promise<string> {
  if (isRoot && !isHostId(defaultSettings()["start-id"])) return " (skipped: no ids for builds here)";
  const missing = (await probeSandbox()).filter(({ required, works }) => required && !works);
  return missing.length === 0 ? "" : ` (skipped: ${missing.map(({ detail }) => detail).join(", ")})`;
}

const begunWith = (settings: Partial<Settings> = {}) => {
  const all = { ...defaultSettings(), ...settings };
  return new BegunSandboxes(all, new ControlGroups({ stateDir: folder }, all));
};

const ordinary = { isolation: "sandbox", network: "private", idRange: false } as const;
const others = [
  { ...ordinary, isolation: "none" },
  { ...ordinary, network: "host" },
  { ...ordinary, idRange: true },
] as const;

/** Sandboxes that wait: processes of this one that are in a mount namespace of their own. */
function waiting(): number {
  const own = readFileSync("/proc/self/status", "utf8");
  const threads = readdirSync("/proc/self/task");
  const children = threads.flatMap((thread) =>
    readOrNothing(`/proc/self/task/${thread}/children`).split(" "),
  );
  const namespaced = children.filter((pid) => {
    const status = pid === "" ? "" : readOrNothing(`/proc/${pid}/status`);
    return /^NSpid:\t\d+\t\d+$/mu.test(status) && !/^State:\tZ/mu.test(status);
  });
  expect(own).toMatch(/^NSpid:\t\d+$/mu);
  return namespaced.length;
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}

describe.skipIf(because !== "")(`sandboxes that are begun ahead${because}`, () => {
  test("there is one from the second builder on, and nothing of it stays", async () => {
    const begun = begunWith();
    begun.started(ordinary);
    expect(await begun.take(ordinary)).toBeUndefined();
    begun.started(ordinary);
    begun.started(ordinary);
    const one = await begun.take(ordinary);
    expect(one?.ids.allocated).toBe(isRoot);
    expect(waiting()).toBe(1);
    expect(await begun.take(ordinary)).toBeUndefined();
    await one?.sandbox.end();
    await one?.group?.remove();
    one?.ids.release();
    begun.started(ordinary);
    await begun.end();
    expect(waiting()).toBe(0);
    expect(one?.group === undefined || !existsSync(one.group.path)).toBe(true);
  });

  test("builds of another kind neither get it nor ask for one", async () => {
    const begun = begunWith();
    for (const other of others) begun.started(other);
    begun.started(ordinary);
    expect(await begun.take(ordinary)).toBeUndefined();
    begun.started(ordinary);
    for (const other of others) expect(await begun.take(other)).toBeUndefined();
    expect(waiting()).toBeLessThanOrEqual(1);
    await begun.end();
    expect(waiting()).toBe(0);
  });

  test("one that no build comes for within a second ends", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const begun = begunWith();
    begun.started(ordinary);
    begun.started(ordinary);
    vi.advanceTimersByTime(999);
    const one = await begun.take(ordinary);
    expect(one).toBeDefined();
    await one?.sandbox.end();
    await one?.group?.remove();
    one?.ids.release();
    begun.started(ordinary);
    vi.advanceTimersByTime(1000);
    expect(await begun.take(ordinary)).toBeUndefined();
    await begun.end();
    expect(waiting()).toBe(0);
    begun.ended(ordinary); // of a builder that ran for longer
    const again = await begun.take(ordinary);
    expect(again).toBeDefined();
    if (again !== undefined) await endBegun(again);
    expect(waiting()).toBe(0);
  });

  test.skipIf(!isRoot)("none keeps a member of a group from others (skipped: not root)", async () => {
    const begun = begunWith({ "build-users-group": "nixbld" });
    begun.started(ordinary);
    begun.started(ordinary);
    expect(await begun.take(ordinary)).toBeUndefined();
  });

  test("what cannot be had ahead is no error", async () => {
    const begun = begunWith({ "use-cgroups": "false", "max-build-processes": 1 });
    begun.started(ordinary);
    begun.started(ordinary);
    expect(await begun.take(ordinary)).toBeUndefined();
    await begun.end();
  });
});
