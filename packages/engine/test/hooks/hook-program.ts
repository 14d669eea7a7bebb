import { chmodSync, writeFileSync } from "node:fs";

/** Reads Nix's hook protocol and records what it was asked; then it does as `reply` says, which may use `ask` and `accept`. */
const reader = `
import { readSync, writeFileSync, writeSync } from "node:fs";
const chunk = Buffer.alloc(65536);
let all = Buffer.alloc(0);
let at = 0;
const need = (size) => {
  while (all.length < at + size) {
    const count = readSync(0, chunk);
    if (count === 0) process.exit(0);
    all = Buffer.concat([all, chunk.subarray(0, count)]);
  }
};
const integer = () => {
  need(8);
  at += 8;
  return Number(all.readBigUInt64LE(at - 8));
};
const string = () => {
  const size = integer();
  need(Math.ceil(size / 8) * 8);
  const text = all.subarray(at, at + size).toString();
  at += Math.ceil(size / 8) * 8;
  return text;
};
const strings = () => Array.from({ length: integer() }, string);
const settings = [];
while (integer() !== 0) settings.push([string(), string()]);
const begin = at;
const ask = () => ({ word: string(), amWilling: integer(), system: string(), drvPath: string(), features: strings() });
const accept = (machine) => {
  process.stderr.write("# accept\\n" + machine + "\\n");
  return { inputs: strings(), outputs: strings() };
};
const record = (file, value) => writeFileSync(file, JSON.stringify(value));
const rawQuestion = () => all.subarray(begin, at);
`;

/** A program at `path` that is such a hook. */
export function writeHookProgram(path: string, reply: string): void {
  writeFileSync(`${path}.mjs`, `${reader}${reply}`);
  writeFileSync(path, `#!/bin/sh\nexec ${process.execPath} ${path}.mjs "$@"\n`);
  chmodSync(path, 0o755);
}
