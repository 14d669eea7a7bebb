/** The text of `events.schema.json`. */
export function eventSchema(): string;
