import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type SystemCallNumbers, type SystemCallRule, systemCallRules } from "../ts/index.js";
import { inside, type Line, linesOf, outside, ways } from "./calls.js";
import * as harness from "./harness.js";

afterAll(harness.removeDirectories);

const rules = systemCallRules();

describe("the table of the call filter", () => {
  test("has Nix's rows and those that close ways around them", () => {
    const called = (action: string) =>
      rules.flatMap((rule) => (rule.action === action ? [rule.call] : [])).join(" ");
    expect(called("EPERM")).toBe("chmod fchmod fchmodat fchmodat2 creat mknod mknodat open openat prctl");
    expect(called("ENOSYS")).toBe("openat2 io_uring_setup io_uring_enter io_uring_register");
    const attributes = ["set", "get", "list", "remove"].flatMap((verb) =>
      ["", "l", "f"].map((kind) => `${kind}${verb}xattr`),
    );
    const later = ["setxattrat", "getxattrat", "listxattrat", "removexattrat"];
    expect(called("ENOTSUP")).toBe([...attributes, ...later].join(" "));
  });

  test("has the numbers of every architecture", () => {
    const before = ["chmod", "creat", "mknod", "open"]; // arm64 came after their successors
    for (const { call, numbers } of rules) {
      const expected = ["x86_64", "i386", "x32", ...(before.includes(call) ? [] : ["aarch64"]), "arm"];
      expect(Object.keys(numbers).toSorted(), call).toEqual(expected.toSorted());
    }
  });

  const folders = process.arch === "x64" ? ["/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"] : [];
  const headers: readonly (readonly [of: keyof SystemCallNumbers, path: string | undefined])[] = [
    ["x86_64", find(folders, "unistd_64.h")],
    ["i386", find(folders, "unistd_32.h")],
    ["x32", find(folders, "unistd_x32.h")],
    ["aarch64", find(["/usr/include/asm-generic"], "unistd.h")],
  ];
  for (const [of, path] of headers) {
    const absent = path === undefined ? " (skipped: it is not installed)" : "";
    test.skipIf(absent !== "")(`has the numbers of the kernel's header for ${of}${absent}`, () => {
      const known = definitions(readFileSync(path ?? "", "utf8"));
      const named = rules.filter(({ call }) => known.has(call));
      expect(named.length).toBeGreaterThan(15); // a header may be older than some calls
      for (const { call, numbers } of named) expect(numbers[of], call).toBe(known.get(call));
    });
  }

  test("has one number everywhere for calls that headers may not know yet", () => {
    const later = { fchmodat2: 452, setxattrat: 463, getxattrat: 464, listxattrat: 465, removexattrat: 466 };
    for (const [call, number] of Object.entries(later)) {
      const x32 = number + 0x4000_0000;
      const numbers = { x86_64: number, i386: number, x32, aarch64: number, arm: number };
      expect(rules.find((rule) => rule.call === call)).toMatchObject({ numbers });
    }
  });

  test("is the one of the README", () => {
    const [, section = ""] = readFileSync(join(import.meta.dirname, "../README.md"), "utf8").split(
      "## What the call filter refuses\n",
    );
    expect(section.split("\n").filter((line) => line.startsWith("|"))).toEqual(readmeTable());
  });
});

function find(folders: readonly string[], name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** The numbers that a header of the kernel defines. */
function definitions(header: string): ReadonlyMap<string, number> {
  const definition = /^#define __NR_(\w+)\s+\(?(__X32_SYSCALL_BIT \+ )?(\d+)/gm;
  const x32Bit = 0x4000_0000;
  return new Map(
    [...header.matchAll(definition)].map(([, call = "", bit, number]) => [
      call,
      Number(number) + (bit ? x32Bit : 0),
    ]),
  );
}

/** One line for rules that differ in nothing but the call. */
function readmeTable(): readonly string[] {
  const when: Record<SystemCallRule["condition"]["kind"], string> = {
    always: "always",
    "mode-has-set-id": "the mode has the set-uid or set-gid bit",
    "creates-with-set-id": "the same, and the flags make a file",
    "disarms-death-signal": "`PR_SET_PDEATHSIG` to anything but SIGKILL",
  };
  const calls = new Map<string, string[]>();
  for (const { call, condition, action, reason } of rules) {
    const rest = `${when[condition.kind]} | ${action} | ${reason}`;
    calls.set(rest, [...(calls.get(rest) ?? []), `\`${call}\``]);
  }
  const rows = [...calls].map(([rest, of]) => `| ${of.join(" ")} | ${rest} |`);
  return ["| calls | when | error | why |", "|---|---|---|---|", ...rows];
}

const errnoOf = (rule: SystemCallRule) => constants.errno[rule.action];
const named = (lines: readonly Line[], errnos: readonly number[]) =>
  lines.map(({ rule, text }, index) => `${rule.call} (${text}): ${errnos[index]}`);

const refusal = await harness.refusal();
const isFiltered = !/^Seccomp:\s*0$/m.test(readFileSync("/proc/self/status", "utf8"));

for (const way of ways) {
  describe(`B9: calls by ${way.way}`, () => {
    const lines = linesOf(way);
    const why = refusal ?? way.program.problem;
    test.skipIf(why !== undefined)(
      `every row is refused where its condition holds, and as without a filter where not${why === undefined ? "" : ` (skipped: ${why})`}`,
      async () => {
        const { errnos, mode } = await inside(way, lines);
        const free = outside(way, lines);
        const expected = lines.map(({ rule, refused }, index) =>
          refused ? errnoOf(rule) : free.errnos[index],
        );
        expect(named(lines, errnos)).toEqual(named(lines, expected.map(Number)));
        for (const [index, { rule, refused, text }] of lines.entries())
          if (!refused) expect(errnos[index], `${rule.call} (${text})`).not.toBe(errnoOf(rule));
        expect(mode & 0o6000).toBe(0);
        expect(new Set(lines.map(({ rule }) => rule))).toEqual(
          new Set(rules.filter(({ numbers }) => numbers[way.of])),
        );
      },
    );

    const unclear = way.program.problem ?? (isFiltered ? "a call filter is on already" : undefined);
    test.skipIf(unclear !== undefined)(
      `without a sandbox none of it is refused so${unclear === undefined ? "" : ` (skipped: ${unclear})`}`,
      () => {
        const asked = lines.filter(({ rule, refused }) => refused && rule.action !== "ENOSYS");
        const { errnos } = outside(way, asked);
        for (const [index, { rule, text }] of asked.entries())
          expect(errnos[index], `${rule.call} (${text})`).not.toBe(errnoOf(rule));
      },
    );
  });
}
