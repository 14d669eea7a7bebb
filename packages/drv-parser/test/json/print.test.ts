import { describe, expect, test } from "vitest";
import { bytesOf, derivationToJson } from "../../src/index.js";
import { derivationOf, withEnv } from "../support/derivation-text.js";

const binary = Uint8Array.of(0xff, 0x00, 0x80);

/** The forms that Nix prints are compared by the golden files and the vectors. */
describe("derivationToJson", () => {
  test("has members in base 64 only for what is no text", () => {
    const text = Object.keys(derivationToJson(withEnv({ a: "1" })));
    expect(text.filter((member) => member.endsWith("Base64"))).toEqual([]);
  });

  test("moves a variable that is no text, with its name", () => {
    expect(derivationToJson(withEnv({ a: "1", b: binary }))).toMatchObject({
      env: { a: "1" },
      envBase64: { "Yg==": "/wCA" },
    });
  });

  test("moves all arguments when one is no text", () => {
    const json = derivationToJson({ ...derivationOf(), args: [bytesOf("a"), binary] });
    expect(json).toMatchObject({ argsBase64: ["YQ==", "/wCA"] });
    expect(json).not.toHaveProperty("args");
  });

  test("moves a builder that is no text", () => {
    const json = derivationToJson({ ...derivationOf(), builder: binary });
    expect(json).toMatchObject({ builderBase64: "/wCA" });
    expect(json).not.toHaveProperty("builder");
  });

  test("keeps a variable of any name", () => {
    const json = derivationToJson(withEnv({ ["__proto__"]: "p", constructor: "c", "": "none" }));
    expect(JSON.stringify(json["env"])).toBe('{"":"none","__proto__":"p","constructor":"c"}');
  });
});
