import { closeSync, existsSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { hashPartOf, type StorePath } from "@drvkit/drv-parser";
import type { BuildSuite } from "./build-suite.js";
import type { Ended } from "./drv-command.js";
import { makeFifo } from "./make-fifo.js";
import { until } from "./until.js";

/** A build whose builder waits for the test; disposed of, it goes on to its end. */
export interface PausedBuild extends AsyncDisposable {
  readonly drvPath: StorePath;
  /** Directories of the build on this machine: what the engine made, and what is in it. */
  readonly tempDir: string;
  readonly buildDir: string;
  readonly chrootDir: string;
  /** Where the builder writes `out`. */
  readonly outDir: string;
  /** Lets the builder go on; how the command ended. */
  go(): Promise<Ended>;
}

/** Builds with the machine's tools: runs `script`, then waits until {@link PausedBuild.go}, then succeeds. */
export async function pauseBuild(
  suite: BuildSuite,
  { name, script }: { readonly name: string; readonly script: string },
): Promise<PausedBuild> {
  const fifo = makeFifo(suite.scratch.path(`go-${name}`));
  const waiting = `${script}\n: > $NIX_BUILD_TOP/ready; read go < /go`;
  const drvPath = suite.drvs.write({ name, script: waiting, env: { PATH: "/usr/bin:/bin" } });
  const flags = ["--host-tools", "--extra-sandbox-paths", `/go=${fifo}`];
  let ended: Ended | undefined;
  const building = suite.build(suite.drvs.fileOf(drvPath), ...flags).then((value) => {
    ended = value;
    return value;
  });
  const nix = join(suite.scratch.store, "nix");
  const [builds, objects] = [join(nix, "var/nix/builds"), join(nix, "store")];
  const named = (folder: string, matches: (name: string) => boolean) => {
    const found = existsSync(folder) ? readdirSync(folder).find(matches) : undefined;
    return join(folder, found ?? "not-there");
  };
  const tempDir = () => named(builds, (entry) => entry.endsWith(hashPartOf(drvPath)));
  await until(() => {
    if (ended !== undefined) throw new Error(`it did not wait: ${ended.stderr}`);
    return existsSync(join(tempDir(), "build/ready"));
  });
  const chrootDir = named(
    objects,
    (entry) => entry.startsWith(hashPartOf(drvPath)) && entry.endsWith(".chroot"),
  );
  const go = async () => {
    const end = openSync(fifo, "r+"); // open until the end: what was written stays until the builder reads it
    try {
      writeSync(end, "go\n");
      return await building;
    } finally {
      closeSync(end);
    }
  };
  return {
    drvPath,
    tempDir: tempDir(),
    buildDir: join(tempDir(), "build"),
    chrootDir,
    outDir: join(chrootDir, suite.drvs.outputOf(drvPath).replace("/nix/", "")),
    go,
    async [Symbol.asyncDispose]() {
      if (ended === undefined) await go();
    },
  };
}
