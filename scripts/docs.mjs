// The pages of the programming interface, from the sources' own comments: `npm run docs` writes docs/api, `--check` only
// says whether what is there is what would be written.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Application } from "typedoc";

const root = join(import.meta.dirname, "..");
const target = join(root, "docs/api");
const libraries = ["drv-parser", "nar", "narinfo", "sandbox-native", "store-lmdb", "goal", "engine"];
const entryOf = (name) => join(root, "packages", name, name === "sandbox-native" ? "ts" : "src", "index.ts");
const entries = [...libraries.map(entryOf), join(root, "packages/goal/src/hook/index.ts")];

const isCheck = process.argv.includes("--check");
const out = mkdtempSync(join(tmpdir(), "drvkit-docs-"));
try {
  const pages = await generate(out);
  const stale = [...pages].filter(
    ([file, text]) => !existsSync(join(target, file)) || readFileSync(join(target, file), "utf8") !== text,
  );
  const extra = existsSync(target) ? readdirSync(target).filter((file) => !pages.has(file)) : [];
  if (isCheck && stale.length + extra.length > 0) {
    console.error(
      `not what the sources say: ${[...stale.map(([file]) => file), ...extra].join(", ")}; run \`npm run docs\``,
    );
    process.exitCode = 1;
  } else if (!isCheck) {
    for (const file of extra) rmSync(join(target, file));
    mkdirSync(target, { recursive: true });
    for (const [file, text] of pages) writeFileSync(join(target, file), text);
    console.log(`${pages.size} pages in docs/api`);
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}

/** Each package's page by its file name. */
async function generate(folder) {
  const app = await Application.bootstrapWithPlugins({
    plugin: ["typedoc-plugin-markdown"],
    entryPoints: entries,
    tsconfig: join(root, "tsconfig.json"),
    out: folder,
    name: "drvkit",
    readme: "none",
    disableSources: true,
    excludeInternal: true,
    excludeExternals: true,
    excludePrivate: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    outputFileStrategy: "modules",
    parametersFormat: "table",
    propertiesFormat: "table",
    propertyMembersFormat: "table",
    typeDeclarationFormat: "table",
    enumMembersFormat: "table",
    useCodeBlocks: true,
    githubPages: false,
    logLevel: "Warn",
  });
  const project = await app.convert();
  if (project === undefined) throw new Error("the sources have errors: run `npm run typecheck`");
  await app.generateOutputs(project);
  const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".md"));
  return new Map(files.map((file) => [flat(file), flat(readFileSync(join(folder, file), "utf8"))]));
}

/** One folder for all pages, and packages by the names under which they are installed. */
function flat(text) {
  return text
    .replace(/(?:\.\.\/)*([a-z-]+)\/src\/([a-z-]+)\.md/g, "$1-$2.md")
    .replace(/(^# |\[)([a-z-]+)\/src\/([a-z-]+)(\]|$)/gm, "$1@drvkit/$2/$3$4")
    .replace(/(?:\.\.\/)*([a-z-]+)\/(?:src|ts)\.md/g, "$1.md")
    .replace(/^# ([a-z-]+)\/(?:src|ts)$/gm, "# @drvkit/$1")
    .replace(/\[([a-z-]+)\/(?:src|ts)\]/g, "[@drvkit/$1]");
}
