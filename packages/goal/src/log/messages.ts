import { EngineError, type JsonObject, type JsonValue, parseJson, printJson } from "@drvkit/drv-parser";
import { GoalError } from "../error.js";

/** A value of an activity or of its results. */
export type LogField = string | bigint;

/** One message of Nix's logger protocol. Numbers are unsigned and of 64 bits: ids are beyond what a `number` holds. */
export type LogMessage =
  | {
      readonly action: "msg";
      readonly level: bigint;
      readonly msg: string;
      /** Of an error: its text without `error: `; on the line `raw_msg`, beside a position that nobody knows. */
      readonly rawMsg?: string;
    }
  | {
      readonly action: "start";
      readonly id: bigint;
      readonly level: bigint;
      readonly type: bigint;
      readonly text: string;
      readonly fields: readonly LogField[];
      /** Newer versions say it. */
      readonly parent?: bigint;
    }
  | { readonly action: "stop"; readonly id: bigint }
  | {
      readonly action: "result";
      readonly id: bigint;
      readonly type: bigint;
      readonly fields: readonly LogField[];
    }
  | { readonly action: "setPhase"; readonly phase: string };

/** One that tells of an activity. */
export type ActivityMessage = Extract<LogMessage, { readonly id: bigint }>;

const marker = "@nix ";
const limit = 2n ** 64n;

/**
 * The message in a line that begins with `@nix `.
 *
 * @throws {@link GoalError} `ERR_LOG_MESSAGE` for any other line, an action that nobody knows, and values of a wrong type.
 * @see Nix: src/libutil/logging.cc, `handleJSONLogMessage`
 */
export function parseLogMessage(line: string): LogMessage {
  if (!line.startsWith(marker)) throw bad(`it does not begin with '${marker}'`);
  const json = readJson(line.slice(marker.length));
  const action = textIn(json, "action");
  switch (action) {
    case "msg":
      return {
        action,
        level: numberIn(json, "level"),
        msg: textIn(json, "msg"),
        ...(json.members.has("raw_msg") ? { rawMsg: textIn(json, "raw_msg") } : {}),
      };
    case "start":
      return {
        action,
        id: numberIn(json, "id"),
        level: numberIn(json, "level"),
        type: numberIn(json, "type"),
        text: textIn(json, "text"),
        fields: fieldsIn(json),
        ...(json.members.has("parent") ? { parent: numberIn(json, "parent") } : {}),
      };
    case "stop":
      return { action, id: numberIn(json, "id") };
    case "result":
      return { action, id: numberIn(json, "id"), type: numberIn(json, "type"), fields: fieldsIn(json) };
    case "setPhase":
      return { action, phase: textIn(json, "phase") };
    default:
      throw bad(`nobody knows the action '${action}'`);
  }
}

/** {@link parseLogMessage} of a line that may be something else. */
export function tryParseLogMessage(line: string): LogMessage | undefined {
  if (!line.startsWith(marker)) return undefined;
  try {
    return parseLogMessage(line);
  } catch (error) {
    if (error instanceof GoalError && error.code === "ERR_LOG_MESSAGE") return undefined;
    throw error;
  }
}

/** The line of a message: compact, members in byte order, no `fields` where there are none. */
export function printLogMessage(message: LogMessage): string {
  return marker + printLogMessageJson(message);
}

/** The same without `@nix `, as it stands in a `json-log-path` file. */
export function printLogMessageJson(message: LogMessage): string {
  return printJson({ type: "object", members: membersOf(message) });
}

function membersOf(message: LogMessage): ReadonlyMap<string, JsonValue> {
  if (message.action === "msg" && message.rawMsg !== undefined) {
    const { rawMsg, ...rest } = message;
    const unknown = ["column", "file", "line"].map((name) => [name, { type: "null" }] as const);
    return new Map<string, JsonValue>([...membersOf(rest), ["raw_msg", jsonOf(rawMsg)], ...unknown]);
  }
  const members = Object.entries(message).filter(([, value]) => !Array.isArray(value) || value.length > 0);
  return new Map(members.map(([name, value]) => [name, jsonOf(value)]));
}

function jsonOf(value: string | bigint | readonly LogField[]): JsonValue {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "bigint") return { type: "number", text: String(value) };
  return { type: "array", items: value.map(jsonOf) };
}

function readJson(text: string): JsonObject {
  try {
    const json = parseJson(text);
    if (json.type === "object") return json;
  } catch (error) {
    if (error instanceof EngineError) throw bad(error.message);
    throw error;
  }
  throw bad("it is no object");
}

function textIn({ members }: JsonObject, name: string): string {
  const value = members.get(name);
  if (value?.type === "string") return value.value;
  throw bad(`'${name}' is no text`);
}

function numberIn({ members }: JsonObject, name: string): bigint {
  return numberOf(members.get(name), name);
}

function numberOf(value: JsonValue | undefined, name: string): bigint {
  const number = value?.type === "number" && /^\d+$/u.test(value.text) ? BigInt(value.text) : limit;
  if (number < limit) return number;
  throw bad(`'${name}' is no unsigned number of 64 bits`);
}

function fieldsIn({ members }: JsonObject): readonly LogField[] {
  const fields = members.get("fields");
  if (fields === undefined) return [];
  if (fields.type !== "array") throw bad("'fields' is no array");
  return fields.items.map((field) => (field.type === "string" ? field.value : numberOf(field, "fields")));
}

function bad(reason: string): GoalError {
  return new GoalError("ERR_LOG_MESSAGE", `a log message cannot be read: ${reason}`);
}
