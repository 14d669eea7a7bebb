//! Control groups (cgroup v2), one for a build.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Errno, OsError, Result};
use crate::sys;

/// Bounds of everything in a group together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupLimits {
    /// Beyond it the kernel ends processes of the group.
    pub memory_max_bytes: Option<f64>,
    /// Processes and threads.
    pub pids_max: Option<f64>,
    /// In parts of one processor.
    pub cpus: Option<f64>,
}

/// What everything in a group used together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupUsage {
    /// Time in programs.
    pub user_microseconds: u64,
    /// Time in the kernel.
    pub system_microseconds: u64,
    /// Absent where the group has no controller of memory.
    pub memory_peak_bytes: Option<u64>,
}

/// Names have at most 255 bytes and paths 4096.
const DEPTH: &str = "10";

/// What ended processes of a group have to do before it is empty takes milliseconds.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// Makes a group below `parent`; what an earlier run left under the name is ended and removed first. `owner`, a user and a group, may
/// move its own processes within it. Nix: src/libutil/cgroup.cc.
pub fn make_group(parent: &[u8], name: &[u8], limits: GroupLimits, owner: Option<(u32, u32)>) -> Result<()> {
    let parent = path_of(parent);
    let path = parent.join(OsStr::from_bytes(name));
    let make = || fs::DirBuilder::new().mode(0o755).create(&path);
    match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove(&path)?;
            make()
        }
        made => made,
    }
    .map_err(failed("make", &path))?;
    equip(parent, &path, limits, owner).inspect_err(|_| drop(fs::remove_dir(&path)))
}

/// Ends everything in a group and in those below it, waits until nothing is left, and removes them; nothing if there is none.
pub fn remove_group(path: &[u8]) -> Result<()> {
    remove(path_of(path))
}

/// SIGKILL to all processes in a group and below; nothing if there is none.
pub fn kill_group(path: &[u8]) -> Result<()> {
    kill(path_of(path))
}

/// What a group has used until now.
pub fn group_usage(path: &[u8]) -> Result<GroupUsage> {
    let path = path_of(path);
    let text = fs::read_to_string(path.join("cpu.stat")).map_err(failed("read", path))?;
    let microseconds = |name: &str| {
        let number = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Ok(GroupUsage {
        user_microseconds: microseconds("user_usec"),
        system_microseconds: microseconds("system_usec"),
        memory_peak_bytes: read_or_nothing(&path.join("memory.peak")).trim().parse().ok(),
    })
}

fn equip(parent: &Path, path: &Path, limits: GroupLimits, owner: Option<(u32, u32)>) -> Result<()> {
    // The owner makes groups below it: no deeper than that whatever names it gives them have paths.
    write(&path.join("cgroup.max.depth"), DEPTH).map_err(failed("limit", path))?;
    set_limits(parent, path, limits)?;
    let Some((uid, gid)) = owner else { return Ok(()) };
    for given in [path.to_owned(), path.join("cgroup.procs"), path.join("cgroup.threads")] {
        chown(given, Some(uid), Some(gid)).map_err(failed("give away", path))?;
    }
    Ok(())
}

/// Writes what is asked for, and makes the parent give the controllers for it.
fn set_limits(parent: &Path, path: &Path, limits: GroupLimits) -> Result<()> {
    const PERIOD: f64 = 100_000.0; // microseconds, the kernel's default
    let cpus = limits.cpus.map(|cpus| format!("{} {PERIOD}", (cpus * PERIOD).round()));
    let wanted = [
        ("memory", "memory.max", limits.memory_max_bytes.map(|bytes| bytes.to_string())),
        ("pids", "pids.max", limits.pids_max.map(|count| count.to_string())),
        ("cpu", "cpu.max", cpus),
    ];
    for (controller, file, value) in wanted {
        let Some(value) = value else { continue };
        require_controller(parent, path, controller)?;
        write(&path.join(file), &value).map_err(failed("limit", path))?;
    }
    Ok(())
}

fn require_controller(parent: &Path, path: &Path, controller: &str) -> Result<()> {
    let has = || read_or_nothing(&path.join("cgroup.controllers")).split_whitespace().any(|name| name == controller);
    if has() {
        return Ok(());
    }
    // If that is refused it has none, as is seen next.
    let _ = write(&parent.join("cgroup.subtree_control"), &format!("+{controller}"));
    if has() { Ok(()) } else { Err(OsError::no_controller(bytes_of(parent), controller)) }
}

fn remove(path: &Path) -> Result<()> {
    if !path.join("cgroup.procs").exists() {
        return if path.exists() { Err(OsError::not_a_group(bytes_of(path))) } else { Ok(()) };
    }
    // One that nothing is left in and below, as of most builds that have ended, goes at once.
    match fs::remove_dir(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {}
    }
    kill(path)?;
    wait_until_empty(path)?;
    remove_below(path)
}

fn kill(path: &Path) -> Result<()> {
    match write(&path.join("cgroup.kill"), "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => kill_each(path),
        written => written.map_err(failed("kill", path)),
    }
}

/// Before Linux 5.14.
fn kill_each(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    for below in groups_below(path)? {
        kill_each(&below)?;
    }
    for pid in read_or_nothing(&path.join("cgroup.procs")).lines().filter_map(process_id) {
        let _ = sys::kill(pid); // it may have ended meanwhile
    }
    Ok(())
}

/// One that is outside of our namespace shows as 0, which would mean ourselves.
fn process_id(line: &str) -> Option<i32> {
    line.parse().ok().filter(|pid| *pid > 0)
}

fn wait_until_empty(path: &Path) -> Result<()> {
    let mut events = File::open(path.join("cgroup.events")).map_err(failed("read", path))?;
    let deadline = Instant::now() + EMPTY_WITHIN;
    loop {
        // Reading it is what the next change is told against.
        let mut text = String::new();
        events.rewind().and_then(|()| events.read_to_string(&mut text)).map_err(failed("read", path))?;
        if text.lines().any(|line| line == "populated 0") {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(OsError::group_stays(bytes_of(path)));
        }
        sys::wait_for_priority(events.as_fd(), left)
            .map_err(|errno| OsError::of_group("watch", bytes_of(path), errno))?;
    }
}

fn remove_below(path: &Path) -> Result<()> {
    for below in groups_below(path)? {
        remove_below(&below)?;
    }
    fs::remove_dir(path).map_err(failed("remove", path))
}

fn groups_below(path: &Path) -> Result<Vec<PathBuf>> {
    let list = || {
        let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries
            .iter()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(fs::DirEntry::path)
            .collect())
    };
    list().map_err(failed("list", path))
}

/// Into a file that is there.
fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

fn read_or_nothing(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn failed(step: &'static str, path: &Path) -> impl Fn(io::Error) -> OsError {
    move |error| OsError::of_group(step, bytes_of(path), Errno(error.raw_os_error().unwrap_or(libc::EIO)))
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::testing::{TempDir, bytes};

    /// Files as the kernel shows a group and its parent.
    fn fake_tree(controllers: &str, enabled: &str) -> TempDir {
        let parent = TempDir::new();
        fs::create_dir(parent.join("group")).expect("a new directory");
        for (name, content) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", ""),
            ("group/memory.max", ""),
            ("group/pids.max", ""),
            ("group/cpu.max", ""),
            ("group/cgroup.controllers", enabled),
        ] {
            fs::write(parent.join(name), content).expect("a new file");
        }
        parent
    }

    fn limit(tree: &TempDir, limits: GroupLimits) -> Result<()> {
        set_limits(&tree.join(""), &tree.join("group"), limits)
    }

    fn read(tree: &TempDir, names: [&str; 4]) -> [String; 4] {
        names.map(|name| fs::read_to_string(tree.join(name)).expect("a file"))
    }

    const FILES: [&str; 4] = ["group/memory.max", "group/pids.max", "group/cpu.max", "cgroup.subtree_control"];

    #[test]
    fn limits_are_written_as_the_kernel_reads_them() {
        let tree = fake_tree("cpu memory pids", "cpu memory pids");
        let limits =
            GroupLimits { memory_max_bytes: Some(512.0 * 1024.0 * 1024.0), pids_max: Some(100.0), cpus: Some(1.5) };
        limit(&tree, limits).expect("controllers are there");
        assert_eq!(read(&tree, FILES), ["536870912", "100", "150000 100000", ""]);
    }

    #[test]
    fn limits_that_are_not_asked_for_leave_the_files_alone() {
        let tree = fake_tree("", "");
        limit(&tree, GroupLimits::default()).expect("nothing is asked for");
        assert_eq!(read(&tree, FILES), ["", "", "", ""]);
    }

    #[test]
    fn a_limit_is_refused_where_the_parent_does_not_give_the_controller_which_it_is_asked_for() {
        let tree = fake_tree("memory", "");
        let limits = GroupLimits { memory_max_bytes: Some(1.0), ..GroupLimits::default() };
        let error = limit(&tree, limits).expect_err("no controller");
        assert_eq!(error.kind, Kind::Group);
        assert!(error.message.ends_with("gives no 'memory' controller to groups below it"), "{}", error.message);
        assert!(error.hint.is_some_and(|hint| hint.contains("Delegate=yes")));
        assert_eq!(read(&tree, FILES), ["", "", "", "+memory"]);
    }

    #[test]
    fn usage_is_what_the_kernel_counted() {
        let tree = fake_tree("", "");
        let usage = || group_usage(bytes(&tree.join("group")));
        assert_eq!(usage().expect_err("no group").step, "read");
        fs::write(tree.join("group/cpu.stat"), "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_periods 0\n")
            .expect("a file");
        let used = GroupUsage { user_microseconds: 4, system_microseconds: 3, memory_peak_bytes: None };
        assert_eq!(usage(), Ok(used));
        fs::write(tree.join("group/memory.peak"), "4096\n").expect("a file");
        assert_eq!(usage(), Ok(GroupUsage { memory_peak_bytes: Some(4096), ..used }));
    }

    #[test]
    fn a_directory_that_is_no_group_stays() {
        let tree = TempDir::new();
        let path = tree.join("directory");
        fs::create_dir(&path).expect("a new directory");
        let error = remove_group(bytes(&path)).expect_err("no group");
        assert_eq!(error.message, format!("'{}' is not a cgroup", path.display()));
        assert!(path.exists());
        remove_group(bytes(&tree.join("absent"))).expect("nothing to do");
        kill_group(bytes(&tree.join("absent"))).expect("nothing to do");
    }
}
