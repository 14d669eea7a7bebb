//! What the targets share.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use drvkit_trees::{Cancel, Codec, Coding, Flow, Kind, Limits, Pipe};

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

    fn remove(&self) {
        drvkit_trees::remove_tree(self.path()).expect("what we made can be removed");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}

/// How far data of one input is followed.
const LIMITS: Limits = Limits { size: 1 << 24, memory: 1 << 24 };

/// Decompresses an input that comes in two pieces: bytes, or a refusal that names the data or a limit, nothing else.
pub fn decompress(codec: Codec, (cut, input): (u16, &[u8])) {
    let (first, rest) = input.split_at(usize::from(cut).min(input.len()));
    let mut pipe = Pipe::given(Cancel::default());
    pipe.push(Coding::Decompress { codec, limits: LIMITS });
    let mut rest = Some(rest.to_vec());
    pipe.give(first.to_vec(), false);
    let mut chunk = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        match pipe.fill(&mut chunk) {
            Ok((length, flow)) => {
                size += length as u64;
                assert!(length <= chunk.len() && size <= LIMITS.size);
                match (flow, &mut rest) {
                    (Flow::Ended, _) => return,
                    (Flow::Hungry, rest) => pipe.give(rest.take().expect("the last piece was the last"), true),
                    (Flow::More, _) => {}
                }
            }
            Err(error) => {
                let kinds = [Kind::Data(codec), Kind::CodedSize, Kind::CodedMemory];
                return assert!(kinds.contains(&error.kind), "{error}");
            }
        }
    }
}
