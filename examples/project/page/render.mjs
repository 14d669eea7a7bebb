// Makes the page: node render.mjs FACTS.json TEXT MANUAL, with the place of the result in $out.
import { readFileSync, writeFileSync } from "node:fs";

const [facts, text, manual] = process.argv.slice(2).map((path) => readFileSync(path, "utf8").trim());
const { words, longest } = JSON.parse(facts);
const page = `<!doctype html>
<title>words</title>
<pre>${manual}</pre>
<blockquote>${text}</blockquote>
<p>${words} words, the longest has ${longest} letters.</p>
`;
writeFileSync(process.env.out, page);
console.log(`page of ${page.length} characters, rendered by Node ${process.version}`);
