import { EngineError, hashesEqual, type StorePath } from "@drvkit/drv-parser";
import type { Level } from "../event.js";
import type { Ports } from "./context.js";

/** No archive holds such a file or so deep a tree, so none was there when it was registered. */
const unarchivable: ReadonlySet<unknown> = new Set(["ERR_TREE_TYPE", "ERR_TREE_DEPTH"]);

/** Whether objects are still what was registered. Each is read once in a run. */
export class Contents {
  readonly #known = new Map<StorePath, boolean>();

  constructor(
    private readonly ports: Pick<Ports, "store" | "trees">,
    private readonly say: (level: Level, text: string) => void,
  ) {}

  /**
   * Whether the tree of a valid path is there and has the hash it was registered with.
   *
   * @throws EngineError `ERR_STORE_NOT_VALID`; the reason of the signal.
   * @see Nix: src/libstore/build/worker.cc, `Worker::pathContentsGood`
   */
  async isGood(path: StorePath, signal: AbortSignal): Promise<boolean> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    this.say("info", `checking path '${path}'...`);
    const isGood = await this.#compare(path, signal);
    if (!isGood) this.say("error", `path '${path}' is corrupted or missing!`);
    this.#known.set(path, isGood);
    return isGood;
  }

  /** What was put there just now. */
  markGood(path: StorePath): void {
    this.#known.set(path, true);
  }

  async #compare(path: StorePath, signal: AbortSignal): Promise<boolean> {
    const { store, trees } = this.ports;
    const info = await store.queryPathInfo(path);
    if (info === undefined) throw new EngineError("ERR_STORE_NOT_VALID", `path '${path}' is not valid`);
    const real = store.realPathOf(path);
    if ((await trees.stat(real)) === undefined) return false;
    if (info.narHash.digest.every((byte) => byte === 0)) return true; // registered without looking at it
    try {
      return hashesEqual(await trees.hash(real, "nar", "sha256", { signal }), info.narHash);
    } catch (error) {
      if (error instanceof Error && "code" in error && unarchivable.has(error.code)) return false;
      throw error;
    }
  }
}
