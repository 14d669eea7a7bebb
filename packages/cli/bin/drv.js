#!/usr/bin/env node
import { readFileSync } from "node:fs";

// `--version` is answered before anything else is loaded.
if (process.argv[2] === "--version" && process.argv.length === 3) {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  process.stdout.write(`drv ${manifest.version}\n`);
} else {
  const { main } = await import("../dist/main.js");
  process.exitCode = await main(process.argv.slice(2));
}
