//! Whoever may write in a tree exchanges a directory of it for a link to a victim, and back, while we work on the tree. The victim must
//! stay as it was, and what we do must succeed or say why not. CVE-2025-46415, CVE-2024-45593 and others were lost such races.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::add::copy_canonical;
use crate::cancel::Cancel;
use crate::canonical::{SeenInodes, canonicalise_tree};
use crate::copy::copy_tree;
use crate::dump::Dumper;
use crate::error::{Kind, Result};
use crate::remove::remove_tree;
use crate::restore::Restorer;
use crate::rewrite::{Rewrites, rewrite_tree};
use crate::root::Root;
use crate::source::ChunkSource;
use crate::sys;
use crate::testing::{TempDir, bytes, is_long, while_disturbed};

const SECRET: &[u8] = b"a secret outside of the tree";
const FILES: usize = 8;

/// How a name looks: itself, mode, owner, times of modification and of change, contents.
type Look = (PathBuf, u32, u32, (i64, i64), (i64, i64), Vec<u8>);

struct Race {
    temp: TempDir,
    victim: PathBuf,
    before: Vec<Look>,
    exchanged: AtomicUsize,
}

impl Race {
    fn new() -> Self {
        let temp = TempDir::new();
        let victim = temp.join("victim");
        fill(&victim, "secret", SECRET);
        for path in paths_below(&victim) {
            let mode = if path.is_dir() { 0o750 } else { 0o640 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let before = look_at_all(&victim);
        symlink(&victim, temp.join("link")).unwrap();
        Self { temp, victim, before, exchanged: AtomicUsize::new(0) }
    }

    /// Does `round` until there were enough rounds and enough exchanges of the directories `inner` in the trees that `find` gives. What is
    /// below them is not exchanged: through the link, that would be the victim's.
    fn run(&self, find: impl Fn() -> Vec<PathBuf> + Send + Sync, round: impl Fn() -> Result<()>) {
        let wanted = if is_long() { 2000 } else { 100 };
        while_disturbed(
            || find().iter().for_each(|tree| self.exchange(&tree.join("inner"))),
            || {
                let mut rounds = 0;
                while rounds < wanted || self.exchanged.load(Ordering::Relaxed) < wanted {
                    if let Err(error) = round() {
                        assert!(matches!(error.kind, Kind::Io | Kind::Changed | Kind::Exists), "{error}");
                    }
                    rounds += 1;
                    assert_eq!(look_at_all(&self.victim), self.before);
                }
            },
        );
    }

    fn exchange(&self, directory: &Path) {
        let link = self.temp.join("link");
        if !link.is_symlink() && !directory.is_symlink() {
            // The link was removed in place of the directory.
            let _ = remove_tree(bytes(&link), &Cancel::new());
            let _ = symlink(&self.victim, &link);
        }
        let top = Root::open(bytes(&link)).unwrap();
        let Ok(inner) = Root::try_open(bytes(directory)) else { return };
        let (here, there) = ((inner.parent(), inner.name.as_c_str()), (top.parent(), top.name.as_c_str()));
        let exchanged = sys::exchange(here, there).is_ok();
        self.exchanged.fetch_add(usize::from(exchanged), Ordering::Relaxed);
    }

    /// A fresh tree. It is made where nobody exchanges anything.
    fn fresh(&self) -> PathBuf {
        let new = self.temp.join("new");
        fill(&new.join("inner"), "plain", b"plain");
        let tree = self.clear("tree");
        fs::rename(new, &tree).unwrap();
        tree
    }

    /// What is left of a tree is removed, however often that is disturbed.
    fn clear(&self, name: &str) -> PathBuf {
        let tree = self.temp.join(name);
        while remove_tree(bytes(&tree), &Cancel::new()).is_err() {}
        tree
    }
}

fn fill(directory: &Path, name: &str, contents: &[u8]) {
    fs::create_dir_all(directory.join("deep")).unwrap();
    for number in 0..FILES {
        for parent in [directory, &directory.join("deep")] {
            fs::write(parent.join(format!("{name}-{number}")), contents).unwrap();
        }
    }
}

fn paths_below(top: &Path) -> Vec<PathBuf> {
    let mut paths = vec![top.to_path_buf()];
    let mut index = 0;
    while let Some(path) = paths.get(index) {
        if path.is_dir() && !path.is_symlink() {
            let mut inside: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            inside.sort();
            paths.extend(inside);
        }
        index += 1;
    }
    paths
}

fn look_at_all(top: &Path) -> Vec<Look> {
    let look = |path: PathBuf| {
        let stat = fs::symlink_metadata(&path).unwrap();
        let contents = if stat.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let (modified, changed) = ((stat.mtime(), stat.mtime_nsec()), (stat.ctime(), stat.ctime_nsec()));
        (path, stat.mode(), stat.uid(), modified, changed, contents)
    };
    paths_below(top).into_iter().map(look).collect()
}

fn dump(tree: &Path) -> Result<Vec<u8>> {
    let mut archive = vec![0; 1 << 20];
    let length = Dumper::open(bytes(tree))?.fill(&mut archive)?;
    archive.truncate(length);
    Ok(archive)
}

#[test]
fn removal_leaves_a_victim_alone() {
    let race = Race::new();
    let tree = race.temp.join("tree");
    race.run(|| vec![tree.clone()], || remove_tree(bytes(&race.fresh()), &Cancel::new()));
}

#[test]
fn canonicalising_leaves_a_victim_alone() {
    let race = Race::new();
    let tree = race.temp.join("tree");
    race.run(
        || vec![tree.clone()],
        || canonicalise_tree(bytes(&race.fresh()), None, &mut SeenInodes::new(), &Cancel::new()),
    );
}

/// Copies a fresh tree to where nothing is, from the first path to the second, while directories are exchanged in both.
fn race_copies(copy: impl Fn(&[u8], &[u8]) -> Result<()>) {
    let race = Race::new();
    let (tree, target) = (race.temp.join("tree"), race.temp.join("copy"));
    race.run(
        || vec![tree.clone(), target.clone()],
        || {
            let source = race.fresh();
            let target = race.clear("copy");
            copy(bytes(&source), bytes(&target))?;
            let copied = dump(&target)?;
            assert!(!copied.windows(SECRET.len()).any(|window| window == SECRET));
            Ok(())
        },
    );
}

#[test]
fn a_copy_takes_nothing_from_a_victim_and_writes_nothing_to_it() {
    race_copies(|source, target| copy_tree(source, target, None, &Cancel::new()));
}

#[test]
fn a_canonical_copy_takes_nothing_from_a_victim_and_writes_nothing_to_it() {
    race_copies(|source, target| copy_canonical(source, target, None, &Cancel::new()).map(drop));
}

#[test]
fn a_rewritten_copy_takes_nothing_from_a_victim_and_writes_nothing_to_it() {
    race_copies(|source, target| {
        let rewrites = Rewrites::new(vec![(b"plain".to_vec(), b"print".to_vec())]).expect("texts of one length");
        rewrite_tree(source, target, rewrites, &Cancel::new()).map(drop)
    });
}

#[test]
fn a_restored_tree_writes_nothing_to_a_victim() {
    let race = Race::new();
    let archive = dump(&race.fresh()).unwrap();
    let growing = || -> Vec<PathBuf> {
        let names = fs::read_dir(race.temp.join("")).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        names.filter(|name| name.starts_with(".drvkit-restore-")).map(|name| race.temp.join(&name)).collect()
    };
    race.run(growing, || {
        let target = race.clear("restored");
        let restored = restore(&archive, &target);
        for left in growing() {
            race.clear(&left.file_name().unwrap().to_string_lossy());
        }
        restored
    });
}

fn restore(archive: &[u8], target: &Path) -> Result<()> {
    let mut restorer = Restorer::open(bytes(target), false)?;
    for piece in archive.chunks(100) {
        restorer.write(piece)?;
    }
    restorer.finish().map(drop)
}
