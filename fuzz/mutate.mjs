// Inputs near to seeds: pieces of seeds overwritten, inserted, removed, repeated, taken from another seed.
import fc from "fast-check";

/** Numbers that formats take for lengths, and bytes that have a meaning somewhere. */
const telling = [
  ...[0, 1, 7, 8, 255, 256, 4096, 2 ** 31, 2 ** 32, 2 ** 53].map((value) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return bytes;
  }),
  new Uint8Array(8).fill(0xff),
  ...[
    '"',
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ";",
    "^",
    "!",
    "*",
    "\n",
    "\r",
    "\0",
    "/",
    "..",
    "=",
  ].map((text) => new TextEncoder().encode(text)),
  Uint8Array.of(0xff),
  Uint8Array.of(0xc3),
  Uint8Array.of(0xed, 0xa0, 0x80),
];

const largest = 1 << 20;

/** An arbitrary of inputs made from `seeds`, each with some of its bytes changed. */
export function mutated(seeds) {
  const change = fc.record({
    kind: fc.constantFrom("overwrite", "insert", "remove", "repeat", "splice", "flip"),
    at: fc.nat(),
    length: fc.oneof(
      { weight: 4, arbitrary: fc.nat({ max: 16 }) },
      { weight: 1, arbitrary: fc.nat({ max: 4096 }) },
    ),
    data: fc.oneof(fc.constantFrom(...telling), fc.uint8Array({ maxLength: 16 })),
    other: fc.constantFrom(...seeds),
  });
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(change, { maxLength: 6 }))
    .map(([seed, changes]) => changes.reduce(apply, seed).subarray(0, largest));
}

function apply(bytes, { kind, at: place, length, data, other }) {
  const at = bytes.length === 0 ? 0 : place % bytes.length;
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (kind) {
    case "overwrite":
      return join(head, data, tail.subarray(data.length));
    case "insert":
      return join(head, data, tail);
    case "remove":
      return join(head, tail.subarray(length));
    case "repeat":
      return join(
        head,
        ...Array.from({ length: (length % 64) + 1 }, () => head.subarray(-(data.length + 1))),
        tail,
      );
    case "splice":
      return join(head, other.subarray(place % (other.length + 1)).subarray(0, length), tail);
    default:
      return join(head, Uint8Array.of((tail[0] ?? 0) ^ (1 << (length % 8))), tail.subarray(1));
  }
}

function join(...parts) {
  return new Uint8Array(Buffer.concat(parts));
}
