import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { type Event, printEvent } from "../../src/index.js";

interface EventSchema {
  readonly oneOf: readonly { readonly properties: { readonly type: { readonly const: string } } }[];
}

const schema: EventSchema = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../events.schema.json"), "utf8"),
);
const ajv = new Ajv({ allowUnionTypes: true });
/** One per type: held against all of them an event takes long. */
const validators = new Map<string, ValidateFunction>(
  schema.oneOf.map((each) => [each.properties.type.const, ajv.compile(each)]),
);

/** Throws unless the event, as it is printed, is what the schema of the package describes. */
export function checkEvent(event: Event): void {
  const json: unknown = JSON.parse(printEvent(event));
  const validate = validators.get(event.type);
  if (validate?.(json) === true) return;
  throw new Error(
    `${printEvent(event)} is not as events.schema.json says: ${ajv.errorsText(validate?.errors)}`,
  );
}
