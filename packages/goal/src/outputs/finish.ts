import {
  type ContentAddress,
  type ContentAddressMethod,
  computeContentAddressedPath,
  type Derivation,
  type Hash,
  type HashAlgorithm,
  hashesEqual,
  hashPartOf,
  namePartOf,
  type OutputName,
  outputPathName,
  printHash,
  type StorePath,
} from "@drvkit/drv-parser";
import type { BuilderSaw, PathInfo } from "@drvkit/narinfo";
import { invariant } from "../error.js";
import type { RunningBuild } from "../ports/sandbox.js";
import type { GoalContext } from "../worker/context.js";
import type { Collected } from "./collect.js";
import type { Copies } from "./copies.js";
import { OutputError } from "./error.js";
import { Rewriter } from "./rewrite.js";

/** One output with its final path and all that is known of it. */
export interface FinishedOutput {
  readonly name: OutputName;
  readonly location: string;
  readonly info: PathInfo;
}

/** An output that is finished; a fixed one that has another hash than it should comes with that error. */
interface Finished {
  readonly finished: FinishedOutput;
  readonly mismatch?: OutputError;
}

/** Finishes the outputs of one build, those that others refer to first: paths that they get replace what stood for them. */
export class Finisher {
  readonly #rewriter: Rewriter;

  constructor(
    private readonly build: { readonly drv: Derivation; readonly running: RunningBuild },
    copies: Copies,
    private readonly cx: GoalContext,
  ) {
    this.#rewriter = new Rewriter(copies, cx);
  }

  /** An output that stays as it is: what the others say of where it was written this time is about it. */
  keep(scratch: StorePath, path: StorePath): void {
    this.#rewriter.follow(scratch, path);
  }

  async finish(output: Collected): Promise<Finished> {
    const declared = this.build.drv.outputs.get(output.name);
    invariant(
      declared !== undefined && declared.kind !== "deferred",
      `output '${output.name}' cannot be built`,
    );
    switch (declared.kind) {
      case "inputAddressed":
        return { finished: await this.#inputAddressed(output, declared.path) };
      case "fixed":
        return this.#fixed(output, declared.ca);
      case "floating":
      case "impure":
        return { finished: await this.#floating(output, declared) };
    }
  }

  /** What was written beside a path that is taken says its own name and those of its siblings as if it had not been. */
  async #inputAddressed(collected: Collected, path: StorePath): Promise<FinishedOutput> {
    const output = await this.#rewriter.moved(await this.#rewriter.withFinalSiblings(collected), path);
    return { ...output, info: this.#info(output, { path }) };
  }

  async #fixed(output: Collected, wanted: ContentAddress): Promise<Finished> {
    const { drvPath } = this.cx;
    const [first] = output.references;
    if (first !== undefined)
      throw new OutputError(
        "hashMismatch",
        `fixed-output derivations must not reference store paths: '${drvPath}' references ${output.references.size} distinct paths, e.g. '${first}'`,
      );
    const ca = await this.#contentAddress(output, wanted.method, wanted.hash.algorithm);
    const path = computeContentAddressedPath(
      this.cx.ports.store.storeDir,
      outputPathName(this.build.drv.name, output.name),
      ca,
    );
    const finished = { ...output, info: this.#info(output, { path, ca }) };
    if (hashesEqual(ca.hash, wanted.hash)) return { finished };
    const mismatch = new OutputError(
      "hashMismatch",
      `hash mismatch in fixed-output derivation '${drvPath}':\n  specified: ${printHash(wanted.hash, "sri")}\n     got:    ${printHash(ca.hash, "sri")}`,
      { hint: `what was built is registered as '${path}'` },
    );
    return { finished, mismatch };
  }

  /** Content decides the path: what the output says of itself, under the path that it was given, does not count. */
  async #floating(
    collected: Collected,
    { method, algorithm }: { readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm },
  ): Promise<FinishedOutput> {
    const { storeDir } = this.cx.ports.store;
    const output = await this.#rewriter.withFinalSiblings(collected);
    const self = output.references.has(output.scratch);
    const references = [...output.references].filter((path) => path !== output.scratch);
    const allowed = method === "text" ? !self : method === "nar" && algorithm === "sha256";
    if (output.references.size > 0 && !allowed)
      throw new OutputError(
        "outputRejected",
        `output '${output.name}' of '${this.cx.drvPath}' refers to store paths, which its hash does not allow`,
        { hint: 'outputHashMode = "recursive" and outputHashAlgo = "sha256" allow it' },
      );
    const ca = await this.#contentAddress(output, method, algorithm, output.mentions.has(output.scratch));
    const name = namePartOf(output.scratch);
    const path = computeContentAddressedPath(storeDir, name, ca, { references, self });
    const final = await this.#rewriter.moved(output, path);
    return { ...final, info: this.#info(final, { path, ca }) };
  }

  async #contentAddress(
    { location, narHash, scratch }: Collected,
    method: ContentAddressMethod,
    algorithm: HashAlgorithm,
    self = false,
  ): Promise<ContentAddress> {
    const { trees } = this.cx.ports;
    if (method !== "nar") await this.#requirePlainFile(location);
    if (self) return { method, hash: sha256(await trees.hashModulo(location, hashPartOf(scratch), this.cx)) };
    if (method === "nar" && algorithm === "sha256") return { method, hash: sha256(narHash) };
    return {
      method,
      hash: await trees.hash(location, method === "nar" ? "nar" : "flat", algorithm, this.cx),
    };
  }

  async #requirePlainFile(location: string): Promise<void> {
    const stat = await this.cx.ports.trees.stat(location);
    if (stat?.type === "regular" && (stat.mode & 0o100) === 0) return;
    throw new OutputError(
      "outputRejected",
      `output path '${location}' should be a non-executable regular file since recursive hashing is not enabled (outputHashMode=flat)`,
      { hint: `set outputHashMode = "recursive" in '${this.build.drv.name}', or write a plain file` },
    );
  }

  #info(
    output: Collected,
    { path, ca }: { readonly path: StorePath; readonly ca?: ContentAddress },
  ): PathInfo {
    const saw = builderSaw(this.build.running);
    return {
      path,
      narHash: sha256(output.narHash),
      narSizeBytes: output.narSizeBytes,
      references: output.references,
      deriver: this.cx.drvPath,
      registrationTimeSeconds: this.cx.ports.clock.nowSeconds(),
      ultimate: true,
      signatures: [],
      ...(ca === undefined ? {} : { ca }),
      ...(saw === undefined ? {} : { builderSaw: saw }),
    };
  }
}

function builderSaw({ isolation, hostTools }: RunningBuild): BuilderSaw | undefined {
  if (isolation === "none") return "machine";
  return hostTools ? "hostTools" : undefined;
}

function sha256(digest: Uint8Array): Hash {
  return { algorithm: "sha256", digest };
}
