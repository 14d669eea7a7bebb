//! The description of one build, checked when it is made: everything after this trusts it.

use std::collections::BTreeMap;

use crate::error::Error;

/// How the builder reaches the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// A namespace of its own with nothing but loopback.
    #[default]
    Private,
    /// The machine's.
    Host,
    /// A namespace of its own that this program connects: all of its argv, the path first, in which [`PID`] stands for the
    /// pid of the builder.
    Program(Vec<Vec<u8>>),
}

/// What stands for the pid of the builder in the arguments of a network program.
pub const PID: &str = "{pid}";

/// How many ids of this machine a builder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ids {
    /// One, which is an ordinary user inside.
    #[default]
    One,
    /// As many as a machine of its own has: 65,536, the first of which is root inside.
    Range,
}

impl Ids {
    /// User and group of the builder inside.
    pub fn inner(self) -> (u32, u32) {
        match self {
            Ids::One => (1000, 100),
            Ids::Range => (0, 0),
        }
    }

    /// How many.
    pub fn count(self) -> u32 {
        match self {
            Ids::One => 1,
            Ids::Range => 65_536,
        }
    }
}

/// Layers that somebody named as not wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renounced {
    /// No filter of system calls.
    pub call_filter: bool,
    /// Programs may gain rights.
    pub no_new_privileges: bool,
}

/// One path of this machine shown inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Place on this machine.
    pub source: Vec<u8>,
    /// Place inside.
    pub target: Vec<u8>,
    /// Whether the builder may write there.
    pub writable: bool,
    /// Skip it if the source does not exist.
    pub optional: bool,
}

/// A file of the build directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// One path component.
    pub name: Vec<u8>,
    /// All of it.
    pub content: Vec<u8>,
}

/// What a sandbox is begun with, before anything is known of its builder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// How the network is reached.
    pub network: Network,
    /// Owner of what the builder makes.
    pub host_uid: u32,
    /// Group of what the builder makes.
    pub host_gid: u32,
    /// How many ids there are from these on.
    pub ids: Ids,
    /// Whether a start fails where supplementary groups cannot be given up.
    pub groups_must_go: bool,
    /// Directory of an existing control group that the builder is moved to.
    pub cgroup: Option<Vec<u8>>,
}

impl Base {
    /// Checks the fields.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        if let Some(path) = &mut self.cgroup {
            *path = source_path(path)?;
        }
        if let Network::Program(argv) = &self.network {
            check_network_program(argv)?;
        }
        Ok(())
    }
}

/// The fields as they come, before anybody looked at them.
#[derive(Clone, Debug, Default)]
pub struct SpecParts {
    /// Program, by its path inside.
    pub builder: Vec<u8>,
    /// All of argv.
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value` each.
    pub env: Vec<Vec<u8>>,
    /// Directory to make; the root is made in it.
    pub chroot_dir: Vec<u8>,
    /// Store directory, by its path inside.
    pub store_dir: Vec<u8>,
    /// Directory to make; the build directory is made in it.
    pub temp_dir: Vec<u8>,
    /// Build directory, by its path inside.
    pub build_dir: Vec<u8>,
    /// Files of the build directory.
    pub files: Vec<File>,
    /// What is shown besides.
    pub binds: Vec<Bind>,
    /// What it is begun with.
    pub base: Base,
    /// 32-bit execution domain.
    pub personality32: bool,
    /// The kernel calls itself 2.6.
    pub linux26: bool,
    /// Layers that are not wanted.
    pub renounced: Renounced,
    /// Size of the tmpfs on /dev/shm.
    pub dev_shm_size: Vec<u8>,
    /// Show /dev/kvm if it exists.
    pub kvm: bool,
}

/// A description without contradictions: paths are absolute and plain, no target leaves the root, none hides the
/// store or another one, no text has a NUL.
#[derive(Clone, Debug)]
pub struct Spec {
    pub(crate) parts: SpecParts,
    /// By target, in byte order, so that parents come first.
    pub(crate) binds: BTreeMap<Vec<u8>, Bind>,
}

impl Spec {
    /// Checks the parts.
    pub fn new(mut parts: SpecParts) -> Result<Spec, Error> {
        let strings = parts.argv.iter().chain(&parts.env).chain([&parts.builder, &parts.dev_shm_size]);
        for text in strings {
            if text.contains(&0) {
                return Err(Error::spec(format!("{} contains a NUL", quote(text))));
            }
        }
        for path in [&mut parts.chroot_dir, &mut parts.temp_dir] {
            *path = source_path(path)?;
        }
        parts.base.check()?;
        parts.store_dir = target_path(&parts.store_dir)?;
        parts.build_dir = target_path(&parts.build_dir)?;
        if contains(&parts.build_dir, &parts.store_dir) {
            return Err(Error::spec(format!(
                "the build directory {} contains the store directory {}",
                quote(&parts.build_dir),
                quote(&parts.store_dir)
            )));
        }
        check_files(&parts.files)?;
        let binds = check_binds(&mut parts)?;
        Ok(Spec { parts, binds })
    }
}

fn check_network_program(argv: &[Vec<u8>]) -> Result<(), Error> {
    if let Some(text) = argv.iter().find(|text| text.contains(&0)) {
        return Err(Error::spec(format!("{} contains a NUL", quote(text))));
    }
    match argv.first() {
        Some(path) if path.starts_with(b"/") => Ok(()),
        Some(path) => Err(Error::spec(format!("the network program {} is no absolute path", quote(path)))),
        None => Err(Error::spec("the network program has no name".into())),
    }
}

fn check_files(files: &[File]) -> Result<(), Error> {
    let mut names: Vec<&[u8]> = files.iter().map(|file| file.name.as_slice()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::spec(format!("two files of the build directory are called {}", quote(pair[0]))));
    }
    let is_plain = |name: &&[u8]| !matches!(*name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0);
    match names.into_iter().find(|name| !is_plain(name)) {
        Some(name) => Err(Error::spec(format!("{} is no name of a file in the build directory", quote(name)))),
        None => Ok(()),
    }
}

fn check_binds(parts: &mut SpecParts) -> Result<BTreeMap<Vec<u8>, Bind>, Error> {
    let mut binds = BTreeMap::new();
    for bind in std::mem::take(&mut parts.binds) {
        let target = target_path(&bind.target)?;
        let source = source_path(&bind.source)?;
        // Older configurations list it; the builder always has one of its own.
        if source == b"/proc" {
            continue;
        }
        for (what, needed) in [("store", &parts.store_dir), ("build", &parts.build_dir)] {
            if contains(&target, needed) {
                return Err(Error::spec(format!(
                    "the sandbox path {} hides the {what} directory {}",
                    quote(&target),
                    quote(needed)
                )));
            }
        }
        let bind = Bind { source, target: target.clone(), ..bind };
        if binds.get(&target).is_some_and(|other| *other != bind) {
            return Err(Error::spec(format!("two sandbox paths are called {}", quote(&target))));
        }
        binds.insert(target, bind);
    }
    Ok(binds)
}

/// Whether `path` is `directory` or lies below it.
pub(crate) fn contains(directory: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// A path of this machine: absolute; a slash at the end would follow a link there, so it goes.
fn source_path(path: &[u8]) -> Result<Vec<u8>, Error> {
    if !path.starts_with(b"/") || path.contains(&0) {
        return Err(Error::spec(format!("{} is no absolute path", quote(path))));
    }
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
    Ok(path[..end].to_vec())
}

/// A path inside, as components without `.`, `..` and empty ones. Nix: src/libstore/unix/build/chroot-derivation-builder.cc.
fn target_path(path: &[u8]) -> Result<Vec<u8>, Error> {
    if !path.starts_with(b"/") || path.contains(&0) {
        return Err(Error::spec(format!("{} is no absolute path", quote(path))));
    }
    let components: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|component| !component.is_empty()).collect();
    if matches!(components.last(), Some(&b"." | &b"..")) {
        return Err(Error::spec(format!(
            "sandbox path to bind mount in the chroot has an invalid filename: {}",
            quote(path)
        )));
    }
    let mut plain: Vec<&[u8]> = Vec::new();
    for component in components {
        match component {
            b"." => {}
            b".." if plain.pop().is_none() => return Err(escapes(path)),
            b".." => {}
            name => plain.push(name),
        }
    }
    if plain.is_empty() {
        return Err(escapes(path));
    }
    let mut target = Vec::new();
    for component in plain {
        target.push(b'/');
        target.extend_from_slice(component);
    }
    Ok(target)
}

fn escapes(path: &[u8]) -> Error {
    Error::spec(format!("sandbox path {} escapes the chroot", quote(path)))
}

fn quote(text: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(text))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A description that is accepted.
    pub(crate) fn parts() -> SpecParts {
        SpecParts {
            builder: b"/bin/sh".to_vec(),
            argv: vec![b"sh".to_vec(), b"-e".to_vec()],
            env: vec![b"PATH=/bin".to_vec()],
            chroot_dir: b"/state/x.chroot".to_vec(),
            store_dir: b"/nix/store".to_vec(),
            temp_dir: b"/state/builds/1".to_vec(),
            build_dir: b"/build".to_vec(),
            files: vec![File { name: b".attrs.json".to_vec(), content: b"{}".to_vec() }],
            base: Base { host_uid: 1234, host_gid: 1234, ..Base::default() },
            dev_shm_size: b"50%".to_vec(),
            ..SpecParts::default()
        }
    }

    pub(crate) fn bind(source: &str, target: &str) -> Bind {
        Bind { source: source.into(), target: target.into(), writable: false, optional: false }
    }

    fn targets_of(bind: Bind) -> Result<Vec<String>, String> {
        let spec = Spec::new(SpecParts { binds: vec![bind], ..parts() }).map_err(|error| error.message)?;
        Ok(spec.binds.keys().map(|target| String::from_utf8_lossy(target).into_owned()).collect())
    }

    #[test]
    fn targets_become_plain() {
        for (target, plain) in [("/a", "/a"), ("//a///b/", "/a/b"), ("/a/./b", "/a/b"), ("/a/../b", "/b")] {
            assert_eq!(targets_of(bind("/x", target)), Ok(vec![plain.to_owned()]), "{target}");
        }
    }

    #[test]
    fn targets_without_a_place_inside_are_refused() {
        for (target, message) in [
            ("/a/..", "sandbox path to bind mount in the chroot has an invalid filename: \"/a/..\""),
            ("/a/.", "sandbox path to bind mount in the chroot has an invalid filename: \"/a/.\""),
            ("/../x", "sandbox path \"/../x\" escapes the chroot"),
            ("/a/../../x", "sandbox path \"/a/../../x\" escapes the chroot"),
            ("/", "sandbox path \"/\" escapes the chroot"),
            ("a", "\"a\" is no absolute path"),
            ("/a\0b", "\"/a\0b\" is no absolute path"),
            ("/nix", "the sandbox path \"/nix\" hides the store directory \"/nix/store\""),
            ("/nix/store", "the sandbox path \"/nix/store\" hides the store directory \"/nix/store\""),
            ("/build", "the sandbox path \"/build\" hides the build directory \"/build\""),
        ] {
            assert_eq!(targets_of(bind("/x", target)), Err(message.to_owned()), "{target}");
        }
    }

    #[test]
    fn the_proc_of_this_machine_is_left_out() {
        assert_eq!(targets_of(bind("/proc/", "/proc")), Ok(vec![]));
    }

    #[test]
    fn a_slash_at_the_end_of_a_source_goes() {
        let spec = Spec::new(SpecParts { binds: vec![bind("/a/b//", "/c")], ..parts() }).expect("accepted");
        assert_eq!(spec.binds[b"/c".as_slice()].source, b"/a/b");
    }

    #[test]
    fn two_sources_for_one_target_are_refused_and_one_twice_is_not() {
        let twice = |second| Spec::new(SpecParts { binds: vec![bind("/x", "/a"), second], ..parts() });
        assert!(twice(bind("/x", "/a/")).is_ok());
        assert_eq!(twice(bind("/y", "/a")).map(drop).unwrap_err().message, "two sandbox paths are called \"/a\"");
    }

    #[test]
    fn names_of_files_are_one_component() {
        for name in ["", ".", "..", "a/b", "a\0"] {
            let files = vec![File { name: name.into(), content: vec![] }];
            assert!(Spec::new(SpecParts { files, ..parts() }).is_err(), "{name:?}");
        }
        let file = File { name: b"a".to_vec(), content: vec![] };
        assert!(Spec::new(SpecParts { files: vec![file.clone(), file], ..parts() }).is_err());
    }

    #[test]
    fn a_build_directory_around_the_store_is_refused() {
        for build_dir in ["/nix", "/nix/store"] {
            assert!(Spec::new(SpecParts { build_dir: build_dir.into(), ..parts() }).is_err());
        }
        assert!(Spec::new(SpecParts { build_dir: b"/nix/storex".to_vec(), ..parts() }).is_ok());
    }

    #[test]
    fn a_nul_in_an_argument_is_refused() {
        assert!(Spec::new(SpecParts { argv: vec![b"a\0b".to_vec()], ..parts() }).is_err());
        assert!(Spec::new(SpecParts { env: vec![b"a\0b".to_vec()], ..parts() }).is_err());
    }
}
