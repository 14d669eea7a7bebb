// Writes derivations as `.drv` files: npx jiti examples/01-make-derivations.ts FOLDER   (prints the file to build)
// They are built by the shell's own commands, which is all the sandbox has by default.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AuthoredDerivation, baseNameOf, derivation, nix, type Text } from "@drvkit/drv-parser";

const folder = process.argv[2] ?? ".";
const sh = (name: string, script: Text | string) =>
  derivation({ name, system: "x86_64-linux", builder: "/bin/sh", args: ["-euc", script] });

const primes = sh(
  "primes",
  `n=2; while [ $n -lt 120 ]; do d=2
  while [ $((d * d)) -le $n ] && [ $((n % d)) -ne 0 ]; do d=$((d + 1)); done
  [ $((d * d)) -le $n ] || { echo $n >> $out; echo "found $n"; }; n=$((n + 1)); done`,
);
const squares = sh(
  "squares",
  "n=1; while [ $n -le 20 ]; do echo $((n * n)) >> $out; n=$((n + 1)); done; echo 20 squares",
);
const sum = (name: string, numbers: AuthoredDerivation) =>
  sh(name, nix`s=0; while read n; do s=$((s + n)); done < ${numbers}; echo $s > $out; echo "the sum is $s"`);
const [a, b] = [sum("sum-of-primes", primes), sum("sum-of-squares", squares)];
const report = sh(
  "report",
  nix`read a < ${a}; read b < ${b}; echo "primes below 120 add up to $a, 20 squares to $b" > $out`,
);

/** The file of a derivation, written with everything it is made from beside it. */
function write(authored: AuthoredDerivation): string {
  for (const input of authored.inputs) write(input);
  const file = join(folder, baseNameOf(authored.drvPath));
  writeFileSync(file, authored.bytes);
  return file;
}

mkdirSync(folder, { recursive: true });
console.log(write(report));
