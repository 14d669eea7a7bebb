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
    await (await this.#directory)?.[Symbol.asyncDispose]();
  }
}
