import { compareText, textOf } from "../bytes/text.js";
import { DrvError, SyntaxErrorAt } from "../error.js";
import { printDouble } from "./number.js";

/** JSON without loss: numbers keep their text, members may be called anything. */
export type JsonValue =
  | { readonly type: "null" }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "number"; readonly text: string }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly items: readonly JsonValue[] }
  | { readonly type: "object"; readonly members: ReadonlyMap<string, JsonValue> };

/** An object of {@link JsonValue}s. */
export type JsonObject = Extract<JsonValue, { type: "object" }>;

const deepest = 512;
/** Halves of a pair that stand alone: with this flag a pair is one character. */
const loneSurrogate = /[\ud800-\udfff]/u;

/**
 * Reads JSON. A repeated member keeps its last value.
 *
 * @throws {@link SyntaxErrorAt} `ERR_JSON_SYNTAX`; offsets count code units. `ERR_NOT_UTF8` for other bytes.
 */
export function parseJson(source: Uint8Array | string): JsonValue {
  const reader = new JsonReader(typeof source === "string" ? source : textOf(source));
  const value = reader.value(0);
  reader.end();
  return value;
}

class JsonReader {
  #at = 0;

  constructor(private readonly text: string) {}

  end(): void {
    this.#blank();
    if (this.#at < this.text.length) this.#fail("the end");
  }

  value(depth: number): JsonValue {
    if (depth > deepest) this.#fail(`at most ${deepest} levels`);
    this.#blank();
    switch (this.text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return { type: "string", value: this.#string() };
      case "t":
        return this.#word("true", { type: "boolean", value: true });
      case "f":
        return this.#word("false", { type: "boolean", value: false });
      case "n":
        return this.#word("null", { type: "null" });
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonValue {
    const members = new Map<string, JsonValue>();
    this.#items("}", () => {
      this.#blank();
      if (this.text[this.#at] !== '"') this.#fail("a member name");
      const name = this.#string();
      this.#blank();
      if (this.text[this.#at] !== ":") this.#fail("':'");
      this.#at += 1;
      members.set(name, this.value(depth + 1));
    });
    return { type: "object", members };
  }

  #array(depth: number): JsonValue {
    const items: JsonValue[] = [];
    this.#items("]", () => items.push(this.value(depth + 1)));
    return { type: "array", items };
  }

  #items(close: string, item: () => void): void {
    this.#at += 1;
    this.#blank();
    if (this.text[this.#at] === close) {
      this.#at += 1;
      return;
    }
    for (;;) {
      item();
      this.#blank();
      const next = this.text[this.#at];
      if (next !== "," && next !== close) this.#fail(`',' or '${close}'`);
      this.#at += 1;
      if (next === close) return;
    }
  }

  /** Its end is looked for first: a pattern for the whole would need a stack as deep as the string is long. */
  #string(): string {
    const start = this.#at;
    if (this.text[start] !== '"') this.#fail("a string");
    let end = start + 1;
    while (end < this.text.length && this.text[end] !== '"') end += this.text[end] === "\\" ? 2 : 1;
    const value = unquote(this.text.slice(start, end + 1));
    if (value === undefined) this.#fail("a string", start);
    if (loneSurrogate.test(value)) this.#fail("a string without half a character", start);
    this.#at = end + 1;
    return value;
  }

  #number(): JsonValue {
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/uy;
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.text)?.[0];
    if (text === undefined) return this.#fail("a value");
    if (!Number.isFinite(Number(text))) return this.#fail("a number that a double can hold");
    this.#at += text.length;
    return { type: "number", text };
  }

  #word(word: string, value: JsonValue): JsonValue {
    if (!this.text.startsWith(word, this.#at)) this.#fail("a value");
    this.#at += word.length;
    return value;
  }

  #blank(): void {
    while (" \t\n\r".includes(this.text[this.#at] ?? "x")) this.#at += 1;
  }

  #fail(expected: string, offset = this.#at): never {
    const found = this.text[offset];
    throw new SyntaxErrorAt(
      "ERR_JSON_SYNTAX",
      offset,
      expected,
      found === undefined ? "the end" : `'${found}'`,
    );
  }
}

/** The string that a JSON text is, `undefined` when it is none. */
function unquote(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * JSON as Nix writes it: members in byte order at every level, numbers as Nix's library prints them. Compact, or with
 * this many spaces for each level.
 *
 * @throws {@link DrvError} `ERR_JSON_SYNTAX` for a number that overflows, or text that UTF-8 cannot hold.
 */
export function printJson(value: JsonValue, indent = 0): string {
  return print(value, indent, "\n");
}

/** `line` begins a line at the level of the value. */
function print(value: JsonValue, indent: number, line: string): string {
  switch (value.type) {
    case "null":
      return "null";
    case "boolean":
      return String(value.value);
    case "number":
      return printNumber(value.text);
    case "string":
      return printString(value.value);
    case "array":
      return enclosed("[", value.items, "]", indent, line, (item, next) => print(item, indent, next));
    case "object": {
      const members = [...value.members].sort(([a], [b]) => compareText(a, b));
      const colon = indent === 0 ? ":" : ": ";
      return enclosed("{", members, "}", indent, line, ([name, member], next) => {
        return printString(name) + colon + print(member, indent, next);
      });
    }
  }
}

function enclosed<Item>(
  open: string,
  items: readonly Item[],
  close: string,
  indent: number,
  line: string,
  printItem: (item: Item, line: string) => string,
): string {
  if (items.length === 0) return open + close;
  const inner = line + " ".repeat(indent);
  const printed = items.map((item) => printItem(item, inner));
  if (indent === 0) return open + printed.join(",") + close;
  return open + inner + printed.join(`,${inner}`) + line + close;
}

function printString(text: string): string {
  if (loneSurrogate.test(text))
    throw new DrvError("ERR_JSON_SYNTAX", `'${text}' has half a character, which UTF-8 cannot hold`);
  return `"${text.replace(/["\\\u0000-\u001f]/gu, (character) => JSON.stringify(character).slice(1, -1))}"`;
}

const [leastInteger, greatestInteger] = [-(2n ** 63n), 2n ** 64n - 1n];

/** Integers as written while they fit 64 bits; everything else as a double. */
function printNumber(text: string): string {
  if (/^-?\d+$/u.test(text)) {
    const integer = BigInt(text);
    if (integer >= leastInteger && integer <= greatestInteger) return integer.toString();
  }
  const value = Number(text);
  if (!Number.isFinite(value)) throw new DrvError("ERR_JSON_SYNTAX", `number '${text}' is out of range`);
  return printDouble(value);
}
