import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { holds } from "../../../../tests/properties.js";
import { type LogMessage, parseLogMessage, printLogMessage } from "../../src/index.js";

describe("a message of Nix's logger", () => {
  test("keeps ids above 2^53 from start to stop (A9)", () => {
    const id = "18446744073709551615";
    const lines = [
      `@nix {"action":"start","fields":["/nix/store/x.drv","",1,1],"id":${id},"level":3,"text":"building","type":105}`,
      `@nix {"action":"result","fields":["line"],"id":${id},"type":101}`,
      `@nix {"action":"stop","id":${id}}`,
    ];
    const messages = lines.map(parseLogMessage);
    expect(messages.map((message) => "id" in message && message.id)).toEqual(lines.map(() => BigInt(id)));
    expect(messages.map(printLogMessage)).toEqual(lines);
  });

  test("is read whatever the order of its members and printed in byte order", () => {
    const message = parseLogMessage(
      '@nix { "type": 0, "id": 7, "text": "", "parent": 3, "level": 0, "action": "start" }',
    );
    expect(message).toEqual({
      action: "start",
      id: 7n,
      level: 0n,
      type: 0n,
      text: "",
      fields: [],
      parent: 3n,
    });
    expect(printLogMessage(message)).toBe(
      '@nix {"action":"start","id":7,"level":0,"parent":3,"text":"","type":0}',
    );
  });

  test("prints as it was read", () => {
    const number = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const text = fc.string({ unit: "grapheme" });
    const fields = fc.array(fc.oneof(text, number), { maxLength: 4 });
    const message: fc.Arbitrary<LogMessage> = fc.oneof(
      fc.record(
        { action: fc.constant("msg" as const), level: number, msg: text, rawMsg: text },
        { requiredKeys: ["action", "level", "msg"] },
      ) as fc.Arbitrary<LogMessage>,
      fc.record(
        {
          action: fc.constant("start" as const),
          id: number,
          level: number,
          type: number,
          text,
          fields,
          parent: number,
        },
        { requiredKeys: ["action", "id", "level", "type", "text", "fields"] },
      ) as fc.Arbitrary<LogMessage>,
      fc.record({ action: fc.constant("stop" as const), id: number }),
      fc.record({ action: fc.constant("result" as const), id: number, type: number, fields }),
      fc.record({ action: fc.constant("setPhase" as const), phase: text }),
    );
    holds(message, (each) => expect(parseLogMessage(printLogMessage(each))).toEqual(each));
  });

  test.each([
    "building",
    '@nix{"action":"stop","id":1}',
    "@nix 1",
    "@nix {}",
    '@nix {"action":null}',
    "@nix ][",
    '@nix {"action":"nobody knows"}',
    '@nix {"action":"stop","id":-1}',
    '@nix {"action":"stop","id":1.5}',
    '@nix {"action":"stop","id":18446744073709551616}',
    '@nix {"action":"stop"}',
    '@nix {"action":"result","id":1,"type":101,"fields":[-1]}',
    '@nix {"action":"result","id":1,"type":101,"fields":[true]}',
    '@nix {"action":"result","id":1,"type":101,"fields":{}}',
  ])("%s is refused", (line) => {
    expect(() => parseLogMessage(line)).toThrow(expect.objectContaining({ code: "ERR_LOG_MESSAGE" }));
  });
});
