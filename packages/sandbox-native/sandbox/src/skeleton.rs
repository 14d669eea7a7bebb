//! What lies in the new root and in the build directory before the helper starts. Everything is made relative to a
//! descriptor of a directory that did not exist before.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::error::{Error, explain_ids};
use crate::plan::{INNER_GID, INNER_UID};
use crate::spec::{Network, Spec};
use crate::sys::{self, Errno};

/// Ids of the builder on this machine, when they are not the caller's.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Makes the root and the build directory.
pub(crate) fn make(spec: &Spec, owner: Option<Owner>) -> Result<(), Error> {
    let parts = &spec.parts;
    let failed = |step, path: &[u8], errno| match owner {
        Some(_) => explain_ids(step, path, errno),
        None => Error::setup(step, Some(path), errno),
    };
    make_root(spec, owner).map_err(|errno| failed("make-root", &parts.chroot_dir, errno))?;
    make_build_directory(spec, owner).map_err(|errno| failed("make-build-directory", &parts.temp_dir, errno))
}

fn make_root(spec: &Spec, owner: Option<Owner>) -> Result<(), Errno> {
    let group = owner.map(|owner| owner.gid);
    // Nobody else passes this one, whatever the modes below are.
    let top = new_directory(None, &spec.parts.chroot_dir, 0o700)?;
    let root = new_directory(Some(top.as_fd()), b"root", 0o750)?;
    sys::change_owner(root.as_fd(), None, group)?;
    new_directory(Some(root.as_fd()), b"tmp", 0o1777)?;
    let etc = new_directory(Some(root.as_fd()), b"etc", 0o755)?;
    for (name, content) in system_files(spec) {
        new_file(etc.as_fd(), name, &content, 0o644)?;
    }
    let store = directories(root.as_fd(), &spec.parts.store_dir)?;
    // Writable for the builder, and sticky so that it cannot rename what is not its own.
    sys::change_owner(store.as_fd(), None, group)?;
    sys::change_mode(store.as_fd(), 0o1775)
}

fn make_build_directory(spec: &Spec, owner: Option<Owner>) -> Result<(), Errno> {
    let top = new_directory(None, &spec.parts.temp_dir, 0o700)?;
    let build = new_directory(Some(top.as_fd()), b"build", 0o700)?;
    for file in &spec.parts.files {
        let made = new_file(build.as_fd(), &file.name, &file.content, 0o644)?;
        give(made.as_fd(), owner)?;
    }
    give(build.as_fd(), owner)
}

fn give(fd: BorrowedFd<'_>, owner: Option<Owner>) -> Result<(), Errno> {
    match owner {
        Some(Owner { uid, gid }) => sys::change_owner(fd, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

fn system_files(spec: &Spec) -> Vec<(&'static [u8], Vec<u8>)> {
    let home = &spec.parts.build_dir;
    let user = |name: &str, uid: u32, gid: u32| {
        [format!("{name}:x:{uid}:{gid}:Nix build user:").as_bytes(), home, b":/noshell\n"].concat()
    };
    let mut passwd = user("root", 0, 0);
    passwd.extend(user("nixbld", INNER_UID, INNER_GID));
    passwd.extend_from_slice(b"nobody:x:65534:65534:Nobody:/:/noshell\n");
    let group = format!("root:x:0:\nnixbld:!:{INNER_GID}:\nnogroup:x:65534:\n").into_bytes();
    let network: (&[u8], &[u8]) = match spec.parts.network {
        Network::Private => (b"hosts", b"127.0.0.1 localhost\n::1 localhost\n"),
        Network::Host => (b"nsswitch.conf", b"hosts: files dns\nservices: files\n"),
    };
    let files = [(b"passwd".as_slice(), passwd), (b"group", group), (network.0, network.1.to_vec())];
    // What the description shows there comes from elsewhere.
    files.into_iter().filter(|(name, _)| !spec.binds.contains_key(&[b"/etc/", *name].concat())).collect()
}

fn new_directory(parent: Option<BorrowedFd<'_>>, name: &[u8], mode: u32) -> Result<OwnedFd, Errno> {
    let name = sys::c_string(name)?;
    sys::make_directory(parent, &name)?;
    let directory = sys::open_directory(parent, &name)?;
    sys::change_mode(directory.as_fd(), mode)?;
    Ok(directory)
}

fn new_file(parent: BorrowedFd<'_>, name: &[u8], content: &[u8], mode: u32) -> Result<OwnedFd, Errno> {
    let file = sys::make_file(parent, &sys::c_string(name)?)?;
    sys::write_all(file.as_raw_fd(), content)?;
    sys::change_mode(file.as_fd(), mode)?;
    Ok(file)
}

/// A directory with its parents; those that are there already were made by us.
fn directories(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut directory = root.try_clone_to_owned().map_err(|error| error.raw_os_error().unwrap_or(libc::EMFILE))?;
    for component in path.split(|byte| *byte == b'/').filter(|component| !component.is_empty()) {
        directory = match new_directory(Some(directory.as_fd()), component, 0o755) {
            Err(libc::EEXIST) => sys::open_directory(Some(directory.as_fd()), &sys::c_string(component)?)?,
            made => made?,
        };
    }
    Ok(directory)
}
