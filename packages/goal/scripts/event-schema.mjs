// The JSON schema of events, from their types. `--write` writes it where the package has it; without it, it is printed.
// The compiler itself reads the types: generators of schemas do not follow types that depend on others.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const folder = join(import.meta.dirname, "..");
const file = join(folder, "src/event-json.ts");

/** @returns the text of `events.schema.json` */
export function eventSchema() {
  const config = ts.readConfigFile(join(folder, "../../tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, join(folder, "../.."));
  const program = ts.createProgram([file], { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(file));
  const symbol = checker.getExportsOfModule(module).find(({ name }) => name === "EventJson");
  const events = checker.getDeclaredTypeOfSymbol(symbol);
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Event",
    description: "One line of a stream of events of drvkit",
    oneOf: events.types.map((type) => schemaOf(type, checker)),
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

function schemaOf(type, checker) {
  if (type.isUnion()) return unionOf(type.types, checker);
  if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
  if (type.flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === "true" };
  if (type.flags & ts.TypeFlags.String) return { type: "string" };
  if (type.flags & ts.TypeFlags.Number) return { type: "number" };
  if (checker.isArrayType(type))
    return { type: "array", items: schemaOf(checker.getTypeArguments(type)[0], checker) };
  if (type.flags & ts.TypeFlags.Object) return objectOf(type, checker);
  throw new Error(`nobody knows what '${checker.typeToString(type)}' is in a schema`);
}

function unionOf(types, checker) {
  const schemas = types
    .filter((type) => !(type.flags & ts.TypeFlags.Undefined))
    .map((type) => schemaOf(type, checker));
  if (schemas.length === 1) return schemas[0];
  if (schemas.every((schema) => typeof schema.const === "boolean")) return { type: "boolean" };
  if (schemas.every((schema) => "const" in schema))
    return { enum: schemas.map((schema) => schema.const).sort() };
  return { anyOf: schemas };
}

function objectOf(type, checker) {
  const index = checker.getIndexInfoOfType(type, ts.IndexKind.String);
  if (index !== undefined) return { type: "object", additionalProperties: schemaOf(index.type, checker) };
  const members = checker.getPropertiesOfType(type);
  return {
    type: "object",
    properties: Object.fromEntries(members.map((member) => [member.name, memberOf(member, checker)])),
    required: members.filter(({ flags }) => !(flags & ts.SymbolFlags.Optional)).map(({ name }) => name),
    additionalProperties: false,
  };
}

function memberOf(member, checker) {
  const about = ts.displayPartsToString(member.getDocumentationComment(checker));
  const schema = schemaOf(checker.getTypeOfSymbol(member), checker);
  return about === "" ? schema : { description: about, ...schema };
}

if (process.argv[1] === import.meta.filename) {
  const text = eventSchema();
  if (process.argv.includes("--write")) writeFileSync(join(folder, "events.schema.json"), text);
  else process.stdout.write(text);
}
