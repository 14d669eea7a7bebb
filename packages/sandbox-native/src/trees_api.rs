//! JavaScript functions of the trees crate.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use drvkit_trees::{self as trees, Algorithm, Cancel, HashPart, Keep, Rewrites, TopStat, TopType, TreeError};
use napi::Env;
use napi::bindgen_prelude::{Object, ToNapiValue, Uint8Array};
use napi_derive::napi;

use crate::task::{Failure, Outcome, on_pool};

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
pub struct CancelFlag(pub(crate) Cancel);

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
    let parts = parse_hash_parts(&hash_parts)?;
    let cancel = cancel.0.clone();
    on_pool(env, move || trees::scan_tree(path.as_bytes(), parts, &cancel).map(tree_scan))
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
    let owners = Owners::new(first_uid, uid_count, seen);
    let cancel = cancel.0.clone();
    on_pool(env, move || owners.canonicalise(&path, &cancel))
}

/// Canonical metadata for a whole tree, and then what `scan_tree` finds.
#[napi]
pub fn canonicalise_and_scan_tree<'env>(
    env: &'env Env,
    path: String,
    hash_parts: Vec<String>,
    first_uid: Option<u32>,
    uid_count: Option<u32>,
    seen: &SeenInodes,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let parts = parse_hash_parts(&hash_parts)?;
    let owners = Owners::new(first_uid, uid_count, seen);
    let cancel = cancel.0.clone();
    on_pool(env, move || {
        owners.canonicalise(&path, &cancel)?;
        trees::scan_tree(path.as_bytes(), parts, &cancel).map(tree_scan)
    })
}

/// Whose files a tree may have.
struct Owners {
    allowed_uids: Option<Range<u32>>,
    seen: Arc<Mutex<trees::SeenInodes>>,
}

impl Owners {
    fn new(first_uid: Option<u32>, uid_count: Option<u32>, seen: &SeenInodes) -> Self {
        let allowed_uids = first_uid.map(|first| first..first.saturating_add(uid_count.unwrap_or(1)));
        Self { allowed_uids, seen: Arc::clone(&seen.0) }
    }

    fn canonicalise(self, path: &str, cancel: &Cancel) -> trees::Result<()> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        trees::canonicalise_tree(path.as_bytes(), self.allowed_uids, &mut seen, cancel)
    }
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
    copy_on_pool(env, (source, target), keep, cancel, trees::copy_tree)
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
    copy_on_pool(env, (source, target), keep, cancel, |source, target, keep, cancel| {
        trees::copy_canonical(source, target, keep, cancel).map(tree_hash)
    })
}

type Copying<T> = fn(&[u8], &[u8], Option<&Keep>, &Cancel) -> trees::Result<T>;

fn copy_on_pool<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    (source, target): (String, String),
    keep: Option<&[u8]>,
    cancel: &CancelFlag,
    copy: Copying<T>,
) -> napi::Result<Object<'env>> {
    let keep = keep.map(Keep::parse);
    let cancel = cancel.0.clone();
    on_pool(env, move || copy(source.as_bytes(), target.as_bytes(), keep.as_ref(), &cancel))
}

/// Copy of a tree in which each of `from` is replaced by what is at its place in `to`.
#[napi]
pub fn rewrite_tree<'env>(
    env: &'env Env,
    source: String,
    target: String,
    from: Vec<String>,
    to: Vec<String>,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let pairs = from.into_iter().zip(to).map(|(from, to)| (from.into_bytes(), to.into_bytes()));
    let rewrites = parse_rewrites(pairs.collect())?;
    let cancel = cancel.0.clone();
    on_pool(env, move || trees::rewrite_tree(source.as_bytes(), target.as_bytes(), rewrites, &cancel).map(tree_hash))
}

/// Hash of the archive of a tree that names itself by `text`.
#[napi]
pub fn hash_tree_modulo<'env>(
    env: &'env Env,
    path: String,
    text: String,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let zeros = vec![0; text.len()];
    let rewrites = parse_rewrites(vec![(text.into_bytes(), zeros)])?;
    let cancel = cancel.0.clone();
    on_pool(env, move || trees::hash_tree_modulo(path.as_bytes(), rewrites, &cancel).map(tree_hash))
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
    Outcome(stamp.map(|stamp| stamp.map(|bytes| bytes.to_vec().into())).map_err(Failure::from))
}

/// Removal of trees that may be absent, in this order.
#[napi]
pub fn remove_trees<'env>(env: &'env Env, paths: Vec<String>, cancel: &CancelFlag) -> napi::Result<Object<'env>> {
    let cancel = cancel.0.clone();
    on_pool(env, move || paths.iter().try_for_each(|path| trees::remove_tree(path.as_bytes(), &cancel)))
}

/// Waits until a tree is on the disk.
#[napi]
pub fn sync_tree<'env>(env: &'env Env, path: String, cancel: &CancelFlag) -> napi::Result<Object<'env>> {
    let cancel = cancel.0.clone();
    on_pool(env, move || trees::sync_tree(path.as_bytes(), &cancel))
}

/// Rename of a tree to a free path.
#[napi]
pub fn move_tree(from: String, to: String) -> Outcome<()> {
    Outcome(trees::move_tree(from.as_bytes(), to.as_bytes()).map_err(Failure::from))
}

/// Replacement of a tree, if there is one: it is at `from` afterwards.
#[napi]
pub fn replace_tree(from: String, to: String) -> Outcome<()> {
    Outcome(trees::replace_tree(from.as_bytes(), to.as_bytes()).map_err(Failure::from))
}

/// The top of a tree, or nothing. At once: it takes less than a way through the pool.
#[napi]
pub fn stat_tree(path: String) -> Outcome<Option<TreeTop>> {
    let top = trees::stat_tree(path.as_bytes());
    Outcome(top.map(|top| top.map(tree_top)).map_err(Failure::from))
}

/// How SHA-256 is computed here.
#[napi]
pub fn sha256_implementation() -> &'static str {
    trees::sha256_implementation()
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        Failure {
            code: error.code(),
            path: (!error.path.is_empty()).then(|| String::from_utf8_lossy(&error.path).into_owned()),
            step: error.step.map(str::to_owned),
            errno: error.errno,
            message: error.message,
            hint: None,
        }
    }
}

pub(crate) fn tree_scan(scan: trees::Scan) -> TreeScan {
    let found = scan.found.iter().map(|part| String::from_utf8_lossy(part.as_bytes()).into_owned()).collect();
    let TreeHash { digest, size_bytes } = tree_hash(scan.digest);
    TreeScan { nar_hash: digest, nar_size_bytes: size_bytes, found }
}

pub(crate) fn tree_hash(digest: trees::Digest) -> TreeHash {
    TreeHash { size_bytes: digest.size as i64, digest: digest.bytes.into() }
}

fn tree_top(top: TopStat) -> TreeTop {
    TreeTop { r#type: type_name(top.file_type), mode: top.mode, uid: top.uid, size_bytes: top.size as i64 }
}

pub(crate) fn type_name(file_type: TopType) -> &'static str {
    match file_type {
        TopType::Regular => "regular",
        TopType::Directory => "directory",
        TopType::Symlink => "symlink",
        TopType::Other => "other",
    }
}

fn parse_algorithm(name: &str) -> napi::Result<Algorithm> {
    Algorithm::from_name(name).ok_or_else(|| invalid(format!("unknown hash algorithm '{name}'")))
}

pub(crate) fn parse_hash_parts(texts: &[String]) -> napi::Result<Vec<HashPart>> {
    texts.iter().map(|text| parse_hash_part(text)).collect()
}

fn parse_hash_part(text: &str) -> napi::Result<HashPart> {
    HashPart::new(text.as_bytes()).ok_or_else(|| invalid(format!("'{text}' is not the hash part of a store path")))
}

fn parse_rewrites(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> napi::Result<Rewrites> {
    Rewrites::new(pairs).ok_or_else(|| invalid("texts to replace are all of one length, and not empty".to_owned()))
}

pub(crate) fn invalid(message: String) -> napi::Error {
    napi::Error::new(napi::Status::InvalidArg, message)
}
