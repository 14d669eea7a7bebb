import {
  bytesOf,
  type Derivation,
  type DerivationOptions,
  type JsonObject,
  type JsonValue,
  outputPlaceholder,
  printJson,
} from "@drvkit/drv-parser";
import { passedFileName } from "./environment.js";
import { type Graph, printReferencesGraph, referencesGraphToJson } from "./references-graph.js";
import { type Rewrites, rewriteBytes } from "./rewrites.js";
import { printShellAttributes } from "./shell-attributes.js";

/** A file of the build directory. */
export interface BuildFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Every file the builder finds in its build directory. `graphs` by the names of `exportReferencesGraph`. */
export function buildFiles(
  drv: Derivation,
  options: DerivationOptions,
  graphs: ReadonlyMap<string, Graph>,
  rewrites: Rewrites,
): readonly BuildFile[] {
  if (options.structuredAttrs !== undefined)
    return structuredFiles(drv, options.structuredAttrs, graphs, rewrites);
  const passed = [...new Set(options.passAsFile)].flatMap((name) => {
    const value = drv.env.get(name);
    return value === undefined
      ? []
      : [{ name: passedFileName(name), content: rewriteBytes(value, rewrites) }];
  });
  return [
    ...passed,
    ...[...graphs].map(([name, graph]) => ({ name, content: bytesOf(printReferencesGraph(graph)) })),
  ];
}

function structuredFiles(
  drv: Derivation,
  attrs: JsonObject,
  graphs: ReadonlyMap<string, Graph>,
  rewrites: Rewrites,
): readonly BuildFile[] {
  const members = new Map<string, JsonValue>(attrs.members);
  const outputs = [...drv.outputs.keys()].map(
    (name) => [name, { type: "string", value: outputPlaceholder(name) }] as const,
  );
  members.set("outputs", { type: "object", members: new Map(outputs) });
  for (const [name, graph] of graphs) members.set(name, referencesGraphToJson(graph));
  const complete: JsonObject = { type: "object", members };
  return [
    { name: ".attrs.sh", content: rewriteBytes(bytesOf(printShellAttributes(complete)), rewrites) },
    { name: ".attrs.json", content: rewriteBytes(bytesOf(printJson(complete)), rewrites) },
  ];
}
