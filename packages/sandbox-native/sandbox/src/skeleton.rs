//! The directories on disk where a builder writes. Everything is made relative to a descriptor of a directory that did
//! not exist before.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::error::{Error, explain_ids};
use crate::spec::Spec;
use crate::sys::{self, Errno};

/// Ids of the builder on this machine, when they are not the caller's.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Makes the build directory, then the directory of the root: who tidies up finds the second by the first.
pub(crate) fn make(spec: &Spec, owner: Option<Owner>) -> Result<(), Error> {
    let parts = &spec.parts;
    let failed = |step, path: &[u8], errno| match owner {
        Some(_) => explain_ids(step, path, errno),
        None => Error::setup(step, Some(path), errno),
    };
    make_build_directory(spec, owner).map_err(|errno| failed("make-build-directory", &parts.temp_dir, errno))?;
    make_root(spec, owner).map_err(|errno| failed("make-root", &parts.chroot_dir, errno))
}

fn make_root(spec: &Spec, owner: Option<Owner>) -> Result<(), Errno> {
    // Nobody else passes this one, whatever the modes below are.
    let top = new_directory(None, &spec.parts.chroot_dir, 0o700)?;
    new_directory(Some(top.as_fd()), b"tmp", 0o1777)?;
    let store = new_directory(Some(top.as_fd()), b"store", 0o700)?;
    // Writable for the builder, and sticky so that it cannot rename what is not its own.
    sys::change_owner(store.as_fd(), None, owner.map(|owner| owner.gid))?;
    sys::change_mode(store.as_fd(), 0o1775)
}

/// Makes the directory of a build that has no root of its own; the builder works in it.
pub(crate) fn make_plain(spec: &Spec, owner: Option<Owner>) -> Result<(), Error> {
    let path = &spec.parts.temp_dir;
    let make = || {
        let build = new_directory(None, path, 0o700)?;
        fill(build.as_fd(), spec, owner)
    };
    make().map_err(|errno| match owner {
        Some(_) => explain_ids("make-build-directory", path, errno),
        None => Error::setup("make-build-directory", Some(path), errno),
    })
}

fn make_build_directory(spec: &Spec, owner: Option<Owner>) -> Result<(), Errno> {
    let top = new_directory(None, &spec.parts.temp_dir, 0o700)?;
    let build = new_directory(Some(top.as_fd()), b"build", 0o700)?;
    fill(build.as_fd(), spec, owner)
}

/// The files of a build directory, then the directory itself, become the builder's.
fn fill(build: BorrowedFd<'_>, spec: &Spec, owner: Option<Owner>) -> Result<(), Errno> {
    for file in &spec.parts.files {
        let made = new_file(build, &file.name, &file.content, 0o644)?;
        give(made.as_fd(), owner)?;
    }
    give(build, owner)
}

fn give(fd: BorrowedFd<'_>, owner: Option<Owner>) -> Result<(), Errno> {
    match owner {
        Some(Owner { uid, gid }) => sys::change_owner(fd, Some(uid), Some(gid)),
        None => Ok(()),
    }
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
