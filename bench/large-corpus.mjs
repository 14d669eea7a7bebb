import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skip } from "./measure.mjs";

/** Runs a bench on the large corpus in a folder of its own, its derivations in `nix/store`; skips it where there is none. */
export async function withLargeCorpus(title, bench) {
  const corpus = join(import.meta.dirname, "../../shared/corpus");
  if (!existsSync(join(corpus, "large-drvs.tar.zst"))) return skip(title, "../shared/corpus is not here");
  const folder = mkdtempSync(join(tmpdir(), "drvkit-bench-"));
  try {
    // Where a Nix below a root of its own looks for them.
    mkdirSync(join(folder, "nix"));
    const unpack = 'zstd -dc "$0/large-drvs.tar.zst" | tar x && mv store nix/store';
    execFileSync("sh", ["-c", unpack, corpus], { cwd: folder });
    await bench(folder);
  } finally {
    execFileSync("chmod", ["-R", "u+w", folder]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** How a Nix below `root` runs: it has no settings of this machine, and asks nobody. */
export function nixBelow(root) {
  return {
    store: `local?root=${root}`,
    env: { ...process.env, NIX_CONF_DIR: join(root, "etc"), NIX_CONFIG: "substituters =" },
  };
}

/** Registers paths with a Nix below `root`; whether there is a Nix. */
export function loadIntoNix(root, registrations) {
  const { store, env } = nixBelow(root);
  try {
    execFileSync("nix-store", ["--store", store, "--load-db"], {
      input: registrations,
      stdio: ["pipe", "ignore", "ignore"],
      env,
    });
    return true;
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}

export function lines(file) {
  return readFileSync(file, "utf8").trimEnd().split("\n");
}
