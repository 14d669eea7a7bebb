//! JavaScript functions of the trees crate.

use std::sync::{Arc, Mutex, PoisonError};

use drvkit_trees::{
    self as trees, Algorithm, Cancel, ChunkSource, Codec, Decompressed, Dumper, HashPart, Keep, Pool, Restorer,
    TopStat, TopType, TreeError,
};
use napi::Env;
use napi::bindgen_prelude::{Object, ToNapiValue, Uint8Array};
use napi_derive::napi;

use crate::task::{Failure, Outcome, promise};

/// Size of the chunks of a stream.
const CHUNK_BYTES: usize = 256 * 1024;

/// A hash and the number of bytes that went into it.
#[napi(object, object_from_js = false)]
pub struct TreeHash {
    /// The hash.
    pub digest: Uint8Array,
    /// The length of what was hashed.
    pub size_bytes: i64,
}

/// See `ScanResult` in `ts/types.ts`.
#[napi(object, object_from_js = false)]
pub struct TreeScan {
    /// SHA-256 of the archive.
    pub nar_hash: Uint8Array,
    /// Length of the archive.
    pub nar_size_bytes: i64,
    /// In byte order.
    pub found: Vec<String>,
}

/// See `TreeStat` in `ts/types.ts`.
#[napi(object, object_from_js = false)]
pub struct TreeTop {
    /// `regular`, `directory`, `symlink` or `other`.
    pub r#type: &'static str,
    /// As in `st_mode`.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// As in `st_size`.
    pub size_bytes: i64,
}

/// A request to end the calls it was given to.
#[napi]
#[derive(Default)]
pub struct CancelFlag(Cancel);

#[napi]
impl CancelFlag {
    /// No request yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// They fail with `ERR_CANCELLED` where they look next.
    #[napi]
    pub fn request(&self) {
        self.0.request();
    }
}

/// Hash of the archive of a tree.
#[napi]
pub fn hash_tree<'env>(
    env: &'env Env,
    path: String,
    algorithm: String,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let algorithm = parse_algorithm(&algorithm)?;
    let cancel = cancel.0.clone();
    on_pool(env, move || trees::hash_tree(path.as_bytes(), algorithm, &cancel).map(tree_hash))
}

/// Hash of the bytes of a regular file.
#[napi]
pub fn hash_file<'env>(
    env: &'env Env,
    path: String,
    algorithm: String,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let algorithm = parse_algorithm(&algorithm)?;
    let cancel = cancel.0.clone();
    on_pool(env, move || trees::hash_file(path.as_bytes(), algorithm, &cancel).map(tree_hash))
}

/// SHA-256 of the archive of a tree and which hash parts occur in it.
#[napi]
pub fn scan_tree<'env>(
    env: &'env Env,
    path: String,
    hash_parts: Vec<String>,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let parts = hash_parts.iter().map(|part| parse_hash_part(part)).collect::<napi::Result<Vec<_>>>()?;
    let cancel = cancel.0.clone();
    on_pool(env, move || {
        let scan = trees::scan_tree(path.as_bytes(), parts, &cancel)?;
        let found = scan.found.iter().map(|part| String::from_utf8_lossy(part.as_bytes()).into_owned()).collect();
        let TreeHash { digest, size_bytes } = tree_hash(scan.digest);
        Ok(TreeScan { nar_hash: digest, nar_size_bytes: size_bytes, found })
    })
}

/// Inodes that were canonicalised in one build.
#[napi]
#[derive(Default)]
pub struct SeenInodes(Arc<Mutex<trees::SeenInodes>>);

#[napi]
impl SeenInodes {
    /// An empty set.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Canonical metadata for a whole tree.
#[napi]
pub fn canonicalise_tree<'env>(
    env: &'env Env,
    path: String,
    first_uid: Option<u32>,
    uid_count: Option<u32>,
    seen: &SeenInodes,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let seen = Arc::clone(&seen.0);
    let cancel = cancel.0.clone();
    on_pool(env, move || {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed_uids = first_uid.map(|first| first..first.saturating_add(uid_count.unwrap_or(1)));
        trees::canonicalise_tree(path.as_bytes(), allowed_uids, &mut seen, &cancel)
    })
}

/// Copy of a tree, or of the entries of `keep`, to a free path.
#[napi]
pub fn copy_tree<'env>(
    env: &'env Env,
    source: String,
    target: String,
    keep: Option<&[u8]>,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let keep = keep.map(Keep::parse);
    let cancel = cancel.0.clone();
    on_pool(env, move || trees::copy_tree(source.as_bytes(), target.as_bytes(), keep.as_ref(), &cancel))
}

/// The same made canonical, and its hash.
#[napi]
pub fn copy_canonical<'env>(
    env: &'env Env,
    source: String,
    target: String,
    keep: Option<&[u8]>,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let keep = keep.map(Keep::parse);
    let cancel = cancel.0.clone();
    on_pool(env, move || {
        trees::copy_canonical(source.as_bytes(), target.as_bytes(), keep.as_ref(), &cancel).map(tree_hash)
    })
}

/// See `ListedEntry` in `ts/listing.ts`.
#[napi(object, object_from_js = false)]
pub struct DirectoryListing {
    /// Each ended by a zero byte.
    pub names: Uint8Array,
    /// `STAMP_BYTES` for each.
    pub stamps: Uint8Array,
}

/// What is in one directory of a tree.
#[napi]
pub fn list_directory<'env>(env: &'env Env, top: String, below: &[u8]) -> napi::Result<Object<'env>> {
    let below = below.to_vec();
    on_pool(env, move || {
        let listing = trees::list_directory(top.as_bytes(), &below)?;
        Ok(DirectoryListing { names: listing.names.into(), stamps: listing.stamps.into() })
    })
}

/// The stamp of the top of a tree, or nothing. At once, as `stat_tree`.
#[napi]
pub fn stamp_top(path: String) -> Outcome<Option<Uint8Array>> {
    let stamp = trees::stamp_top(path.as_bytes());
    Outcome(stamp.map(|stamp| stamp.map(|bytes| bytes.to_vec().into())).map_err(failure))
}

/// Removal of a tree that may be absent.
#[napi]
pub fn remove_tree<'env>(env: &'env Env, path: String) -> napi::Result<Object<'env>> {
    on_pool(env, move || trees::remove_tree(path.as_bytes()))
}

/// Rename of a tree to a free path.
#[napi]
pub fn move_tree<'env>(env: &'env Env, from: String, to: String) -> napi::Result<Object<'env>> {
    on_pool(env, move || trees::move_tree(from.as_bytes(), to.as_bytes()))
}

/// Replacement of a tree, if there is one: it is at `from` afterwards.
#[napi]
pub fn replace_tree<'env>(env: &'env Env, from: String, to: String) -> napi::Result<Object<'env>> {
    on_pool(env, move || trees::replace_tree(from.as_bytes(), to.as_bytes()))
}

/// The top of a tree, or nothing. At once: it takes less than a way through the pool.
#[napi]
pub fn stat_tree(path: String) -> Outcome<Option<TreeTop>> {
    let top = trees::stat_tree(path.as_bytes());
    Outcome(top.map(|top| top.map(tree_top)).map_err(failure))
}

/// Compression of a file into another.
#[napi]
pub fn compress_file<'env>(
    env: &'env Env,
    codec: String,
    source: String,
    target: String,
) -> napi::Result<Object<'env>> {
    let codec = parse_codec(&codec)?;
    on_pool(env, move || trees::compress_file(codec, source.as_bytes(), target.as_bytes()))
}

/// Bytes that are produced one chunk at a time, each when it is asked for. No thread waits between two chunks.
#[napi]
pub struct ChunkStream(Option<Arc<Mutex<Chunks>>>);

enum Chunks {
    Unopened(Opener),
    Open(Box<dyn ChunkSource>),
    Ended,
}

type Opener = Box<dyn FnOnce() -> trees::Result<Box<dyn ChunkSource>> + Send>;

#[napi]
impl ChunkStream {
    /// The next chunk, or nothing at the end. The caller awaits one before it asks for another.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let chunks = self.0.clone();
        on_pool(env, move || match chunks {
            Some(chunks) => next_chunk(&mut chunks.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Ok(None),
        })
    }

    /// Closes what the stream reads from.
    #[napi]
    pub fn close(&mut self) {
        self.0 = None;
    }

    fn new(open: impl FnOnce() -> trees::Result<Box<dyn ChunkSource>> + Send + 'static) -> Self {
        Self(Some(Arc::new(Mutex::new(Chunks::Unopened(Box::new(open))))))
    }
}

fn next_chunk(chunks: &mut Chunks) -> trees::Result<Option<Uint8Array>> {
    // Put back only if there may be more.
    let mut source = match std::mem::replace(chunks, Chunks::Ended) {
        Chunks::Unopened(open) => open()?,
        Chunks::Open(source) => source,
        Chunks::Ended => return Ok(None),
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    let length = source.fill(&mut chunk)?;
    if length == chunk.len() {
        *chunks = Chunks::Open(source);
    } else {
        chunk.truncate(length);
    }
    Ok((length > 0).then(|| Uint8Array::from(chunk)))
}

/// The archive of a tree.
#[napi]
pub fn dump_tree(path: String) -> ChunkStream {
    ChunkStream::new(move || Ok(Box::new(Dumper::open(path.as_bytes())?)))
}

/// What a compressed file holds.
#[napi]
pub fn decompress_file(codec: String, path: String) -> napi::Result<ChunkStream> {
    let codec = parse_codec(&codec)?;
    Ok(ChunkStream::new(move || Ok(Box::new(Decompressed::open(codec, path.as_bytes())?))))
}

/// A tree that grows as its archive comes. Absent before the first bytes, after the last, and after a failure.
#[napi]
pub struct TreeRestore {
    target: String,
    restorer: Arc<Mutex<Option<Restorer>>>,
}

#[napi]
impl TreeRestore {
    /// Nothing is created before the first bytes come.
    #[napi(constructor)]
    pub fn new(target: String) -> Self {
        Self { target, restorer: Arc::default() }
    }

    /// Takes the next bytes of the archive. The caller awaits one before it gives another.
    #[napi]
    pub fn write<'env>(&self, env: &'env Env, bytes: &[u8]) -> napi::Result<Object<'env>> {
        let (target, restorer, bytes) = (self.target.clone(), Arc::clone(&self.restorer), bytes.to_vec());
        on_pool(env, move || {
            let mut slot = restorer.lock().unwrap_or_else(PoisonError::into_inner);
            // Put back only if all went well: what is dropped removes what it made.
            let mut restorer = slot.take().map_or_else(|| Restorer::open(target.as_bytes()), Ok)?;
            restorer.write(&bytes)?;
            *slot = Some(restorer);
            Ok(())
        })
    }

    /// The archive is whole.
    #[napi]
    pub fn finish<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let (target, restorer) = (self.target.clone(), Arc::clone(&self.restorer));
        on_pool(env, move || {
            let mut slot = restorer.lock().unwrap_or_else(PoisonError::into_inner);
            slot.take().map_or_else(|| Restorer::open(target.as_bytes()), Ok)?.finish()
        })
    }

    /// Removes what was made of a tree that will not be finished.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let restorer = Arc::clone(&self.restorer);
        on_pool(env, move || {
            drop(restorer.lock().unwrap_or_else(PoisonError::into_inner).take());
            Ok(())
        })
    }
}

fn on_pool<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    work: impl FnOnce() -> trees::Result<T> + Send + 'static,
) -> napi::Result<Object<'env>> {
    promise(env, move |settle| Pool::global().run(move || settle.done(work().map_err(failure))))
}

fn failure(error: TreeError) -> Failure {
    Failure {
        code: error.code(),
        path: Some(String::from_utf8_lossy(&error.path).into_owned()),
        step: error.step.map(str::to_owned),
        errno: error.errno,
        message: error.message,
        hint: None,
    }
}

fn tree_hash(digest: trees::Digest) -> TreeHash {
    TreeHash { size_bytes: digest.size as i64, digest: digest.bytes.into() }
}

fn tree_top(top: TopStat) -> TreeTop {
    TreeTop {
        r#type: match top.file_type {
            TopType::Regular => "regular",
            TopType::Directory => "directory",
            TopType::Symlink => "symlink",
            TopType::Other => "other",
        },
        mode: top.mode,
        uid: top.uid,
        size_bytes: top.size as i64,
    }
}

fn parse_algorithm(name: &str) -> napi::Result<Algorithm> {
    Algorithm::from_name(name).ok_or_else(|| invalid(format!("unknown hash algorithm '{name}'")))
}

fn parse_codec(name: &str) -> napi::Result<Codec> {
    let codec = [Codec::Bzip2, Codec::Zstd].into_iter().find(|codec| codec.name() == name);
    codec.ok_or_else(|| invalid(format!("unknown compression '{name}'")))
}

fn parse_hash_part(text: &str) -> napi::Result<HashPart> {
    HashPart::new(text.as_bytes()).ok_or_else(|| invalid(format!("'{text}' is not the hash part of a store path")))
}

fn invalid(message: String) -> napi::Error {
    napi::Error::new(napi::Status::InvalidArg, message)
}
