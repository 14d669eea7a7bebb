//! What the targets share.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use drvkit_trees::{ChunkSource, Codec, Decompressed, Kind};

/// A file or tree of one input, in memory and of this process alone, absent when it is made and gone when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// One at a time: the name is always the same.
    #[expect(clippy::new_without_default, reason = "it acts on the file system")]
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let scratch = Self(parent.join(format!("drvkit-fuzz-{}", std::process::id())));
        scratch.remove();
        scratch
    }

    /// As the crate takes paths.
    pub fn path(&self) -> &[u8] {
        self.0.as_os_str().as_bytes()
    }

    /// Whether something is there.
    pub fn exists(&self) -> bool {
        fs::symlink_metadata(&self.0).is_ok()
    }

    /// Makes it a file.
    pub fn write(&self, bytes: &[u8]) {
        fs::write(&self.0, bytes).expect("a file in memory");
    }

    fn remove(&self) {
        drvkit_trees::remove_tree(self.path()).expect("what we made can be removed");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}

/// More than this of one input is not worth the time.
const MOST_BYTES: usize = 1 << 24;

/// Reads `input` to its end: bytes or a refusal that names the data, nothing else.
pub fn decompress(codec: Codec, input: &[u8]) {
    let scratch = Scratch::new();
    scratch.write(input);
    let mut source = Decompressed::open(codec, scratch.path()).expect("a regular file");
    let mut chunk = vec![0; 1 << 16];
    let mut size = 0;
    while size < MOST_BYTES {
        match source.fill(&mut chunk) {
            Ok(length) => {
                assert!(length <= chunk.len());
                size += length;
                if length < chunk.len() {
                    return;
                }
            }
            Err(error) => return assert_eq!(error.kind, Kind::Data(codec), "{error}"),
        }
    }
}
