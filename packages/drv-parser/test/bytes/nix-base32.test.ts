import { describe, expect, test } from "vitest";
import { decodeNixBase32, encodeNixBase32, hashBytes } from "../../src/index.js";

const bits = (size: number, byte = 0xff) => new Uint8Array(size).fill(byte);

describe("nix32", () => {
  test.each([
    { name: "nothing", bytes: bits(0), text: "" },
    { name: "one byte: three bits of the first character are used", bytes: bits(1), text: "7z" },
    { name: "two bytes: one bit", bytes: bits(2), text: "1zzz" },
    { name: "three bytes: four bits", bytes: bits(3), text: "gzzzz" },
    { name: "four bytes: two bits", bytes: bits(4), text: "3zzzzzz" },
    { name: "five bytes: none is left over", bytes: bits(5), text: "zzzzzzzz" },
    {
      name: "the lowest bit of the first byte: the last character",
      bytes: Uint8Array.of(1, 0),
      text: "0001",
    },
    {
      name: "the highest bit of the last byte: the first character",
      bytes: Uint8Array.of(0, 0x80),
      text: "1000",
    },
    { name: "a group across two bytes", bytes: Uint8Array.of(0xe0, 0x03), text: "00z0" },
    { name: "32 zero bytes", bytes: bits(32, 0), text: "0".repeat(52) },
    { name: "32 bytes of ones", bytes: bits(32), text: `1${"z".repeat(51)}` },
    { name: "64 bytes of ones", bytes: bits(64), text: `3${"z".repeat(102)}` },
    {
      name: "sha256 of hello",
      bytes: hashBytes("sha256", new TextEncoder().encode("hello")).digest,
      text: "094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
    },
    {
      name: "md5 of hello",
      bytes: hashBytes("md5", new TextEncoder().encode("hello")).digest,
      text: "4jqlbi14cxf6wpcajbphm40hax",
    },
    {
      name: "sha1 of hello",
      bytes: hashBytes("sha1", new TextEncoder().encode("hello")).digest,
      text: "9m1skbnr5i43n3yypvda5s65vhfwdx5a",
    },
  ])("$name", ({ bytes, text }) => {
    expect(encodeNixBase32(bytes)).toBe(text);
    expect(decodeNixBase32(text)).toEqual(bytes);
  });

  test.each([
    { name: "a bit past the end of 32 bytes", text: `2${"0".repeat(51)}` },
    { name: "a bit past the end of 16 bytes", text: `8${"0".repeat(25)}` },
    { name: "a bit past the end of one byte", text: "80" },
    { name: "a bit past the end in a group across bytes", text: `4${"0".repeat(102)}` },
    { name: "one character: no number of bytes has it", text: "0" },
    { name: "three characters", text: "000" },
    { name: "upper case", text: `0${"A".repeat(51)}` },
    { name: "e, o, t or u", text: "0e" },
    { name: "a character beyond ASCII", text: "0é" },
  ])("refuses $name", ({ text }) => {
    expect(() => decodeNixBase32(text)).toThrow(
      expect.objectContaining({ code: "ERR_HASH", message: `'${text}' is not valid base-32` }),
    );
  });
});
