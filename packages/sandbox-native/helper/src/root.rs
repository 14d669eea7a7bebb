//! The new root: everything below it is reached from one descriptor, component by component, never through a link.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use drvkit_helper::MountOption;

use crate::sys::{self, Errno, FileType};

/// Why an operation failed, and on which of its paths.
pub struct Failure {
    /// The kernel's number.
    pub errno: Errno,
    /// 0 for the first path of the operation, 1 for the second.
    pub subject: u32,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self { errno, subject: 0 }
    }
}

fn on_target(errno: Errno) -> Failure {
    Failure { errno, subject: 1 }
}

/// A user of the namespace and a group.
#[derive(Clone, Copy)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// A file system that nobody else has.
pub struct Root {
    mount: OwnedFd,
    owner: Owner,
}

impl Root {
    /// Mounts it on the old root. Paths of this machine still begin at that one: a walk begins below what is mounted there.
    pub fn new(kind: &[u8], options: &[MountOption], owner: Owner) -> Result<Root, Errno> {
        let place = sys::open_path(c"/")?;
        let mount = new_mount(kind, options, 0)?;
        sys::move_mount(mount.as_fd(), place.as_fd())?;
        Ok(Root { mount, owner })
    }

    pub fn make_directory(&self, target: &[u8], mode: u32) -> Result<(), Errno> {
        let (parent, name) = self.parent(target)?;
        self.make_directory_at(parent.as_fd(), name, Some(mode)).map(drop)
    }

    pub fn make_file(&self, target: &[u8], content: &[u8]) -> Result<(), Errno> {
        let (parent, name) = self.parent(target)?;
        let name = sys::c_string(name)?;
        let file = self.creating(|| sys::make_file(parent.as_fd(), &name))?;
        sys::write_all(file.as_raw_fd(), content)
    }

    pub fn symlink(&self, target: &[u8], text: &[u8]) -> Result<(), Errno> {
        let (parent, name) = self.parent(target)?;
        self.symlink_at(parent.as_fd(), name, text)
    }

    pub fn bind(&self, source: &[u8], target: &[u8], attributes: u64, optional: bool) -> Result<(), Failure> {
        let source = match sys::open_path(&sys::c_string(source)?) {
            Err(libc::ENOENT | libc::ENOTDIR) if optional => return Ok(()),
            opened => opened?,
        };
        let status = sys::status(source.as_fd())?;
        let (parent, name) = self.parent(target).map_err(on_target)?;
        let place = match status.file_type {
            FileType::Symlink => {
                let text = sys::read_link(source.as_fd())?;
                self.symlink_at(parent.as_fd(), name, &text).map_err(on_target)?;
                return sys::set_times(parent.as_fd(), &sys::c_string(name)?, &status).map_err(on_target);
            }
            FileType::Directory => self.make_directory_at(parent.as_fd(), name, None).map_err(on_target)?,
            FileType::Other => self.make_file_at(parent.as_fd(), name).map_err(on_target)?,
        };
        let tree = sys::clone_tree(source.as_fd())?;
        sys::add_mount_attributes(tree.as_fd(), attributes, true)?;
        sys::move_mount(tree.as_fd(), place.as_fd()).map_err(on_target)
    }

    pub fn mount(&self, kind: &[u8], target: &[u8], options: &[MountOption], attributes: u64) -> Result<(), Errno> {
        let place = self.open(target)?;
        let mount = new_mount(kind, options, attributes)?;
        sys::move_mount(mount.as_fd(), place.as_fd())
    }

    pub fn set_mode(&self, target: &[u8], mode: u32) -> Result<(), Errno> {
        let (parent, name) = self.parent(target)?;
        let directory = sys::open_directory(parent.as_fd(), &sys::c_string(name)?)?;
        sys::change_mode(directory.as_fd(), mode)
    }

    pub fn set_attributes(&self, attributes: u64) -> Result<(), Errno> {
        sys::add_mount_attributes(self.mount.as_fd(), attributes, false)
    }

    pub fn pivot(self) -> Result<(), Errno> {
        sys::pivot_root(self.mount.as_fd())
    }

    /// The directory that holds `target`, made with its parents, and the last component.
    fn parent<'a>(&self, target: &'a [u8]) -> Result<(OwnedFd, &'a [u8]), Errno> {
        let mut components = components(target)?;
        let name = components.pop().ok_or(libc::EINVAL)?;
        let mut directory = sys::duplicate(self.mount.as_fd())?;
        for component in components {
            directory = self.make_directory_at(directory.as_fd(), component, None)?;
        }
        Ok((directory, name))
    }

    fn open(&self, target: &[u8]) -> Result<OwnedFd, Errno> {
        let (parent, name) = self.parent(target)?;
        sys::open_path_at(parent.as_fd(), &sys::c_string(name)?)
    }

    /// A file system of the namespace takes no owner whom the namespace does not know, and root of this machine is one: what
    /// is made there is the builder's. It is read-only to the builder all the same.
    fn creating<T>(&self, make: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
        match make() {
            Err(libc::EOVERFLOW) => sys::as_user(self.owner.uid, self.owner.gid, make),
            result => result,
        }
    }

    /// The directory `name`, made if it is absent. The mode is set by itself because the mask would take bits away.
    fn make_directory_at(&self, parent: BorrowedFd<'_>, name: &[u8], mode: Option<u32>) -> Result<OwnedFd, Errno> {
        let name = sys::c_string(name)?;
        let made = match self.creating(|| sys::make_directory(parent, &name)) {
            Err(libc::EEXIST) => false,
            result => result.map(|()| true)?,
        };
        if let (true, Some(mode)) = (made, mode) {
            let directory = sys::open_directory(parent, &name)?;
            sys::change_mode(directory.as_fd(), mode)?;
        }
        let directory = sys::open_path_at(parent, &name)?;
        if sys::status(directory.as_fd())?.file_type == FileType::Directory {
            Ok(directory)
        } else {
            Err(libc::ENOTDIR)
        }
    }

    /// An empty file to bind onto; one that is there already will do, a directory or a link will not.
    fn make_file_at(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
        let name = sys::c_string(name)?;
        match self.creating(|| sys::make_file(parent, &name)) {
            Err(libc::EEXIST) => {}
            result => drop(result?),
        }
        let file = sys::open_path_at(parent, &name)?;
        if sys::status(file.as_fd())?.file_type == FileType::Other { Ok(file) } else { Err(libc::EEXIST) }
    }

    fn symlink_at(&self, parent: BorrowedFd<'_>, name: &[u8], text: &[u8]) -> Result<(), Errno> {
        let name = sys::c_string(name)?;
        let text_of_link = sys::c_string(text)?;
        match self.creating(|| sys::make_symlink(parent, &name, &text_of_link)) {
            Err(libc::EEXIST) => {
                let present = sys::open_path_at(parent, &name)?;
                let is_link = sys::status(present.as_fd())?.file_type == FileType::Symlink;
                if is_link && sys::read_link(present.as_fd())? == text { Ok(()) } else { Err(libc::EEXIST) }
            }
            result => result,
        }
    }
}

/// A new file system, attached nowhere yet.
fn new_mount(kind: &[u8], options: &[MountOption], attributes: u64) -> Result<OwnedFd, Errno> {
    let context = sys::open_file_system(&sys::c_string(kind)?)?;
    for option in options {
        let value = option.value.as_deref().map(sys::c_string).transpose()?;
        sys::configure(context.as_fd(), &sys::c_string(&option.key)?, value.as_deref())?;
    }
    sys::create_mount(context.as_fd(), attributes)
}

fn components(target: &[u8]) -> Result<Vec<&[u8]>, Errno> {
    let relative = target.strip_prefix(b"/").ok_or(libc::EINVAL)?;
    let components: Vec<&[u8]> = relative.split(|byte| *byte == b'/').collect();
    let is_plain = |component: &&[u8]| !matches!(*component, b"" | b"." | b"..");
    if components.iter().all(is_plain) { Ok(components) } else { Err(libc::EINVAL) }
}
