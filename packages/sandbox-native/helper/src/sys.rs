//! Every system call of the executable. One sentence each on why this call; no policy.

use std::ffi::{CStr, CString};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use drvkit_helper::{REPORT_FD, Report};
use libc::{c_int, c_long};

/// A number of the kernel.
pub type Errno = i32;

/// What kind of file a descriptor refers to, as far as binding cares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    Directory,
    Symlink,
    Other,
}

/// What is needed of a file to show it elsewhere.
pub struct Status {
    pub file_type: FileType,
    accessed: libc::timespec,
    modified: libc::timespec,
}

fn last_error() -> Errno {
    // SAFETY: `errno` is a valid location of this thread.
    unsafe { *libc::__errno_location() }
}

fn check(result: c_int) -> Result<c_int, Errno> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

fn check_long(result: c_long) -> Result<c_long, Errno> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

fn owned(result: c_long) -> Result<OwnedFd, Errno> {
    let fd = check_long(result)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Refuses a NUL inside, which would cut the text.
pub fn c_string(text: &[u8]) -> Result<CString, Errno> {
    CString::new(text).map_err(|_| libc::EINVAL)
}

/// Ends at once: nothing is buffered, and handlers of the C library are not ours to run twice.
pub fn exit(code: c_int) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// A report that nobody reads does not matter: its reader is then gone and so are we soon.
pub fn report(report: Report) {
    let _ = write_all(REPORT_FD, &report.encode());
}

/// Writes all bytes, or gives up at an error.
pub fn write_all(fd: RawFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the range is that of the slice.
        match check_long(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as c_long) {
            Ok(count) => bytes = &bytes[count as usize..],
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Does something with other ids for files alone. The way back is a change of the effective ids to what they are, which
/// the others follow: an id that the namespace does not know has no number to be named by. The death signal is off after it.
pub fn as_user<T>(uid: u32, gid: u32, act: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let keep = u32::MAX;
    // SAFETY: numbers only. The raw calls act on this only thread.
    unsafe {
        libc::syscall(libc::SYS_setfsgid, gid);
        libc::syscall(libc::SYS_setfsuid, uid);
        let result = act();
        check_long(libc::syscall(libc::SYS_setreuid, keep, keep))?;
        check_long(libc::syscall(libc::SYS_setregid, keep, keep))?;
        result
    }
}

/// One byte; `None` at the end of the pipe.
pub fn read_byte(fd: RawFd) -> Result<Option<u8>, Errno> {
    let mut byte = [0];
    Ok(if read(fd, &mut byte)? == 0 { None } else { Some(byte[0]) })
}

/// A length in four bytes, then that many: the end of a pipe is no mark, since a fork elsewhere may hold it open.
pub fn read_message(fd: RawFd) -> Result<Vec<u8>, Errno> {
    let mut length = [0; 4];
    read_exactly(fd, &mut length)?;
    let mut bytes = vec![0; u32::from_ne_bytes(length) as usize];
    read_exactly(fd, &mut bytes)?;
    Ok(bytes)
}

fn read_exactly(fd: RawFd, mut buffer: &mut [u8]) -> Result<(), Errno> {
    while !buffer.is_empty() {
        match read(fd, buffer)? {
            0 => return Err(libc::EPIPE),
            count => buffer = &mut buffer[count..],
        }
    }
    Ok(())
}

fn read(fd: RawFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        // SAFETY: the range is that of the slice.
        match check_long(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) } as c_long) {
            Ok(count) => return Ok(count as usize),
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Whether as many descriptors as there are numbers came, under these: the numbers are free, and the kernel takes the
/// lowest. `None` at the end of the socket.
pub fn receive_descriptors(socket: RawFd, numbers: RangeInclusive<RawFd>) -> Result<Option<Result<(), Errno>>, Errno> {
    let count = numbers.clone().count();
    let mut byte = [0_u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    // Words, because the header in it has the alignment of one.
    let mut control = [0_usize; 16];
    // SAFETY: plain data, zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    loop {
        // SAFETY: the message and all that it points to live during the call.
        match check_long(unsafe { libc::recvmsg(socket, &raw mut message, 0) } as c_long) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let mut received = vec![-1; count];
    // SAFETY: the kernel has written the header and as many descriptors as it says; at most `count` are copied.
    let length = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() {
            return Ok(Some(Err(libc::EMFILE)));
        }
        let length = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
        let bytes = length.min(count * size_of::<RawFd>());
        std::ptr::copy_nonoverlapping(libc::CMSG_DATA(header), received.as_mut_ptr().cast(), bytes);
        length
    };
    let complete = length == count * size_of::<RawFd>() && received.iter().copied().eq(numbers);
    Ok(Some(if complete { Ok(()) } else { Err(libc::EMFILE) }))
}

/// Whether reading would not wait; a pid descriptor is readable once its process has ended.
pub fn is_readable(fd: RawFd) -> Result<bool, Errno> {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry.
    Ok(check(unsafe { libc::poll(&raw mut entry, 1, 0) })? > 0)
}

/// Waits until reading would not.
pub fn wait_until_readable(fd: RawFd) -> Result<(), Errno> {
    wait_for_either(fd, fd).map(drop)
}

/// One call closes a range whatever is open in it; a list in /proc could be wrong by then.
pub fn close_range(first: RawFd, last: RawFd) -> Result<(), Errno> {
    close_range_with(first, last as u32, 0)
}

/// Closes every descriptor above `fd`.
pub fn close_above(fd: RawFd) -> Result<(), Errno> {
    close_range_with(fd + 1, u32::MAX, 0)
}

/// Marks one descriptor to close when the builder starts.
pub fn close_on_exec(fd: RawFd) -> Result<(), Errno> {
    close_range_with(fd, fd as u32, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range_with(first: RawFd, last: u32, flags: u32) -> Result<(), Errno> {
    // SAFETY: numbers only; descriptors closed here are not owned by a value that lives on.
    check_long(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
}

/// The raw call, because the C library's wrapper would signal threads that do not exist.
pub fn drop_groups() -> Result<(), Errno> {
    // SAFETY: an empty list needs no memory.
    check_long(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) }).map(drop)
}

/// The raw call without a stack, which returns twice like fork and takes all namespace flags at once.
pub fn clone(flags: u64) -> Result<i32, Errno> {
    // SAFETY: no shared memory is asked for, so the copy has its own stack; this process has one thread.
    check_long(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) }).map(|pid| pid as i32)
}

/// As `clone`, in a control group.
pub fn clone_into(flags: u64, group: BorrowedFd<'_>) -> Result<i32, Errno> {
    let signal = flags & SIGNAL_OF_END;
    // SAFETY: all zeroes is a valid `clone_args`.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (flags & !SIGNAL_OF_END) | CLONE_INTO_CGROUP;
    // A sibling ends as its caller does.
    args.exit_signal = if flags & libc::CLONE_PARENT as u64 == 0 { signal } else { 0 };
    args.cgroup = group.as_raw_fd() as u64;
    // SAFETY: as for `clone`; the structure lives through the call.
    check_long(unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<libc::clone_args>()) }).map(|pid| pid as i32)
}

/// Linux: include/uapi/linux/sched.h; libc has it as a number of another size.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Where the flags of `clone` have the signal.
const SIGNAL_OF_END: u64 = 0xff;

/// SIGKILL to all processes that the caller may signal, but itself. None, and none that it may, are as good as done.
pub fn kill_all() -> Result<(), Errno> {
    loop {
        // SAFETY: numbers only.
        match check(unsafe { libc::kill(-1, libc::SIGKILL) }) {
            Ok(_) | Err(libc::ESRCH | libc::EPERM) => return Ok(()),
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Where ids begin that nobody has, one for each process: who has the same real id as another one may signal it.
const FIRST_FREE_UID: u32 = 0xf000_0000;

/// Does something with the rights of a user over other processes: `kill` of all reaches whom the caller may signal, and that
/// is decided by its effective id. The saved one is the way back. Who may signal this one is decided by its real id and its
/// saved one: none of the user's processes may.
pub fn as_user_for_signals(uid: u32, act: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let [mut real, mut effective, mut saved] = [u32::MAX; 3];
    // SAFETY: three valid places, then numbers only. The raw calls act on this only thread.
    unsafe {
        check(libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved))?;
        let own = FIRST_FREE_UID + own_pid().cast_unsigned();
        match check_long(libc::syscall(libc::SYS_setresuid, own, uid, saved)) {
            // A container need not have that id.
            Err(libc::EINVAL) => check_long(libc::syscall(libc::SYS_setresuid, uid, uid, saved))?,
            result => result?,
        };
        let result = act();
        check_long(libc::syscall(libc::SYS_setresuid, real, effective, saved))?;
        // A change of ids hides the process from who maps its ids.
        check(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0))?;
        result
    }
}

/// What a process sees of control groups begins at its own from here on.
pub fn new_cgroup_namespace() -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }).map(drop)
}

/// Looks at the lists of the kernel, of which it tells no changes; whoever gave the program has a deadline.
pub fn await_route() -> Result<(), Errno> {
    loop {
        if has_route("/proc/net/route", |fields| fields.get(1) == Some(&"00000000"))
            || has_route("/proc/net/ipv6_route", |fields| {
                fields.get(1) == Some(&"00")
                    && fields.last() != Some(&"lo")
                    && !fields[0].contains(|digit| digit != '0')
            })
        {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn has_route(list: &str, is_default: impl Fn(&[&str]) -> bool) -> bool {
    let text = std::fs::read_to_string(list).unwrap_or_default();
    text.lines().any(|line| is_default(&line.split_whitespace().collect::<Vec<_>>()))
}

/// How a process ended.
#[derive(Clone, Copy)]
pub enum Ended {
    Exited(i32),
    Signalled(i32),
}

/// Processes below this one become its children when they are orphaned.
pub fn adopt_orphans() -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// The kernel's list of children of this only thread.
pub fn children() -> Result<Vec<i32>, Errno> {
    let list = std::fs::read_to_string("/proc/thread-self/children");
    let text = list.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

/// Of this process.
pub fn own_pid() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::getpid() }
}

/// Of the one above it: another one than at the start once that has ended.
pub fn parent_pid() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::getppid() }
}

/// SIGKILL to a child that was not reaped, so its number is nobody else's.
pub fn kill(pid: i32) {
    // SAFETY: numbers only.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// SIGTERM and SIGCHLD wait in a descriptor: a handler could come at any point.
pub fn signals_as_descriptor() -> Result<RawFd, Errno> {
    // SAFETY: a signal set is plain data and zero is a valid one; it lives during the calls.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
        check(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC))
    }
}

/// The signal that came; its descriptor is readable.
pub fn take_signal(signals: RawFd) -> Result<i32, Errno> {
    let mut info = [0; size_of::<libc::signalfd_siginfo>()];
    read(signals, &mut info)?;
    let mut number = [0; 4];
    number.copy_from_slice(&info[..4]);
    Ok(i32::from_ne_bytes(number))
}

/// Waits until one of two descriptors is readable; whether it is the second one.
pub fn wait_for_either(first: RawFd, second: RawFd) -> Result<bool, Errno> {
    let mut entries = [first, second].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    loop {
        // SAFETY: two valid entries.
        match check(unsafe { libc::poll(entries.as_mut_ptr(), 2, -1) }) {
            Ok(_) => return Ok(entries[1].revents != 0),
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// What was found of children.
pub enum Reaped {
    /// One has ended, how.
    Ended(i32, Ended),
    /// There are some, and the end of none can be seen.
    NoneYet,
    /// There are none.
    NoChildren,
}

/// A child that has ended, without waiting for one.
pub fn reap() -> Result<Reaped, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: the status lives during the call.
        match check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }) {
            Ok(0) => return Ok(Reaped::NoneYet),
            Err(libc::ECHILD) => return Ok(Reaped::NoChildren),
            Ok(pid) if libc::WIFSIGNALED(status) => {
                return Ok(Reaped::Ended(pid, Ended::Signalled(libc::WTERMSIG(status))));
            }
            Ok(pid) => return Ok(Reaped::Ended(pid, Ended::Exited(libc::WEXITSTATUS(status)))),
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Ends as another process did, for whoever reads the status.
pub fn end_as(ended: Ended) -> ! {
    match ended {
        Ended::Exited(code) => exit(code),
        Ended::Signalled(signal) => {
            const RLIMIT_CORE: u32 = 4; // a type that differs between C libraries
            let _ = soft_limit(RLIMIT_CORE, 0);
            let _ = default_actions();
            // Others that wait must not come first.
            // SAFETY: a signal set is plain data and zero is a valid one; the rest are numbers, and the signal has its default.
            unsafe {
                let mut others: libc::sigset_t = std::mem::zeroed();
                libc::sigfillset(&raw mut others);
                libc::sigdelset(&raw mut others, signal);
                libc::sigprocmask(libc::SIG_SETMASK, &raw const others, std::ptr::null_mut());
                libc::kill(libc::getpid(), signal);
            }
            exit(128 + signal)
        }
    }
}

/// Closes every descriptor from `first` up but two.
pub fn close_all_but(mut kept: [RawFd; 2], first: RawFd) -> Result<(), Errno> {
    kept.sort_unstable();
    let mut from = first;
    for fd in kept {
        if fd > from {
            close_range(from, fd - 1)?;
        }
        from = fd + 1;
    }
    close_above(from - 1)?;
    for fd in [1, 2] {
        // SAFETY: descriptor 0 is the null device; 1 and 2 are owned by no value of this program.
        check(unsafe { libc::dup2(0, fd) })?;
    }
    Ok(())
}

/// SIGKILL cannot be blocked or handled, so no builder survives the engine.
pub fn arm_death_signal() -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) }).map(drop)
}

/// Handlers vanish at exec but ignored signals stay ignored: Node ignores some, and the C library's `posix_spawn` its own
/// two. The raw call, because the library's refuses to touch those.
pub fn default_signals() -> Result<(), Errno> {
    default_actions()?;
    // SAFETY: a signal set is plain data and zero is a valid one; it is emptied before use.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `none` lives during both calls.
    check(unsafe {
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    })
    .map(drop)
}

fn default_actions() -> Result<(), Errno> {
    // The kernel's structure is at most this long; handler 0 is the default, and so are no flags and an empty mask.
    let default = [0_u64; 4];
    for signal in (1..=64).filter(|signal| !matches!(*signal, libc::SIGKILL | libc::SIGSTOP)) {
        let (old, size_of_mask) = (std::ptr::null_mut::<u64>(), 8);
        // SAFETY: the default action runs no code of ours.
        check_long(unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old, size_of_mask) })?;
    }
    Ok(())
}

/// A new session has no controlling terminal, so that a builder cannot reach the person's.
pub fn new_session() -> Result<(), Errno> {
    // SAFETY: no arguments.
    check(unsafe { libc::setsid() }).map(drop)
}

/// `dup2` replaces a descriptor in one step; the copies do not close at exec.
pub fn standard_output(terminal: RawFd) -> Result<(), Errno> {
    for fd in [1, 2] {
        // SAFETY: descriptors 1 and 2 are owned by no value of this program.
        check(unsafe { libc::dup2(terminal, fd) })?;
    }
    Ok(())
}

/// Cannot fail.
pub fn umask(mask: u32) {
    // SAFETY: numbers only.
    unsafe { libc::umask(mask) };
}

/// The interface flags are set by an ioctl on any socket; netlink would need a parser for the same.
pub fn loopback_up() -> Result<(), Errno> {
    // SAFETY: numbers only.
    let socket = owned(c_long::from(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }))?;
    // SAFETY: the structure is plain data and zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = byte.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_LOOPBACK | libc::IFF_RUNNING) as i16;
    // SAFETY: the request lives during the call and is what this ioctl reads.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) }).map(drop)
}

/// The length is given, so that the final NUL can be counted as the format of the machine name demands.
pub fn set_host_name(name: &[u8]) -> Result<(), Errno> {
    // SAFETY: the range is that of the slice.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// See `set_host_name`.
pub fn set_domain_name(name: &[u8]) -> Result<(), Errno> {
    // SAFETY: the range is that of the slice.
    check(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// Recursive on `/`: a shared mount would show ours to the machine and the machine's to the builder.
pub fn private_mounts() -> Result<(), Errno> {
    // SAFETY: both texts end in NUL; the other pointers may be null for a change of propagation.
    check(unsafe {
        libc::mount(
            c"none".as_ptr(),
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        )
    })
    .map(drop)
}

/// `O_PATH` neither reads nor wakes a device, and does not follow a link at the end.
pub fn open_path(path: &CStr) -> Result<OwnedFd, Errno> {
    open_at(libc::AT_FDCWD, path, libc::O_PATH)
}

/// See `open_path`; from a directory.
pub fn open_path_at(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    open_at(parent.as_raw_fd(), name, libc::O_PATH)
}

/// A file that is there.
pub fn open_to_write(path: &CStr) -> Result<OwnedFd, Errno> {
    open_at(libc::AT_FDCWD, path, libc::O_WRONLY)
}

/// A descriptor on which the mode can be changed.
pub fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    open_at(parent.as_raw_fd(), name, libc::O_RDONLY | libc::O_DIRECTORY)
}

fn open_at(parent: RawFd, name: &CStr, flags: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: the name ends in NUL.
    owned(c_long::from(unsafe { libc::openat(parent, name.as_ptr(), flags | libc::O_NOFOLLOW | libc::O_CLOEXEC) }))
}

/// The walk from the root needs a descriptor of its own.
pub fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: numbers only.
    owned(c_long::from(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 8) }))
}

/// Of the descriptor, so that what is looked at is what is used.
pub fn status(fd: BorrowedFd<'_>) -> Result<Status, Errno> {
    // SAFETY: plain data, zero is valid.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `status` lives during the call.
    check(unsafe { libc::fstat(fd.as_raw_fd(), &raw mut status) })?;
    let file_type = match status.st_mode & libc::S_IFMT {
        libc::S_IFDIR => FileType::Directory,
        libc::S_IFLNK => FileType::Symlink,
        _ => FileType::Other,
    };
    Ok(Status {
        file_type,
        accessed: libc::timespec { tv_sec: status.st_atime, tv_nsec: status.st_atime_nsec },
        modified: libc::timespec { tv_sec: status.st_mtime, tv_nsec: status.st_mtime_nsec },
    })
}

/// Of the descriptor of the link itself.
pub fn read_link(fd: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    let mut text = vec![0_u8; libc::PATH_MAX as usize];
    // SAFETY: the range is that of the buffer.
    let length =
        check_long(
            unsafe { libc::readlinkat(fd.as_raw_fd(), c"".as_ptr(), text.as_mut_ptr().cast(), text.len()) } as c_long
        )?;
    text.truncate(length as usize);
    Ok(text)
}

/// Fails if something is there.
pub fn make_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    // SAFETY: the name ends in NUL.
    check(unsafe { libc::mkdirat(parent.as_raw_fd(), name.as_ptr(), 0o755) }).map(drop)
}

/// Fails if something is there.
pub fn make_file(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends in NUL.
    owned(c_long::from(unsafe { libc::openat(parent.as_raw_fd(), name.as_ptr(), flags, 0o644) }))
}

/// Fails if something is there.
pub fn make_symlink(parent: BorrowedFd<'_>, name: &CStr, text: &CStr) -> Result<(), Errno> {
    // SAFETY: both texts end in NUL.
    check(unsafe { libc::symlinkat(text.as_ptr(), parent.as_raw_fd(), name.as_ptr()) }).map(drop)
}

/// Of the link, not of what it points to.
pub fn set_times(parent: BorrowedFd<'_>, name: &CStr, status: &Status) -> Result<(), Errno> {
    let times = [status.accessed, status.modified];
    // SAFETY: the name ends in NUL, the times live during the call.
    check(unsafe { libc::utimensat(parent.as_raw_fd(), name.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW) })
        .map(drop)
}

/// Of the descriptor, so that no name is looked up twice.
pub fn change_mode(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::fchmod(fd.as_raw_fd(), mode) }).map(drop)
}

/// A copy of the mounts at a descriptor, attached nowhere yet. Recursive, because a part of a locked set of mounts may
/// not be shown without what covers it.
pub fn clone_tree(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags =
        libc::AT_EMPTY_PATH as u32 | libc::AT_RECURSIVE as u32 | libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the empty path ends in NUL.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, fd.as_raw_fd(), c"".as_ptr(), flags) })
}

/// Attributes are set before the copy is attached, so that it is never visible without them.
pub fn add_mount_attributes(fd: BorrowedFd<'_>, attributes: u64, recursive: bool) -> Result<(), Errno> {
    if attributes == 0 {
        return Ok(());
    }
    let change = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the structure lives during the call and its size is passed.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Attaches by descriptors on both sides, so that no name is looked up again.
pub fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both empty paths end in NUL.
    check_long(unsafe {
        libc::syscall(libc::SYS_move_mount, from.as_raw_fd(), c"".as_ptr(), to.as_raw_fd(), c"".as_ptr(), flags)
    })
    .map(drop)
}

/// The mount interface of descriptors: `mount` would take the target by name.
pub fn open_file_system(kind: &CStr) -> Result<OwnedFd, Errno> {
    // SAFETY: the name ends in NUL.
    owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) })
}

/// One option: a flag without a value, a string with one.
pub fn configure(context: BorrowedFd<'_>, key: &CStr, value: Option<&CStr>) -> Result<(), Errno> {
    let command = if value.is_some() { libc::FSCONFIG_SET_STRING } else { libc::FSCONFIG_SET_FLAG };
    let value = value.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the texts end in NUL; a flag takes a null value.
    check_long(unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key.as_ptr(), value, 0) })
        .map(drop)
}

/// Creates the file system and a mount of it that is attached nowhere yet.
pub fn create_mount(context: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd, Errno> {
    let null = std::ptr::null::<u8>();
    // SAFETY: this command takes neither key nor value.
    check_long(unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), libc::FSCONFIG_CMD_CREATE, null, null, 0)
    })?;
    // SAFETY: numbers only.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), libc::FSMOUNT_CLOEXEC, attributes) })
}

/// With both names the same, the old root lies on the new one for a moment and is detached from there: no directory is
/// needed for it, and a root that is read-only has none to spare.
pub fn pivot_root(root: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: every text ends in NUL.
    unsafe {
        check(libc::fchdir(root.as_raw_fd()))?;
        check_long(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
        check(libc::chdir(c"/".as_ptr())).map(drop)
    }
}

/// Set-uid bits of bound programs have no effect, and an unprivileged process may load a filter.
pub fn no_new_privileges() -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

/// Keyrings belong to no namespace; an anonymous one of its own leaves the person's keys out of reach.
pub fn new_session_keyring() -> Result<(), Errno> {
    let join: c_long = 1; // KEYCTL_JOIN_SESSION_KEYRING
    // SAFETY: a null name asks for an anonymous keyring.
    check_long(unsafe { libc::syscall(libc::SYS_keyctl, join, std::ptr::null::<u8>()) }).map(drop)
}

/// Replaces the whole value: what the engine was started with does not matter.
pub fn personality(persona: u64) -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::personality(persona as libc::c_ulong) }).map(drop)
}

/// Only the soft limit: raising the hard one again would need a right.
pub fn soft_limit(resource: u32, value: u64) -> Result<(), Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure lives during the call.
    check(unsafe { libc::getrlimit(resource as _, &raw mut limit) })?;
    limit.rlim_cur = value.min(limit.rlim_max);
    // SAFETY: the structure lives during the call.
    check(unsafe { libc::setrlimit(resource as _, &raw const limit) }).map(drop)
}

/// The calls that set all three ids, then a look at all three: a partial change would be a way back.
pub fn change_user(uid: u32, gid: u32) -> Result<(), Errno> {
    let (mut uids, mut gids) = ([u32::MAX; 3], [u32::MAX; 3]);
    let [u0, u1, u2] = &mut uids;
    let [g0, g1, g2] = &mut gids;
    // SAFETY: numbers in, six valid places out. The raw calls act on this only thread.
    unsafe {
        check_long(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        check_long(libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
        check(libc::getresuid(u0, u1, u2))?;
        check(libc::getresgid(g0, g1, g2))?;
    }
    if uids == [uid; 3] && gids == [gid; 3] { Ok(()) } else { Err(libc::EPERM) }
}

/// Exec would drop them too; between here and there nothing has rights.
pub fn drop_capabilities() -> Result<(), Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: numbers only; then a header of two words and two sets of three words, as version 3 reads them.
    unsafe {
        check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))?;
        check_long(libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr())).map(drop)
    }
}

/// Relative paths of the builder start here.
pub fn change_directory(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path ends in NUL.
    check(unsafe { libc::chdir(path.as_ptr()) }).map(drop)
}

/// Abstract sockets belong to the network namespace; a builder that shares the machine's must not reach them.
pub fn landlock(scoped: u64) -> Result<(), Errno> {
    let (handled_access_fs, handled_access_net) = (0, 0);
    let attributes: [u64; 3] = [handled_access_fs, handled_access_net, scoped];
    // SAFETY: three words of which the size is passed.
    let ruleset = owned(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, attributes.as_ptr(), size_of_val(&attributes), 0)
    })?;
    // SAFETY: numbers only.
    check_long(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) }).map(drop)
}

/// The plain load: there is one thread, so none to synchronise.
pub fn seccomp(program: &[u8]) -> Result<(), Errno> {
    let filters: Vec<libc::sock_filter> = program
        .chunks_exact(8)
        .map(|bytes| libc::sock_filter {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        })
        .collect();
    let length = u16::try_from(filters.len()).map_err(|_| libc::EINVAL)?;
    let mut filters = filters;
    let program = libc::sock_fprog { len: length, filter: filters.as_mut_ptr() };
    // SAFETY: the program and its instructions live during the call.
    check_long(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })
        .map(drop)
}

/// Returns only when it failed.
pub fn execute(path: &CStr, arguments: &[CString], environment: &[CString]) -> Errno {
    let pointers = |texts: &[CString]| {
        texts.iter().map(|text| text.as_ptr()).chain(std::iter::once(std::ptr::null())).collect::<Vec<_>>()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: NUL-ended texts in NULL-ended lists that live during the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_error()
}

/// The C library's text: people know these.
pub fn error_text(errno: Errno) -> Vec<u8> {
    // SAFETY: the returned text ends in NUL and is valid until the next call; there is one thread.
    unsafe { CStr::from_ptr(libc::strerror(errno)) }.to_bytes().to_vec()
}
