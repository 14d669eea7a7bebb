import { realpathSync } from "node:fs";

/** What builders and their peers see of this machine. */
export const binds = ["/bin", "/usr", "/lib", "/lib64"];

/** Arguments of `bwrap` for what a sandbox of ours has: no namespace is shared, and what is at `out` can be written. */
export function bwrapArguments(out, target) {
  const mounts = binds.flatMap((path) =>
    realpathSync(path) === path ? ["--ro-bind", path, path] : ["--symlink", realpathSync(path), path],
  );
  const process = ["--unshare-all", "--die-with-parent", "--new-session"];
  const fresh = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"];
  return [...process, ...mounts, ...fresh, "--bind", out, target];
}
