import { paddingOf, show } from "./bytes.js";
import { NarError } from "./error.js";
import type { NarContents, NarEvent } from "./event.js";
import { defaultNarLimits, type NarLimits } from "./limits.js";
import { nameViolation, targetViolation } from "./rules.js";
import { starved, Tokens } from "./tokens.js";
import { type Word, words } from "./words.js";

type State = "begin" | "node" | "contents" | "afterContents" | "afterNode" | "entries" | "ended";

/**
 * Reads one archive that comes in pieces: `push` bytes, take events until `next` gives none, and so on. Holds what of
 * the pieces was not read yet, which is little, and one name for each open directory.
 *
 * @see Nix: src/libutil/archive.cc, `parse`
 */
export class NarParser {
  readonly #limits: NarLimits;
  readonly #tokens = new Tokens();
  #state: State = "begin";
  /** For each open directory the last name in it. */
  readonly #lastNames: (Uint8Array | undefined)[] = [];
  /** Name of the node that comes. */
  #name: Uint8Array = new Uint8Array();
  /** Contents of the file at hand that are still to come, and the padding behind them. */
  #contentsLeft = 0;
  #padding = 0;

  constructor(limits: Partial<NarLimits> = {}) {
    this.#limits = { ...defaultNarLimits, ...limits };
  }

  /** Bytes of the archive that were read. */
  get offset(): number {
    return this.#tokens.offset;
  }

  /** Whether the archive is complete. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /** Bytes that were pushed and not read: what follows the archive, once it has ended. */
  get rest(): Uint8Array {
    return this.#tokens.rest;
  }

  /** Hands over the next bytes, which must not change before they are read. */
  push(bytes: Uint8Array): void {
    this.#tokens.push(bytes);
  }

  /**
   * The next event; `undefined` when that needs more bytes, or when the archive has ended.
   *
   * @throws {@link NarError} `ERR_NAR_SYNTAX`, `ERR_NAR_NAME`, `ERR_NAR_ORDER`, `ERR_NAR_LIMIT`, with offset, expected
   *   and found.
   */
  next(): NarEvent | undefined {
    while (this.#state !== "ended") {
      const start = this.#tokens.offset;
      try {
        const event = this.#step();
        if (event !== undefined) return event;
      } catch (error) {
        this.#tokens.offset = start;
        if (error === starved) return undefined;
        throw error;
      }
    }
    return undefined;
  }

  /**
   * Says that there are no more bytes.
   *
   * @throws {@link NarError} `ERR_NAR_TRUNCATED` within the archive, `ERR_NAR_TRAILING` when bytes follow it.
   */
  finish(): void {
    if (!this.ended) this.#tokens.refuseEnd();
    if (this.rest.length > 0)
      throw new NarError("ERR_NAR_TRAILING", "bytes after the archive", {
        place: { offset: this.offset, expected: "the end", found: show(this.rest) },
      });
  }

  /** Changes the state behind everything that could starve: a step that starves is taken again from its start. */
  #step(): NarEvent | undefined {
    this.#refuseMoreThan(this.#limits.archiveBytes, this.offset, "bytes");
    switch (this.#state) {
      case "begin":
        this.#expect(words.magic, "bad archive: input doesn't look like a Nix archive");
        return this.#enter("node");
      case "node":
        return this.#node();
      case "contents":
        return this.#contents();
      case "afterContents":
        this.#tokens.skipPadding(this.#padding);
        this.#expect(words.close);
        return this.#enter("afterNode");
      case "afterNode":
        if (this.#lastNames.length === 0) return this.#enter("ended");
        this.#expect(words.close);
        return this.#enter("entries");
      case "entries":
        return this.#entry();
      case "ended":
        return undefined;
    }
  }

  #enter(state: State): undefined {
    this.#state = state;
    return undefined;
  }

  #node(): NarEvent | undefined {
    this.#refuseMoreThan(this.#limits.depth, this.#lastNames.length + 1, "levels");
    this.#expect(words.open);
    this.#expect(words.type);
    switch (this.#tokens.word(nodeTypes)) {
      case words.regular:
        return this.#regular();
      case words.symlink:
        return this.#symlink();
      default:
        this.#lastNames.push(undefined);
        this.#enter("entries");
        return { type: "directory", name: this.#name };
    }
  }

  #regular(): NarEvent {
    const executable = this.#tokens.word(regularFields) === words.executable;
    if (executable) {
      this.#expect(words.nothing, "bad archive: executable marker has non-empty value");
      this.#expect(words.contents);
    }
    const room = Math.min(this.#limits.archiveBytes, Number.MAX_SAFE_INTEGER) - this.offset;
    const sizeBytes = this.#tokens.length("the contents", Math.min(this.#limits.fileBytes, room));
    this.#contentsLeft = sizeBytes;
    this.#padding = paddingOf(sizeBytes);
    this.#enter(sizeBytes === 0 ? "afterContents" : "contents");
    return { type: "regular", name: this.#name, executable, sizeBytes, offset: this.offset };
  }

  #contents(): NarContents {
    const bytes = this.#tokens.some(this.#contentsLeft, `${this.#contentsLeft} more bytes of contents`);
    this.#contentsLeft -= bytes.length;
    if (this.#contentsLeft === 0) this.#enter("afterContents");
    return { type: "contents", bytes };
  }

  #symlink(): NarEvent {
    this.#expect(words.target);
    const target = this.#tokens.string("a target", this.#limits.targetBytes, targetViolation);
    this.#expect(words.close);
    this.#enter("afterNode");
    return { type: "symlink", name: this.#name, target };
  }

  #entry(): NarEvent | undefined {
    if (this.#tokens.word(directoryFields) === words.close) {
      this.#lastNames.pop();
      this.#enter("afterNode");
      return { type: "directoryEnd" };
    }
    this.#expect(words.open);
    this.#expect(words.name);
    const previous = this.#lastNames.at(-1);
    const name = this.#tokens.string("a name", this.#limits.nameBytes, (bytes) =>
      nameViolation(bytes, previous),
    );
    this.#expect(words.node);
    this.#lastNames[this.#lastNames.length - 1] = name;
    this.#name = name;
    return this.#enter("node");
  }

  #expect(word: Word, message?: string): void {
    this.#tokens.word([word], message);
  }

  #refuseMoreThan(most: number, value: number, unit: string): void {
    if (value > most)
      this.#tokens.refuse("ERR_NAR_LIMIT", "bad archive", `at most ${most} ${unit}`, `${value}`);
  }
}

const nodeTypes = [words.regular, words.symlink, words.directory];
const regularFields = [words.executable, words.contents];
const directoryFields = [words.entry, words.close];
