// Writes derivations as `.drv` files: npx jiti examples/01-make-derivations.ts FOLDER   (prints the file to build)
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  baseNameOf,
  bytesOf,
  computeDerivationPath,
  computeOutputPaths,
  type Derivation,
  defaultStoreDir,
  Environment,
  makeOutputName,
  printDerivation,
  type StorePath,
} from "@drvkit/drv-parser";

const folder = process.argv[2] ?? ".";
const out = makeOutputName("out");
const written = new Map<StorePath, Derivation>();
const outputs = new Map<StorePath, StorePath>();

/** One derivation with one output, built by the shell's own commands: they are all the sandbox has. */
function write(name: string, script: string, inputs: Record<string, StorePath> = {}): StorePath {
  const variables = { name, builder: "/bin/sh", system: "x86_64-linux", out: "" };
  const paths = Object.entries(inputs).map(([key, drv]) => [key, outputs.get(drv) as string] as const);
  const pair = ([key, value]: readonly [string, string]) => [bytesOf(key), bytesOf(value)] as const;
  const unfinished: Derivation = {
    name,
    outputs: new Map([[out, { kind: "deferred" }]]),
    inputDrvs: new Map(Object.values(inputs).map((drv) => [drv, new Set([out])])),
    inputSrcs: new Set(),
    platform: "x86_64-linux",
    builder: bytesOf("/bin/sh"),
    args: [bytesOf("-euc"), bytesOf(script)],
    env: Environment.from([...Object.entries(variables), ...paths].map(pair)),
  };
  const path = computeOutputPaths(unfinished, (drv) => written.get(drv) as Derivation).get(out) as StorePath;
  const derivation: Derivation = {
    ...unfinished,
    outputs: new Map([[out, { kind: "inputAddressed", path }]]),
    env: unfinished.env.with("out", bytesOf(path)),
  };
  const drvPath = computeDerivationPath(defaultStoreDir, derivation);
  written.set(drvPath, derivation);
  outputs.set(drvPath, path);
  writeFileSync(join(folder, baseNameOf(drvPath)), printDerivation(derivation));
  return drvPath;
}

mkdirSync(folder, { recursive: true });
const primes = `n=2; while [ $n -lt 120 ]; do d=2
  while [ $((d * d)) -le $n ] && [ $((n % d)) -ne 0 ]; do d=$((d + 1)); done
  [ $((d * d)) -le $n ] || { echo $n >> $out; echo "found $n"; }; n=$((n + 1)); done`;
const squares = "n=1; while [ $n -le 20 ]; do echo $((n * n)) >> $out; n=$((n + 1)); done; echo 20 squares";
const sum = 's=0; while read n; do s=$((s + n)); done < $numbers; echo $s > $out; echo "the sum is $s"';
const a = write("sum-of-primes", sum, { numbers: write("primes", primes) });
const b = write("sum-of-squares", sum, { numbers: write("squares", squares) });
const report = `read a < $primes; read b < $squares; echo "primes below 120 add up to $a, 20 squares to $b" > $out`;
console.log(join(folder, baseNameOf(write("report", report, { primes: a, squares: b }))));
