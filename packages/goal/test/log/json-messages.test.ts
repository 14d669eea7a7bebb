import { describe, expect, test } from "vitest";
import { readBuilderLine } from "../../src/log/json-messages.js";

describe("a line of a builder", () => {
  test.each([
    { name: "that is plain is text", line: "gcc -c x.c" },
    { name: "that is empty is text", line: "" },
    { name: "with the mark elsewhere is text", line: ' @nix {"action":"stop"}' },
    { name: "with the mark and no blank is text", line: '@nix{"action":"stop"}' },
  ])("$name", ({ line }) => {
    expect(readBuilderLine(line)).toEqual({ type: "text" });
  });

  test.each(["@nix 1", "@nix {}", '@nix {"action":null}', "@nix ][", "@nix null", '@nix "x"', "@nix []"])(
    "%s cannot be read, and no exception leaves (A8)",
    (line) => {
      expect(readBuilderLine(line)).toEqual({ type: "malformed", reason: expect.any(String) });
    },
  );

  test.each([
    '@nix {"action":"start","id":1,"fields":[-1]}',
    '@nix {"action":"start","id":1,"fields":[true]}',
    '@nix {"action":"result","id":18446744073709551615,"type":101,"fields":["x"]}',
    '@nix {"action":"nobody knows"}',
  ])("%s is not for the log", (line) => {
    expect(readBuilderLine(line)).toEqual({ type: "swallowed" });
  });

  test("names a phase", () => {
    const line = '@nix {"action":"setPhase","phase":"buildPhase"}';
    expect(readBuilderLine(line)).toEqual({ type: "phase", phase: "buildPhase" });
    expect(readBuilderLine('@nix { "phase" : "a\\u0007b", "action": "setPhase" }')).toEqual({
      type: "phase",
      phase: "a\u0007b",
    });
  });

  test.each(['@nix {"action":"setPhase"}', '@nix {"action":"setPhase","phase":["x"]}'])(
    "%s names none",
    (line) => {
      expect(readBuilderLine(line)).toMatchObject({ type: "malformed", reason: "it names no phase" });
    },
  );
});
