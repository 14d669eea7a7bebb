//! Builds the helper executable and says where it is, so that `cargo build`, `cargo test` and `cargo clippy` need no
//! step before them. The helper has a target directory of its own: cargo holds a lock on ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=../helper/src");
    println!("cargo::rerun-if-changed=../helper/Cargo.toml");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    println!("cargo::rerun-if-env-changed=DRVKIT_HELPER");
    let helper = match env::var_os("DRVKIT_HELPER") {
        Some(path) => PathBuf::from(path),
        None => build(),
    };
    let out = PathBuf::from(required("OUT_DIR")).join("drvkit-helper");
    if let Err(error) = fs::copy(&helper, &out) {
        panic!("the helper executable \"{}\" cannot be read: {error}", helper.display());
    }
}

fn required(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo did not set {name}"))
}

/// Static where the C library has a static form, so that it starts without a loader; else as the machine links.
fn build() -> PathBuf {
    let workspace = Path::new(&required("CARGO_MANIFEST_DIR")).join("..");
    let out = PathBuf::from(required("OUT_DIR"));
    // OUT_DIR is TARGET_DIR/[TRIPLE/]PROFILE/build/NAME/out.
    let shared = out.ancestors().nth(4).expect("OUT_DIR is deep").join("helper");
    let triple = required("TARGET");
    for flags in ["-Ctarget-feature=+crt-static -Crelocation-model=static", ""] {
        let mut cargo = Command::new(required("CARGO"));
        cargo
            .current_dir(&workspace)
            .args(["build", "--locked", "--package", "drvkit-helper", "--bin", "drvkit-helper", "--profile", "helper"])
            .args(["--target", &triple, "--target-dir"])
            .arg(&shared)
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", flags);
        match cargo.status() {
            Ok(status) if status.success() => return shared.join(&triple).join("helper/drvkit-helper"),
            Ok(_) if !flags.is_empty() => {
                println!("cargo::warning=no static C library: the helper is linked dynamically")
            }
            Ok(status) => panic!("building the helper executable failed: {status}"),
            Err(error) => panic!("cargo cannot be started to build the helper executable: {error}"),
        }
    }
    unreachable!("the loop returns or panics at its last round")
}
