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
    '@nix {"action":"start","id":1,"level":3,"type":101,"text":"","fields":[-1]}',
    '@nix {"action":"start","id":1,"level":3,"type":101,"text":"","fields":[true]}',
    '@nix {"action":"stop"}',
    '@nix {"action":"result","id":1,"type":18446744073709551616}',
  ])("%s cannot be read either (A8)", (line) => {
    expect(readBuilderLine(line)).toEqual({ type: "malformed", reason: expect.any(String) });
  });

  test("with an action that nobody knows is not for the log", () => {
    expect(readBuilderLine('@nix {"action":"nobody knows"}')).toEqual({ type: "swallowed" });
  });

  test("may be a message, whose numbers keep all their digits (A9)", () => {
    const line =
      '@nix {"action":"result","id":18446744073709551615,"type":101,"fields":["x",9007199254740993]}';
    expect(readBuilderLine(line)).toEqual({
      type: "message",
      message: {
        action: "result",
        id: 18446744073709551615n,
        type: 101n,
        fields: ["x", 9007199254740993n],
      },
    });
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
      expect(readBuilderLine(line)).toMatchObject({ type: "malformed", reason: "'phase' is no text" });
    },
  );
});
