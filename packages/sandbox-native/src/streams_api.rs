//! JavaScript functions of the trees crate that concern bytes on their way: archives, files, compression.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drvkit_trees::{self as trees, Codec, Coding, FileSource, Flow, Limits, Node, Passed, Pipe, Restorer, What};
use napi::Env;
use napi::bindgen_prelude::{Object, Uint8Array};
use napi_derive::napi;

use crate::task::{on_pool, promise};
use crate::trees_api::{CancelFlag, TreeScan, invalid, parse_hash_parts, tree_hash, tree_scan};

/// Size of the chunks of a stream.
const CHUNK_BYTES: usize = 256 * 1024;

/// See `Coding` in `ts/trees/streams.ts`.
#[napi(object, object_to_js = false)]
pub struct CodingOptions {
    /// As a narinfo calls the format.
    pub codec: String,
    /// Whether data is made, else it is read.
    pub compress: bool,
    /// Of effort.
    pub level: Option<i32>,
    /// Bytes that may come out.
    pub max_bytes: Option<f64>,
    /// Bytes of window or dictionary.
    pub max_memory_bytes: Option<f64>,
}

/// A way for bytes, which moves one chunk at a time when it is asked to. No thread waits between two chunks.
#[napi]
pub struct BytePipe {
    pipe: Arc<Mutex<Option<Pipe>>>,
    passed: Option<Passed>,
}

#[napi]
impl BytePipe {
    /// What is done to the bytes from here on. Before any has been asked for.
    #[napi]
    pub fn push(&self, options: CodingOptions) -> napi::Result<()> {
        let coding = parse_coding(&options)?;
        if let Some(pipe) = lock(&self.pipe).as_mut() {
            pipe.push(coding);
        }
        Ok(())
    }

    /// The next bytes, copied because their owner may change them meanwhile; the caller awaits what is under way first.
    #[napi]
    pub fn give(&self, bytes: &[u8], is_last: bool) {
        if let Some(pipe) = lock(&self.pipe).as_mut() {
            pipe.give(bytes.to_vec(), is_last);
        }
    }

    /// The next chunk, an empty one when bytes must be given first, or nothing at the end.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let pipe = Arc::clone(&self.pipe);
        on_pool(env, move || next_chunk(&mut lock(&pipe)))
    }

    /// What `dump_tree` was to scan for; nothing before the last chunk.
    #[napi]
    pub fn scanned(&self) -> Option<TreeScan> {
        self.passed.as_ref().and_then(Passed::scan).map(tree_scan)
    }

    /// Closes what the bytes come from: at once, or when the call that is under way has ended.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        if let Ok(mut slot) = self.pipe.try_lock() {
            drop(slot.take());
            return promise(env, |settle| settle.done(Ok(())));
        }
        let pipe = Arc::clone(&self.pipe);
        on_pool(env, move || {
            drop(lock(&pipe).take());
            Ok(())
        })
    }

    fn new(pipe: Pipe, passed: Option<Passed>) -> Self {
        Self { pipe: Arc::new(Mutex::new(Some(pipe))), passed }
    }
}

fn next_chunk(slot: &mut Option<Pipe>) -> trees::Result<Option<Uint8Array>> {
    // Put back only if there may be more.
    let Some(mut pipe) = slot.take() else { return Ok(None) };
    let mut chunk = vec![0; CHUNK_BYTES];
    let (length, flow) = pipe.fill(&mut chunk)?;
    if flow != Flow::Ended {
        *slot = Some(pipe);
    }
    chunk.truncate(length);
    Ok((length > 0 || flow == Flow::Hungry).then(|| Uint8Array::from(chunk)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The archive of a tree; with `hash_parts` it is hashed and searched for them on the way.
#[napi]
pub fn dump_tree(path: String, hash_parts: Option<Vec<String>>, cancel: &CancelFlag) -> napi::Result<BytePipe> {
    let bytes = path.clone().into_bytes();
    let cancel = cancel.0.clone();
    let Some(hash_parts) = hash_parts else {
        let open = move || Ok(Box::new(trees::Dumper::open(&bytes)?) as _);
        return Ok(BytePipe::new(Pipe::open(path.as_bytes(), cancel, open), None));
    };
    let parts = parse_hash_parts(&hash_parts)?;
    let passed = Passed::default();
    let told = passed.clone();
    let open = move || Ok(Box::new(trees::ScannedDump::open(&bytes, parts, told)?) as _);
    Ok(BytePipe::new(Pipe::open(path.as_bytes(), cancel, open), Some(passed)))
}

/// The bytes of a regular file.
#[napi]
pub fn read_file(path: String, cancel: &CancelFlag) -> BytePipe {
    let bytes = path.clone().into_bytes();
    let open = move || Ok(Box::new(FileSource::open(&bytes)?) as _);
    BytePipe::new(Pipe::open(path.as_bytes(), cancel.0.clone(), open), None)
}

/// Bytes that are given.
#[napi]
pub fn given_bytes(cancel: &CancelFlag) -> BytePipe {
    BytePipe::new(Pipe::given(cancel.0.clone()), None)
}

/// Compression or decompression of a file into another.
#[napi]
pub fn code_file<'env>(
    env: &'env Env,
    options: CodingOptions,
    source: String,
    target: String,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let coding = parse_coding(&options)?;
    let cancel = cancel.0.clone();
    on_pool(env, move || trees::code_file(coding, source.as_bytes(), target.as_bytes(), &cancel))
}

/// A tree that grows as its archive comes. Absent before the first bytes, after the last, and after a failure.
#[napi]
pub struct TreeRestore {
    target: String,
    sync: bool,
    restorer: Arc<Mutex<Option<Restorer>>>,
}

#[napi]
impl TreeRestore {
    /// Nothing is created before the first bytes come.
    #[napi(constructor)]
    pub fn new(target: String, sync: bool) -> Self {
        Self { target, sync, restorer: Arc::default() }
    }

    /// Takes what comes of an archive; returns whether that was all, else bytes must be given to the pipe.
    #[napi]
    pub fn take<'env>(&self, env: &'env Env, archive: &BytePipe) -> napi::Result<Object<'env>> {
        let (pipe, restorer) = (Arc::clone(&archive.pipe), Arc::clone(&self.restorer));
        let (target, sync) = (self.target.clone(), self.sync);
        on_pool(env, move || {
            let mut slot = lock(&restorer);
            let mut pipe = lock(&pipe);
            let Some(pipe) = pipe.as_mut() else { return Ok(true) };
            // Put back only if all went well: what is dropped removes what it made.
            let mut restorer = slot.take().map_or_else(|| Restorer::open(target.as_bytes(), sync), Ok)?;
            let is_all = pipe.drain(|bytes| restorer.write(bytes))?;
            *slot = Some(restorer);
            Ok(is_all)
        })
    }

    /// The archive is whole.
    #[napi]
    pub fn finish<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (target, sync, restorer) = (self.target.clone(), self.sync, Arc::clone(&self.restorer));
        on_pool(env, move || {
            let restorer = lock(&restorer).take();
            restorer.map_or_else(|| Restorer::open(target.as_bytes(), sync), Ok)?.finish().map(tree_hash)
        })
    }

    /// Removes what was made of a tree that will not be finished.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let restorer = Arc::clone(&self.restorer);
        on_pool(env, move || {
            drop(lock(&restorer).take());
            Ok(())
        })
    }
}

/// One node of an outline; see `TreeListing` in `ts/trees/outline.ts`.
#[napi(object, object_from_js = false)]
pub struct OutlineNode {
    /// How many directories it is in.
    pub depth: u32,
    /// Empty for the top.
    pub name: Uint8Array,
    /// Of a link.
    pub target: Option<Uint8Array>,
    /// Of a file, as the next two.
    pub executable: Option<bool>,
    /// Length of the contents.
    pub size_bytes: Option<i64>,
    /// Where in the archive they begin.
    pub nar_offset: Option<i64>,
}

/// What a tree consists of.
#[napi]
pub fn outline_tree<'env>(env: &'env Env, path: String, cancel: &CancelFlag) -> napi::Result<Object<'env>> {
    let cancel = cancel.0.clone();
    on_pool(env, move || {
        let nodes = trees::outline_tree(path.as_bytes(), &cancel)?;
        Ok(nodes.into_iter().map(outline_node).collect::<Vec<_>>())
    })
}

fn outline_node(Node { depth, name, what }: Node) -> OutlineNode {
    let node = OutlineNode {
        depth: depth as u32,
        name: name.into(),
        target: None,
        executable: None,
        size_bytes: None,
        nar_offset: None,
    };
    match what {
        What::Directory => node,
        What::Symlink { target } => OutlineNode { target: Some(target.into()), ..node },
        What::Regular { executable, size, nar_offset } => OutlineNode {
            executable: Some(executable),
            size_bytes: Some(size as i64),
            nar_offset: Some(nar_offset as i64),
            ..node
        },
    }
}

fn parse_coding(options: &CodingOptions) -> napi::Result<Coding> {
    let CodingOptions { codec, compress, level, max_bytes, max_memory_bytes } = options;
    let codec =
        Codec::from_compression(codec).ok_or_else(|| invalid(format!("unknown compression method '{codec}'")))?;
    if *compress {
        let level = level.unwrap_or_else(|| codec.default_level());
        let levels = codec.levels();
        if !levels.contains(&level) {
            let (first, last) = (levels.start(), levels.end());
            return Err(invalid(format!("{} has the levels {first} to {last}, not {level}", codec.name())));
        }
        return Ok(Coding::Compress { codec, level });
    }
    let Limits { size, memory } = Limits::default();
    let limits = Limits { size: whole(*max_bytes, size)?, memory: whole(*max_memory_bytes, memory)? };
    Ok(Coding::Decompress { codec, limits })
}

fn whole(number: Option<f64>, default: u64) -> napi::Result<u64> {
    match number {
        None => Ok(default),
        Some(number) if number >= 0.0 && number.fract() == 0.0 => Ok(number as u64),
        Some(number) => Err(invalid(format!("'{number}' is no number of bytes"))),
    }
}
