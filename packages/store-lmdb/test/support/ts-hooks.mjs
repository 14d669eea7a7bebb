// Lets a child process run the TypeScript sources, with imports of our packages going to their sources as in the tests.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const packages = new URL("../../../", import.meta.url);
const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };

export async function resolve(specifier, context, next) {
  const [, name] = /^@drvkit\/([a-z-]+)$/.exec(specifier) ?? [];
  if (name !== undefined) {
    const folder = name === "sandbox-native" ? "ts" : "src";
    return next(new URL(`${name}/${folder}/index.ts`, packages).href, context);
  }
  const fromSource = context.parentURL?.endsWith(".ts") && specifier.startsWith(".");
  return next(fromSource ? specifier.replace(/\.js$/, ".ts") : specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith("file:") || !url.endsWith(".ts")) return next(url, context);
  const source = await readFile(fileURLToPath(url), "utf8");
  return {
    format: "module",
    shortCircuit: true,
    source: ts.transpileModule(source, { compilerOptions: options }).outputText,
  };
}
