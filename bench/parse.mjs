import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultStoreDir, parseDerivation, printDerivation } from "../packages/drv-parser/dist/index.js";
import { interleave, report, skip } from "./measure.mjs";

const title = "parse of the small corpus";

export async function bench() {
  const archive = join(import.meta.dirname, "../../shared/corpus/small-drvs.tar.zst");
  if (!existsSync(archive)) return skip(title, "../shared/corpus is not here");
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  execFileSync("sh", ["-c", 'zstd -dc "$0" | tar x -C "$1"', archive, folder]);
  const drvs = filesBelow(folder)
    .filter((file) => file.endsWith(".drv"))
    .map((file) => ({ name: file.slice(file.lastIndexOf("/") + 34, -4), bytes: readFileSync(file) }));
  rmSync(folder, { recursive: true });
  const megabytes = (drvs.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1e6).toFixed(1);

  const texts = drvs.map(({ bytes }) => asJson(bytes));
  const parse = ({ name, bytes }) => parseDerivation(bytes, { storeDir: defaultStoreDir, name });
  const times = await interleave(
    {
      parse: () => drvs.map(parse),
      "parse and print": () => drvs.map((drv) => printDerivation(parse(drv))),
      "JSON.parse of the same text as JSON": () => texts.map((text) => JSON.parse(text)),
    },
    15,
  );
  report(`${title}: ${drvs.length} derivations, ${megabytes} MB`, times);
}

/** The same lists and strings in brackets: what a parser in C++ does with as many bytes. */
function asJson(bytes) {
  const text = bytes.toString("latin1").slice("Derive".length);
  let json = "";
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString && character === "\\") {
      json +=
        JSON.stringify(text.slice(at + 1, at + 2)) === '"\\""'
          ? '\\"'
          : /[nrt\\]/.test(text[at + 1])
            ? text.slice(at, at + 2)
            : text[at + 1];
      at += 1;
    } else if (character === '"') {
      inString = !inString;
      json += character;
    } else if (!inString && character === "(") json += "[";
    else if (!inString && character === ")") json += "]";
    else json += inString && character < " " ? " " : character;
  }
  return json;
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
