// Every benchmark beside a peer in one run: `npm run bench [NAME…]`. Figures are medians; ratios are what counts.
import { setup } from "./setup.mjs";

const all = [
  "sandbox",
  "sandbox-start",
  "parse",
  "corpus",
  "nar",
  "hash",
  "source",
  "outputs",
  "trees",
  "goals",
  "builds",
  "logs",
];
const wanted = process.argv.slice(2).length > 0 ? process.argv.slice(2) : all;

try {
  await setup();
  // Every start of Node reads that file before anything else, and takes twice as long.
  delete process.env.NODE_EXTRA_CA_CERTS;
  for (const name of wanted) {
    if (!all.includes(name)) throw new Error(`no benchmark '${name}': there are ${all.join(", ")}`);
    const { bench } = await import(`../bench/${name}.mjs`);
    await bench();
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
