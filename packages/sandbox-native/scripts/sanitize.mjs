// The tests of what reads foreign bytes and calls no program, under AddressSanitizer: it needs nightly.
import { packageDir, requireCommand, succeeds } from "./toolchain.mjs";

const parts = ["archive::", "codec::", "listing::", "rewrite::", "scan::"];

requireCommand("cargo", ["+nightly", "--version"], "AddressSanitizer needs cargo of the nightly toolchain");
const target = `${{ x64: "x86_64", arm64: "aarch64" }[process.arch]}-unknown-linux-gnu`;
const args = ["+nightly", "test", "--locked", "--package", "drvkit-trees", "--lib", "--target", target];
const env = {
  RUSTFLAGS: "-Zsanitizer=address",
  CFLAGS: "-fsanitize=address",
  CARGO_TARGET_DIR: `${packageDir}/target/sanitized`,
};
process.exitCode = succeeds("cargo", [...args, "--", ...parts], env) ? 0 : 1;
