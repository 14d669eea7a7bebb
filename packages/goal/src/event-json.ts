import type { Event } from "./event.js";

/** How a value stands in JSON: maps as objects, sets as arrays, 64-bit numbers as decimal text. */
export type JsonOf<Value> = Value extends bigint | { readonly __brand: string }
  ? string
  : Value extends string | number | boolean | undefined
    ? Value
    : Value extends ReadonlyMap<string, infer Item>
      ? { readonly [name: string]: JsonOf<Item> }
      : Value extends ReadonlySet<infer Item> | readonly (infer Item)[]
        ? readonly JsonOf<Item>[]
        : { readonly [Name in keyof Value]: JsonOf<Value[Name]> };

/** An event as JSON: what one line of a stream of events holds. `events.schema.json` of the package describes it. */
export type EventJson = JsonOf<Event>;

/** The event as one line of JSON, without its end. Times are told to the microsecond. */
export function printEvent(event: Event): string {
  return JSON.stringify(event, (_, value: unknown) => jsonOf(value));
}

function jsonOf(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (typeof value === "number" && !Number.isInteger(value)) return Math.round(value * 1000) / 1000;
  return value;
}
