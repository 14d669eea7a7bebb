import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { AuthoredDerivation, EngineError, Output } from "@drvkit/drv-parser";
import type { BuildTarget, Engine } from "@drvkit/engine";

/** Something that a module exports and that can be built. */
export type Authored = AuthoredDerivation | Output;

const moduleName = /^(?<file>.*\.(?:ts|mts|js|mjs))(?:#(?<name>.+))?$/su;

/** Whether an argument names a module, `FILE.ts` or `FILE.mjs#NAME`, and not a store path or a `.drv` file. */
export function isModuleTarget(argument: string): boolean {
  return moduleName.test(argument);
}

/**
 * The derivations that a module exports: all of them, or those of the export after `#`. An export is a derivation, an
 * output, an array or object of them, or a function of the engine that gives one.
 *
 * @throws `ERR_MODULE` when there is no such file or export, or it gives nothing that can be built.
 */
export async function loadDerivations(argument: string, engine: Engine): Promise<readonly Authored[]> {
  const { file = "", name } = moduleName.exec(argument)?.groups ?? {};
  const path = resolve(file);
  const exported = await importModule(path);
  const chosen = name === undefined ? Object.values(exported) : [exported[name]];
  if (name !== undefined && exported[name] === undefined)
    throw refuse(`'${file}' exports no '${name}'`, `it exports ${Object.keys(exported).join(", ")}`);
  const found = new Set<Authored>();
  for (const value of chosen) await collect(value, engine, found);
  if (found.size === 0)
    throw refuse(
      `'${argument}' gives no derivation`,
      "export a derivation, or a function of the engine that gives one",
    );
  return [...found];
}

/** What a command line asks for: a module stands for everything it exports. */
export async function resolveTargets(
  args: readonly string[],
  engine: Engine,
): Promise<readonly BuildTarget[]> {
  const targets: BuildTarget[] = [];
  for (const arg of args) {
    if (isModuleTarget(arg)) targets.push(...(await loadDerivations(arg, engine)));
    else targets.push(arg);
  }
  return targets;
}

/** The module sees the packages of this command, so that a single file needs no `node_modules`. */
async function importModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  await access(path).catch((cause: unknown) => {
    throw refuse(`cannot read '${path}'`, "give the path of a module that exports derivations", cause);
  });
  // Node would first search the whole of a CommonJS module for names that an import could ask for.
  const { createJiti } = createRequire(import.meta.url)("jiti") as typeof import("jiti");
  const own = (name: string) => fileURLToPath(import.meta.resolve(name));
  const alias = { "@drvkit/engine": own("@drvkit/engine"), "@drvkit/drv-parser": own("@drvkit/drv-parser") };
  return createJiti(import.meta.url, { alias, moduleCache: false }).import<Record<string, unknown>>(path);
}

async function collect(value: unknown, engine: Engine, found: Set<Authored>): Promise<void> {
  const settled: unknown = await value;
  if (settled instanceof AuthoredDerivation || settled instanceof Output) found.add(settled);
  else if (typeof settled === "function") await collect(settled(engine), engine, found);
  else if (Array.isArray(settled)) for (const each of settled) await collect(each, engine, found);
  else if (
    typeof settled === "object" &&
    settled !== null &&
    Object.getPrototypeOf(settled) === Object.prototype
  )
    for (const each of Object.values(settled)) await collect(each, engine, found);
}

function refuse(message: string, hint: string, cause?: unknown): EngineError {
  return new EngineError("ERR_MODULE", message, { hint, cause });
}
