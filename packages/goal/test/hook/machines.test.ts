import { describe, expect, test } from "vitest";
import { chooseMachine, type Machine, parseMachines } from "../../src/hook/index.js";

const files: Readonly<Record<string, string>> = {
  "/etc/machines": "# two\nfirst\n\nsecond x86_64-linux - 2\n",
  "/loop": "@/loop",
};
const parse = (text: string) =>
  parseMachines(text, { system: "x86_64-linux", readFile: (path) => files[path] });

describe("builders", () => {
  test("say all fields, or leave them to their defaults", () => {
    expect(parse("mac aarch64-darwin,x86_64-darwin /key 8 2 kvm,big-parallel benchmark aGk=")).toEqual([
      {
        uri: "ssh://mac",
        systems: new Set(["aarch64-darwin", "x86_64-darwin"]),
        sshKey: "/key",
        maxJobs: 8,
        speedFactor: 2,
        supportedFeatures: new Set(["kvm", "big-parallel"]),
        mandatoryFeatures: new Set(["benchmark"]),
        publicHostKey: "aGk=",
      },
    ]);
    expect(parse("ssh-ng://host - - - 0")).toEqual([
      {
        uri: "ssh-ng://host",
        systems: new Set(["x86_64-linux"]),
        maxJobs: 1,
        speedFactor: 1,
        supportedFeatures: new Set(),
        mandatoryFeatures: new Set(),
      },
    ]);
  });

  test("are separated by lines and semicolons, have comments, and files of their own", () => {
    expect(parse("a; b # c; d\n@/etc/machines; @/absent\n").map(({ uri }) => uri)).toEqual([
      "ssh://a",
      "ssh://b",
      "ssh://first",
      "ssh://second",
    ]);
  });

  test.each(["auto", "daemon", "local", "local?root=/x", "daemon?a=b", "?root=/x", "/a/store", "file:///x"])(
    "name the store '%s' as it is",
    (uri) => {
      expect(parse(uri)).toMatchObject([{ uri }]);
    },
  );

  test.each([
    { text: "- x86_64-linux", reason: "names no store" },
    { text: "a - - many", reason: "the number of jobs 'many'" },
    { text: "a - - 1 -1", reason: "the speed factor '-1'" },
    { text: "a - - 1 1 - - ???", reason: "is not base 64" },
    { text: "a b c 1 1 f g h i", reason: "more than eight fields" },
    { text: "@/loop", reason: "name each other" },
  ])("refuse '$text'", ({ text, reason }) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: "ERR_HOOK_MACHINE",
        message: expect.stringMatching(/^bad machine specification: /u),
      }),
    );
    expect(() => parse(text)).toThrow(reason);
  });
});

describe("the machine for a derivation", () => {
  const [slow, fast, special] = parse(
    "slow - - 2 1 kvm; fast - - 2 4 kvm,big; special x86_64-linux,riscv64-linux - 1 1 - benchmark",
  ) as [Machine, Machine, Machine];
  const choose = (
    platform: string,
    features: readonly string[],
    loads: ReadonlyMap<Machine, number> = new Map(),
  ) =>
    chooseMachine(
      [slow, fast, special],
      { platform, requiredFeatures: new Set(features) },
      (machine) => loads.get(machine) ?? 0,
    );

  test.each([
    { name: "the faster of two that are idle", platform: "x86_64-linux", features: [], expected: fast },
    { name: "the one that has the feature", platform: "x86_64-linux", features: ["big"], expected: fast },
    {
      name: "one with a mandatory feature that is asked for",
      platform: "x86_64-linux",
      features: ["benchmark"],
      expected: special,
    },
    {
      name: "none that needs a feature that is not",
      platform: "riscv64-linux",
      features: [],
      expected: "none",
    },
    { name: "none of another system", platform: "mips-linux", features: [], expected: "none" },
  ])("is $name", ({ platform, features, expected }) => {
    expect(choose(platform, features)).toBe(expected);
  });

  test("is the one with the least to do for its speed, while it has room", () => {
    expect(choose("x86_64-linux", ["kvm"], new Map([[fast, 1]]))).toBe(slow);
    expect(
      choose(
        "x86_64-linux",
        ["kvm"],
        new Map([
          [slow, 1],
          [fast, 1],
        ]),
      ),
    ).toBe(fast);
    expect(
      choose(
        "x86_64-linux",
        ["kvm"],
        new Map([
          [slow, 1],
          [fast, 2],
        ]),
      ),
    ).toBe(slow);
    expect(
      choose(
        "x86_64-linux",
        ["kvm"],
        new Map([
          [slow, 2],
          [fast, 2],
        ]),
      ),
    ).toBe("busy");
  });
});
