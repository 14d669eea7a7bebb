import { decodeBase64 } from "../bytes/base64.js";
import { DrvError } from "../error.js";
import { type JsonObject, type JsonValue, printJson } from "./value.js";

const mostShown = 60;

/** A value and where it stands, such as `outputs.out.path`: what is wrong with it can be said. */
export class JsonPlace {
  constructor(
    readonly place: string,
    readonly value: JsonValue | undefined,
  ) {}

  get isPresent(): boolean {
    return this.value !== undefined;
  }

  get string(): string {
    return this.value?.type === "string" ? this.value.value : this.refuse("a string");
  }

  get bytesOfBase64(): Uint8Array {
    return decodeBase64(this.string) ?? this.refuse("base 64");
  }

  get items(): readonly JsonPlace[] {
    if (this.value?.type !== "array") return this.refuse("an array");
    return this.value.items.map((item, index) => new JsonPlace(`${this.place}[${index}]`, item));
  }

  get object(): JsonObject {
    return this.value?.type === "object" ? this.value : this.refuse("an object");
  }

  get members(): readonly (readonly [name: string, member: JsonPlace])[] {
    return [...this.object.members.keys()].map((name) => [name, this.member(name)]);
  }

  /** Names of its members, in order: by these, forms are told apart. */
  get shape(): string {
    return [...this.object.members.keys()].sort().join(" ");
  }

  member(name: string): JsonPlace {
    const place = this.place === "" ? name : `${this.place}.${name}`;
    return new JsonPlace(place, this.object.members.get(name));
  }

  /** Says where it stood when what is read in it is wrong. */
  within<Value>(read: (place: JsonPlace) => Value): Value {
    try {
      return read(this);
    } catch (cause) {
      if (!(cause instanceof DrvError) || cause.code === "ERR_DRV_JSON") throw cause;
      throw new DrvError("ERR_DRV_JSON", `${this.place}: ${cause.message}`, { cause, hint: cause.hint });
    }
  }

  refuse(expected: string): never {
    const found = this.value === undefined ? "nothing" : printJson(this.value);
    const shown = found.length > mostShown ? `${found.slice(0, mostShown)}…` : found;
    const where = this.place === "" ? "the document" : `'${this.place}'`;
    throw new DrvError("ERR_DRV_JSON", `expected ${expected} as ${where}, found ${shown}`);
  }
}
