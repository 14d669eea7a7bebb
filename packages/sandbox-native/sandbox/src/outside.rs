//! What a builder cannot do for itself: its control group and its ids are given to it from outside, while it waits.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, explain_group, explain_ids};
use crate::spec::{Base, Ids};
use crate::subordinate;
use crate::sys::Errno;

/// Before the builder runs, so that nothing of it is ever outside.
pub(crate) fn join_group(pid: i32, base: &Base) -> Result<(), Error> {
    let Some(directory) = &base.cgroup else { return Ok(()) };
    let path = [directory.as_slice(), b"/cgroup.procs"].concat();
    write_existing(&path, pid.to_string().as_bytes()).map_err(|errno| explain_group(&path, errno))
}

/// The builder cannot write these itself: `setgroups` is denied first, as the kernel demands of who is not root. For a range it
/// stays allowed: a machine of its own has groups.
pub(crate) fn map_ids(pid: i32, base: &Base, is_root: bool) -> Result<(), Error> {
    let (uid, gid) = (base.host_uid, base.host_gid);
    let ((inner_uid, inner_gid), count) = (base.ids.inner(), base.ids.count());
    let write = |file: &str, content: String| {
        let path = format!("/proc/{pid}/{file}").into_bytes();
        write_existing(&path, content.as_bytes()).map_err(|errno| explain_ids("map-ids", &path, errno))
    };
    write("uid_map", format!("{inner_uid} {uid} {count}"))?;
    if !is_root && subordinate::map_groups(pid, inner_gid, gid) {
        return Ok(());
    }
    if base.ids == Ids::One {
        write("setgroups", "deny".to_owned())?;
    }
    write("gid_map", format!("{inner_gid} {gid} {count}"))
}

fn write_existing(path: &[u8], content: &[u8]) -> Result<(), Errno> {
    let opened = OpenOptions::new().write(true).open(OsStr::from_bytes(path));
    opened.and_then(|mut file| file.write_all(content)).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}
