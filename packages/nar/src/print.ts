import { concatBytes, paddingOf, show } from "./bytes.js";
import { NarError } from "./error.js";
import type { NarDirectory, NarRegular, NarSourceEvent, NarSymlink } from "./event.js";
import { defaultNarLimits, type NarLimits } from "./limits.js";
import { nameViolation, targetViolation, type Violation } from "./rules.js";
import { lengthBlock, stringBlock, type Word, words } from "./words.js";

/**
 * The archive that events describe, in pieces. Contents are passed on as they come.
 *
 * @throws {@link NarError} `ERR_NAR_EVENTS`, `ERR_NAR_NAME`, `ERR_NAR_ORDER`, `ERR_NAR_LIMIT`: nothing is printed that
 *   `parseNar` would refuse. Pieces before that place have been given by then.
 * @see Nix: src/libutil/archive.cc, `dumpPath`
 */
export function* printNar(
  events: Iterable<NarSourceEvent>,
  limits?: Partial<NarLimits>,
): Generator<Uint8Array, void, undefined> {
  const printer = new NarPrinter(limits);
  for (const event of events) yield* printer.push(event);
  yield* printer.finish();
}

/** As {@link printNar}, of events that come over time. */
export async function* printNarStream(
  events: AsyncIterable<NarSourceEvent> | Iterable<NarSourceEvent>,
  limits?: Partial<NarLimits>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const printer = new NarPrinter(limits);
  for await (const event of events) yield* printer.push(event);
  yield* printer.finish();
}

const enoughFraming = 16_384;

class NarPrinter {
  readonly #limits: NarLimits;
  /** What stands between contents, until there is enough of it. */
  #framing: Uint8Array[] = [words.magic.block];
  #framingBytes = words.magic.block.length;
  /** For each open directory the last name in it. */
  readonly #lastNames: (Uint8Array | undefined)[] = [];
  /** The file at hand, and how much of it is to come. */
  #file: NarRegular | undefined;
  #contentsLeft = 0;
  #state: "begin" | "within" | "ended" = "begin";

  constructor(limits: Partial<NarLimits> = {}) {
    this.#limits = { ...defaultNarLimits, ...limits };
  }

  *push(event: NarSourceEvent): Generator<Uint8Array, void, undefined> {
    if (event.type === "contents") {
      if (event.bytes.length > 0) yield* this.#contents(event.bytes);
      return;
    }
    if (this.#file !== undefined)
      refuse(`file ${show(this.#file.name)} lacks ${this.#contentsLeft} bytes of its contents`);
    if (event.type === "directoryEnd") this.#endDirectory();
    else this.#node(event);
    if (this.#framingBytes >= enoughFraming) yield* this.#flush();
  }

  *finish(): Generator<Uint8Array, void, undefined> {
    if (this.#state !== "ended") refuse("the events end within the archive");
    yield* this.#flush();
  }

  #node(event: NarRegular | NarSymlink | NarDirectory): void {
    this.#begin(event.name);
    this.#words(words.open, words.type);
    switch (event.type) {
      case "regular":
        this.#regular(event);
        break;
      case "symlink":
        refuseViolation(targetViolation(event.target));
        this.#limit("a target", event.target.length, this.#limits.targetBytes);
        this.#words(words.symlink, words.target);
        this.#frame(stringBlock(event.target));
        this.#endNode();
        break;
      case "directory":
        this.#words(words.directory);
        this.#lastNames.push(undefined);
        break;
    }
  }

  #begin(name: Uint8Array): void {
    this.#limit("levels", this.#lastNames.length + 1, this.#limits.depth);
    if (this.#lastNames.length > 0) {
      refuseViolation(nameViolation(name, this.#lastNames.at(-1)));
      this.#limit("a name", name.length, this.#limits.nameBytes);
      this.#lastNames[this.#lastNames.length - 1] = name.slice();
      this.#words(words.entry, words.open, words.name);
      this.#frame(stringBlock(name));
      this.#words(words.node);
    } else if (this.#state !== "begin") refuse("an archive holds one node");
    else if (name.length > 0) refuse(`the root has no name, not ${show(name)}`);
    this.#state = "within";
  }

  #regular(event: NarRegular): void {
    const { sizeBytes, executable } = event;
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) refuse(`no file has ${sizeBytes} bytes`);
    this.#limit("contents", sizeBytes, this.#limits.fileBytes);
    this.#words(words.regular);
    if (executable) this.#words(words.executable, words.nothing);
    this.#words(words.contents);
    this.#frame(lengthBlock(sizeBytes));
    this.#file = event;
    this.#contentsLeft = sizeBytes;
    if (sizeBytes === 0) this.#endFile(0);
  }

  *#contents(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    if (this.#file === undefined) refuse("contents belong to no file");
    if (bytes.length > this.#contentsLeft)
      refuse(`file ${show(this.#file.name)} has more contents than its ${this.#file.sizeBytes} bytes`);
    yield* this.#flush();
    yield bytes;
    this.#contentsLeft -= bytes.length;
    if (this.#contentsLeft === 0) this.#endFile(this.#file.sizeBytes);
  }

  #endFile(sizeBytes: number): void {
    this.#frame(new Uint8Array(paddingOf(sizeBytes)));
    this.#file = undefined;
    this.#endNode();
  }

  #endDirectory(): void {
    if (this.#lastNames.length === 0) refuse("no directory is open");
    this.#lastNames.pop();
    this.#endNode();
  }

  #endNode(): void {
    this.#words(words.close);
    if (this.#lastNames.length > 0) this.#words(words.close);
    else this.#state = "ended";
  }

  #words(...all: readonly Word[]): void {
    for (const { block } of all) this.#frame(block);
  }

  #frame(block: Uint8Array): void {
    this.#framing.push(block);
    this.#framingBytes += block.length;
  }

  *#flush(): Generator<Uint8Array, void, undefined> {
    if (this.#framingBytes === 0) return;
    const bytes = concatBytes(this.#framing);
    this.#framing = [];
    this.#framingBytes = 0;
    yield bytes;
  }

  #limit(what: string, value: number, most: number): void {
    if (value > most) throw new NarError("ERR_NAR_LIMIT", `at most ${most} for ${what}, not ${value}`);
  }
}

function refuse(message: string): never {
  throw new NarError("ERR_NAR_EVENTS", message);
}

function refuseViolation(violation: Violation | undefined): void {
  if (violation === undefined) return;
  const { code, message, expected, found } = violation;
  throw new NarError(code, `${message}: expected ${expected}, found ${found}`);
}
