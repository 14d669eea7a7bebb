import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "./workspace.js";

/** Cells of the rows below a heading of the page. */
const page = readFileSync(join(root, "docs/security-tests.md"), "utf8");
const rowsBelow = (heading: string) =>
  (page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(2)
    .map((line) => line.slice(2, -2).split(" | "));

interface Named {
  readonly file: string;
  readonly title: string;
}

function namedIn(cell: string): readonly Named[] {
  return cell.split("<br>").flatMap((part) => {
    const [, file, title] = /^`([^`]+)`: (.*)$/u.exec(part) ?? [];
    return file === undefined || title === undefined ? [] : [{ file, title }];
  });
}

const sources = new Map<string, string>();

/** Whether a file has a test whose title begins so; titles end with why a test is skipped. */
function exists({ file, title }: Named): boolean {
  const source = sources.get(file) ?? readFileSync(join(root, file), "utf8");
  sources.set(file, source);
  if (file.endsWith(".rs")) return source.includes(`fn ${title}()`);
  return ['"', "`", "'"].some((quote) => source.includes(`${quote}${title}`));
}

describe("docs/security-tests.md", () => {
  const rows = ["Holes", "Rules", "Checks"].flatMap(rowsBelow);
  const cells = rows.map((row) => ({ row: row[0] ?? "", cell: row.at(-1) ?? "" }));

  test("names tests that exist", () => {
    const missing = cells.flatMap(({ cell }) => namedIn(cell)).filter((named) => !exists(named));
    expect(missing).toEqual([]);
    expect(rows.length).toBeGreaterThan(60);
  });

  test("has a test, or the reason for none, in every row", () => {
    const says = (cell: string) => namedIn(cell).length > 0 || /^no test: ./u.test(cell);
    expect(cells.filter(({ cell }) => !says(cell))).toEqual([]);
    const parts = cells.flatMap(({ cell }) => cell.split("<br>"));
    expect(parts.filter((part) => !/^(?:`[^`]+`: .|no test: .)/u.test(part))).toEqual([]);
  });

  test("has every check, with tests that are named for it", () => {
    const checks = rowsBelow("Checks").map(([id = "", , cell = ""]) => ({ id, cell }));
    const ids = [...Array.from({ length: 29 }, (_, n) => n + 1), 31].map((n) => `B${n}`);
    expect(checks.map(({ id }) => id)).toEqual(ids);
    const otherwise = checks.flatMap(({ id, cell }) =>
      namedIn(cell).filter(({ file, title }) => !file.endsWith(".rs") && !title.startsWith(`${id}: `)),
    );
    expect(otherwise).toEqual([]);
  });
});
