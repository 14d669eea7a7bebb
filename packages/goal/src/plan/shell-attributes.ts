import { compareText, type JsonObject, type JsonValue } from "@drvkit/drv-parser";

/**
 * `.attrs.sh`: structured attributes as declarations of bash, what bash can hold of them.
 *
 * @see Nix: src/libstore/parsed-derivations.cc, `writeStructuredAttrsShell`
 */
export function printShellAttributes(attrs: JsonObject): string {
  return [...attrs.members]
    .filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/u.test(name))
    .sort(([a], [b]) => compareText(a, b))
    .map(([name, value]) => declaration(name, value))
    .join("");
}

function declaration(name: string, value: JsonValue): string {
  const single = simple(value);
  if (single !== undefined) return `declare ${name}=${single}\n`;
  if (value.type === "array") {
    const items = value.items.map(simple);
    if (items.some((item) => item === undefined)) return "";
    return `declare -a ${name}=(${items.map((item) => `${item} `).join("")})\n`;
  }
  if (value.type === "object") {
    const members = [...value.members]
      .sort(([a], [b]) => compareText(a, b))
      .map(([key, member]) => [key, simple(member)] as const);
    if (members.some(([, member]) => member === undefined)) return "";
    return `declare -A ${name}=(${members.map(([key, member]) => `[${quote(key)}]=${member} `).join("")})\n`;
  }
  return "";
}

function simple(value: JsonValue): string | undefined {
  switch (value.type) {
    case "string":
      return quote(value.value);
    case "number":
      return integral(value.text);
    case "null":
      return "''";
    case "boolean":
      return value.value ? "1" : "";
    default:
      return undefined;
  }
}

/**
 * Exact digits of a number that a float of 32 bits holds as a whole one: it decides, what is printed is the number
 * itself. Beyond 2^31 Nix prints garbage.
 */
function integral(text: string): string | undefined {
  if (/^-?\d+$/u.test(text)) return BigInt(text).toString();
  const value = Number(text);
  const float = Math.fround(value);
  return Math.ceil(float) === float && Number.isFinite(value)
    ? BigInt(Math.trunc(value)).toString()
    : undefined;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
