import type { StorePort } from "../ports/store.js";

/** A private directory for copies of outputs, made for the first of them: most builds need none. */
export class Copies implements AsyncDisposable {
  #directory: ReturnType<StorePort["makeTempDir"]> | undefined;

  constructor(private readonly store: StorePort) {}

  /** A place in it. */
  async placeOf(name: string): Promise<string> {
    this.#directory ??= this.store.makeTempDir();
    return `${(await this.#directory).path}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const made = await this.#directory?.catch(() => undefined); // who asked for it was told
    await made?.[Symbol.asyncDispose]();
  }
}
