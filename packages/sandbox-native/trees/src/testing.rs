//! What the tests of this crate share.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::error::{Result, TreeError};
use crate::sys;

/// An ordinary user that exists on every machine.
pub const NOBODY: u32 = 65534;

/// A directory of one test, removed at its end with whatever permissions are left in it.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    pub fn below(parent: &Path) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("drvkit-trees-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a fresh directory");
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if crate::remove_tree(bytes(&self.0), &crate::Cancel::new()).is_err() {
            // A test of removal left something that only a plain removal can take away.
            let _ = Command::new("rm").arg("-rf").arg(&self.0).status();
        }
    }
}

/// A small generator, always the same, so that a failure can be repeated.
pub fn numbers() -> impl FnMut() -> usize {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    }
}

pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

pub fn is_root() -> bool {
    sys::effective_ids().0 == 0
}

pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it exists").mode() & 0o7777
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

pub fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
    assert!(made.success());
}

pub fn failure<T: std::fmt::Debug>(result: Result<T>) -> TreeError {
    result.expect_err("it must be refused")
}

/// Whether the counts are those of `npm run test:long`.
pub fn is_long() -> bool {
    std::env::var_os("DRVKIT_TEST_LONG").is_some_and(|value| value == "1")
}

/// Does `disturb` over and over in another thread while `body` runs, and stops also when it fails.
pub fn while_disturbed(disturb: impl Fn() + Send + Sync, body: impl FnOnce()) {
    struct StopAtEnd<'a>(&'a AtomicBool);
    impl Drop for StopAtEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                disturb();
            }
        });
        body();
    });
}

/// Runs the test `name` as whoever runs the tests and, if that is root, again as an ordinary user in a process of its own: root passes
/// permission checks that matter here.
pub fn for_each_user(name: &str, body: impl FnOnce()) {
    if is_root() {
        run_again(name, |command| command.uid(NOBODY).gid(NOBODY));
    }
    body();
}

/// Runs the test `name` in a process of its own, changed by `change`.
pub fn run_again(name: &str, change: impl FnOnce(&mut Command) -> &mut Command) {
    let mut command = Command::new(std::env::current_exe().expect("a test binary"));
    command.args(["--exact", name, "--nocapture", "--include-ignored"]).env("DRVKIT_TEST_AGAIN", "1");
    let output = change(&mut command).output().expect("the test binary starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "as the other user:\n{text}");
    assert!(text.contains("1 passed"), "no test is called '{name}':\n{text}");
}

/// Whether `run_again` started this process.
pub fn is_again() -> bool {
    std::env::var_os("DRVKIT_TEST_AGAIN").is_some()
}
