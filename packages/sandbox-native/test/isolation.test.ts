import { spawnSync } from "node:child_process";
import { afterAll, describe, expect, test } from "vitest";
import { startSandbox } from "../ts/index.js";
import * as harness from "./harness.js";

const { childrenOf, hasEnded, newDirectory, spec } = harness;

afterAll(harness.removeDirectories);

const refused = await harness.refusal();
const because = refused === undefined ? "" : ` (skipped: ${refused})`;
const rounds = process.env["DRVKIT_TEST_LONG"] === "1" ? 1000 : 60;

/** How many processes it killed: one, or none if it has ended. */
function kill9(pid: number): 0 | 1 {
  try {
    process.kill(pid, "SIGKILL");
    return 1;
  } catch {
    return 0;
  }
}

describe.skipIf(refused !== undefined)(`a set-up whose processes die${because}`, () => {
  /** How a start ends of which the `count`-th look finds processes and kills all of them. */
  async function startKilledAt(count: number) {
    const before = new Set(childrenOf("self")); // the process that helpers are copies of
    let looks = 0;
    let killed = 0;
    let settled = false;
    const kill = () => {
      if (settled) return;
      looks += 1;
      if (looks > count)
        for (const pid of childrenOf("self").filter((pid) => !before.has(pid))) {
          killed += kill9(pid);
        }
      if (killed === 0) setImmediate(kill);
    };
    const starting = startSandbox(spec(newDirectory(), ["-c", "while :; do :; done"]));
    kill();
    const outcome = await starting.then(
      async (running) => {
        running.kill();
        return (await harness.collect(running)).status;
      },
      (error: unknown) => error as { readonly code?: string; readonly message?: string },
    );
    settled = true;
    return outcome;
  }

  test(`B26: ${rounds} starts end, each with a reason, whenever their processes are killed`, {
    timeout: rounds * 5000,
  }, async () => {
    await harness.build(["-c", "true"]);
    const outcomes = { started: 0, failed: 0 };
    for (let round = 0; round < rounds; round++) {
      const outcome = await startKilledAt(round % 30);
      if ("kind" in outcome) {
        expect(outcome).toEqual({ kind: "signalled", signal: 9 });
        outcomes.started += 1;
        continue;
      }
      expect(outcome).toMatchObject({ code: "ERR_SANDBOX_SETUP" });
      outcomes.failed += 1;
    }
    expect(outcomes.failed).toBeGreaterThan(0);
    expect((await harness.build(["-c", "echo after"])).output).toBe("after\n");
    // One that was killed before its pid was told is nobody's to reap, but it does not run.
    expect(await harness.eventually(() => childrenOf("self").every(hasEnded))).toBe(true);
  });
});

const askForKeyring = 'printf "%d\\n", syscall(250, 0, -3, 0)'; // keyctl, KEYCTL_GET_KEYRING_ID, the session's
const asked = spawnSync("/usr/bin/perl", ["-e", askForKeyring], { encoding: "utf8" });
const ours = asked.status === 0 && process.arch === "x64" ? Number(asked.stdout) : 0;
const noKeyring = ours > 0 ? "" : " (skipped: no perl, no keyrings, or not x86-64)";

describe.skipIf(refused !== undefined)(`keys of the machine${because}`, () => {
  test.skipIf(ours <= 0)(`every builder has a keyring of its own${noKeyring}`, async () => {
    const builds = [1, 2].map(() => harness.build(["-c", `/usr/bin/perl -e '${askForKeyring}'`]));
    const theirs = (await Promise.all(builds)).map(({ output }) => Number(output));
    expect(Math.min(...theirs)).toBeGreaterThan(0);
    expect(new Set([ours, ...theirs]).size).toBe(3);
  });
});
