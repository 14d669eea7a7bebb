import { afterAll, beforeAll } from "vitest";
import { drv, type Ended, Scratch } from "./drv-command.js";
import { DerivationFolder } from "./make-derivation.js";

/** What tests that build with the command share. */
export interface BuildSuite {
  readonly scratch: Scratch;
  readonly drvs: DerivationFolder;
  /** `drv build` in the store of the suite, without a link. */
  build(...args: readonly string[]): Promise<Ended>;
}

/** A store and a folder of derivations for the suite that calls this, made before its first test, removed after its last. */
export function buildSuite(): BuildSuite {
  let made: { readonly scratch: Scratch; readonly drvs: DerivationFolder } | undefined;
  beforeAll(() => {
    const scratch = new Scratch();
    made = { scratch, drvs: new DerivationFolder(scratch.path("drvs")) };
  });
  afterAll(() => made?.scratch[Symbol.asyncDispose]());
  const suite = () => {
    if (made === undefined) throw new Error("a suite has its store only while its tests run");
    return made;
  };
  return {
    get scratch() {
      return suite().scratch;
    },
    get drvs() {
      return suite().drvs;
    },
    build(...args) {
      const { scratch } = suite();
      return drv(["build", "--no-link", ...args, "--store", scratch.store], { cwd: scratch.folder });
    },
  };
}
