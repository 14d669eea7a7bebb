//! Every system call of the engine's side. One sentence each on why this call; no policy.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use libc::{c_int, c_long, c_void};

/// A number of the kernel.
pub(crate) type Errno = i32;

fn last_error() -> Errno {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn check(result: c_int) -> Result<c_int, Errno> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

fn owned(result: c_long) -> Result<OwnedFd, Errno> {
    if result < 0 {
        return Err(last_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(result as RawFd) })
}

/// Refuses a NUL inside, which would cut the text.
pub(crate) fn c_string(text: &[u8]) -> Result<CString, Errno> {
    CString::new(text).map_err(|_| libc::EINVAL)
}

/// The C library's text in lower case, without the number that the standard library adds.
pub(crate) fn error_text(errno: Errno) -> String {
    let mut buffer = [0 as libc::c_char; 256];
    // SAFETY: the buffer and its length; this form of the call writes a text that ends in NUL.
    if unsafe { libc::strerror_r(errno, buffer.as_mut_ptr(), buffer.len()) } != 0 {
        return format!("error {errno}");
    }
    // SAFETY: ends in NUL, see above.
    let text = unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_string_lossy().into_owned();
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_lowercase().chain(characters).collect())
}

/// Which rights this process has is decided by the effective id.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() }
}

/// Whose rights a process that is started has.
pub(crate) fn effective_ids() -> [u32; 2] {
    // SAFETY: cannot fail.
    unsafe { [libc::geteuid(), libc::getegid()] }
}

/// Asks for the version only: no ruleset is made.
pub(crate) fn landlock_abi() -> u32 {
    let version: c_int = 1; // LANDLOCK_CREATE_RULESET_VERSION
    // SAFETY: this flag takes no attributes.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<c_void>(), 0, version) };
    u32::try_from(abi).unwrap_or(0)
}

/// `O_NOFOLLOW` at the end: the directory was made a moment ago and nothing else will do.
pub(crate) fn open_directory(parent: Option<BorrowedFd<'_>>, name: &CStr) -> Result<OwnedFd, Errno> {
    let parent = parent.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends in NUL.
    owned(c_long::from(unsafe { libc::openat(parent, name.as_ptr(), flags) }))
}

/// Fails if something is there; the mode is set afterwards, because Node's mask is not ours to change.
pub(crate) fn make_directory(parent: Option<BorrowedFd<'_>>, name: &CStr) -> Result<(), Errno> {
    let parent = parent.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
    // SAFETY: the name ends in NUL.
    check(unsafe { libc::mkdirat(parent, name.as_ptr(), 0o700) }).map(drop)
}

/// A new file and nothing else: neither an old one nor the target of a link.
pub(crate) fn make_file(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name ends in NUL.
    owned(c_long::from(unsafe { libc::openat(parent.as_raw_fd(), name.as_ptr(), flags, 0o600) }))
}

/// Of the descriptor, so that no name is looked up twice.
pub(crate) fn change_mode(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::fchmod(fd.as_raw_fd(), mode) }).map(drop)
}

/// Of the descriptor; `None` keeps an id.
pub(crate) fn change_owner(fd: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::fchown(fd.as_raw_fd(), uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX)) }).map(drop)
}

/// A file in memory that nobody can change any more once it is sealed. Older kernels do not know `MFD_EXEC`.
pub(crate) fn sealed_executable(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let name = c"drvkit-helper";
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name ends in NUL.
    let make = |flags| owned(c_long::from(unsafe { libc::memfd_create(name.as_ptr(), flags) }));
    let file = match make(flags | libc::MFD_EXEC) {
        Err(libc::EINVAL) => make(flags)?,
        made => made?,
    };
    write_all(file.as_raw_fd(), bytes)?;
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: numbers only.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    above_standard(file)
}

/// A new file that is closed for writing before it runs: the kernel runs none that is open so.
pub(crate) fn write_executable(path: &CStr, bytes: &[u8]) -> Result<(), Errno> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the path ends in NUL.
    let file = owned(c_long::from(unsafe { libc::open(path.as_ptr(), flags, 0o700) }))?;
    write_all(file.as_raw_fd(), bytes)
}

/// A name that nobody else has, and a directory that only we can enter.
pub(crate) fn make_private_directory(parent: &[u8]) -> Result<CString, Errno> {
    let template = c_string(&[parent, b"/drvkit-helper-XXXXXX"].concat())?.into_raw();
    // SAFETY: the text ends in NUL and its length stays; it is taken back whatever the call says.
    let (made, path) = unsafe { (!libc::mkdtemp(template).is_null(), CString::from_raw(template)) };
    if made { Ok(path) } else { Err(last_error()) }
}

/// One that is gone already is fine.
pub(crate) fn remove_directory(path: &CStr) {
    // SAFETY: the path ends in NUL.
    unsafe { libc::rmdir(path.as_ptr()) };
}

/// A file that is gone already is fine.
pub(crate) fn unlink(path: &CStr) {
    // SAFETY: the path ends in NUL.
    unsafe { libc::unlink(path.as_ptr()) };
}

/// Moves a descriptor out of the range that the helper's agreement uses: giving it its number there would otherwise
/// overwrite another one of ours.
fn above_standard(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    duplicate(fd.as_raw_fd())
}

/// Reads nothing, keeps nothing.
pub(crate) fn open_null() -> Result<OwnedFd, Errno> {
    // SAFETY: the path ends in NUL.
    above_standard(owned(c_long::from(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) }))?)
}

/// Another descriptor of what a number stands for, out of the range that the helper's agreement uses.
pub(crate) fn duplicate(fd: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: numbers only.
    owned(c_long::from(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 16) }))
}

/// The read end of a pipe, opened once more: whether it blocks is a property of an open, and a copy of the first one is
/// somebody else's.
pub(crate) fn reopen_nonblocking(pipe: &OwnedFd) -> Result<OwnedFd, Errno> {
    let path = c_string(format!("/proc/self/fd/{}", pipe.as_raw_fd()).as_bytes())?;
    // SAFETY: the path ends in NUL.
    owned(c_long::from(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC) }))
}

/// The two ends of a pipe that no other program inherits.
pub(crate) struct Pipe {
    pub(crate) read: OwnedFd,
    pub(crate) write: OwnedFd,
}

/// `CLOEXEC` from the start: another thread may start a program at any time.
pub(crate) fn pipe() -> Result<Pipe, Errno> {
    let mut fds = [0; 2];
    // SAFETY: two valid places.
    check(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: both have just been made for us.
    let [read, write] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(Pipe { read: above_standard(read)?, write: above_standard(write)? })
}

/// Messages keep their borders, and the end of either side shows at the other.
pub(crate) fn socket_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut fds = [0; 2];
    // SAFETY: two valid places.
    check(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr()) })?;
    // SAFETY: both have just been made for us.
    let [one, other] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    Ok((above_standard(one)?, above_standard(other)?))
}

/// One byte that carries copies of the descriptors. No signal when nobody reads any more.
pub(crate) fn send_descriptors<const N: usize>(socket: BorrowedFd<'_>, descriptors: [RawFd; N]) -> Result<(), Errno> {
    let mut byte = [0_u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let length = size_of_val(&descriptors) as u32;
    // Words, because the header in it has the alignment of one.
    let mut control = [0_usize; 16];
    // SAFETY: plain data, zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: arithmetic only.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(length) } as _;
    assert!(message.msg_controllen as usize <= size_of_val(&control), "bug: too many descriptors for one message");
    // SAFETY: the buffer has room for the header and the descriptors, see above.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(length) as _;
        std::ptr::copy_nonoverlapping(descriptors.as_ptr().cast(), libc::CMSG_DATA(header), length as usize);
    }
    loop {
        // SAFETY: the message and all that it points to live during the call.
        match unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) } {
            0.. => return Ok(()),
            _ if last_error() == libc::EINTR => {}
            _ => return Err(last_error()),
        }
    }
}

/// The two ends of a terminal.
pub(crate) struct Terminal {
    /// Ours: what the builder writes is read here.
    pub(crate) master: OwnedFd,
    /// The builder's.
    pub(crate) slave: OwnedFd,
}

/// The slave is opened through the master, so that no path into a /dev/pts is trusted; raw, so that bytes arrive as they
/// were written.
pub(crate) fn terminal() -> Result<Terminal, Errno> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: numbers only.
    let master = above_standard(owned(c_long::from(unsafe { libc::posix_openpt(flags) }))?)?;
    // SAFETY: numbers only.
    check(unsafe { libc::unlockpt(master.as_raw_fd()) })?;
    // SAFETY: this ioctl takes open flags by value.
    let slave = owned(c_long::from(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER as _, flags) }))?;
    let slave = above_standard(slave)?;
    // SAFETY: plain data, zero is valid, and it is filled before use.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: `settings` lives during the calls.
    unsafe {
        check(libc::tcgetattr(slave.as_raw_fd(), &raw mut settings))?;
        libc::cfmakeraw(&raw mut settings);
        check(libc::tcsetattr(slave.as_raw_fd(), libc::TCSANOW, &raw const settings))?;
    }
    set_nonblocking(&master)?;
    Ok(Terminal { master, slave })
}

/// The reactor must never wait in a read.
pub(crate) fn set_nonblocking(fd: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: numbers only.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }).map(drop)
}

/// A pid can be used again by another process; a descriptor of it cannot.
pub(crate) fn pid_descriptor(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: numbers only.
    above_standard(owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?)
}

/// A descriptor of this process.
pub(crate) fn own_pid_descriptor() -> Result<OwnedFd, Errno> {
    // SAFETY: cannot fail.
    pid_descriptor(unsafe { libc::getpid() })
}

/// A process that has ended already is fine.
pub(crate) fn send_signal(pid_descriptor: BorrowedFd<'_>, signal: i32) {
    let null = std::ptr::null::<c_void>();
    // SAFETY: no signal information is passed.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pid_descriptor.as_raw_fd(), signal, null, 0) };
}

/// To a whole process group: its number is that of its first process, nobody else's as long as that is not reaped.
pub(crate) fn send_signal_to_group(group: i32, signal: i32) {
    // SAFETY: numbers only.
    unsafe { libc::kill(-group, signal) };
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It returned this code.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
}

/// Reaps this one child; Node waits for its own by pid.
pub(crate) fn wait(pid_descriptor: BorrowedFd<'_>) -> Result<ExitStatus, Errno> {
    // SAFETY: plain data, zero is valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `info` lives during the call.
        let result = check(unsafe {
            libc::waitid(libc::P_PIDFD, pid_descriptor.as_raw_fd() as libc::id_t, &raw mut info, libc::WEXITED)
        });
        match result {
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
            // SAFETY: `waitid` has filled the fields of a child.
            Ok(_) if info.si_code == libc::CLD_EXITED => return Ok(ExitStatus::Exited(unsafe { info.si_status() })),
            // SAFETY: as above.
            Ok(_) => return Ok(ExitStatus::Signalled(unsafe { info.si_status() })),
        }
    }
}

/// `posix_spawn`: the C library's clone shares memory but runs nothing of ours before exec, and its cost does not grow
/// with the heap of Node. Descriptors get their second numbers, in this order.
pub(crate) fn spawn(executable: &CStr, arguments: &[&CStr], descriptors: &[(RawFd, RawFd)]) -> Result<i32, Errno> {
    let mut actions = std::mem::MaybeUninit::<libc::posix_spawn_file_actions_t>::uninit();
    let mut attributes = std::mem::MaybeUninit::<libc::posix_spawnattr_t>::uninit();
    // SAFETY: plain data, zero is valid; filled or emptied before use.
    let mut signals: libc::sigset_t = unsafe { std::mem::zeroed() };
    let argv: Vec<_> = std::iter::once(&executable)
        .chain(arguments)
        .map(|text| text.as_ptr().cast_mut())
        .chain(std::iter::once(std::ptr::null_mut()))
        .collect();
    let envp = [std::ptr::null_mut()];
    let mut pid = 0;
    // SAFETY: both structures are initialised first and destroyed last; every pointer is to a live local.
    let error = unsafe {
        libc::posix_spawn_file_actions_init(actions.as_mut_ptr());
        libc::posix_spawnattr_init(attributes.as_mut_ptr());
        for (ours, theirs) in descriptors {
            libc::posix_spawn_file_actions_adddup2(actions.as_mut_ptr(), *ours, *theirs);
        }
        libc::sigemptyset(&raw mut signals);
        libc::posix_spawnattr_setsigmask(attributes.as_mut_ptr(), &raw const signals);
        libc::posix_spawnattr_setflags(attributes.as_mut_ptr(), libc::POSIX_SPAWN_SETSIGMASK as _);
        let error = libc::posix_spawn(
            &raw mut pid,
            executable.as_ptr(),
            actions.as_ptr(),
            attributes.as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
        );
        libc::posix_spawnattr_destroy(attributes.as_mut_ptr());
        libc::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
        error
    };
    if error == 0 { Ok(pid) } else { Err(error) }
}

/// Writes everything; the other end is read or closed soon.
pub(crate) fn write_all(fd: RawFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the range is that of the slice.
        let count = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(count) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) if last_error() == libc::EINTR => {}
            Err(_) => return Err(last_error()),
        }
    }
    Ok(())
}

/// What a write of part of the bytes came to.
pub(crate) fn write_some(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the range is that of the slice.
    let count = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| last_error())
}

/// One read; 0 at the end.
pub(crate) fn read_some(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the range is that of the slice.
    let count = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(count).map_err(|_| last_error())
}

/// Which of the descriptors are ready, at the latest at the deadline.
pub(crate) fn poll<const N: usize>(entries: [(BorrowedFd<'_>, i16); N], deadline: Instant) -> Result<[bool; N], Errno> {
    let mut polled = entries.map(|(fd, events)| libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let timeout = c_int::try_from(left).unwrap_or(c_int::MAX);
        // SAFETY: N valid entries.
        match check(unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, timeout) }) {
            Ok(0) if left > 0 => {}
            Ok(_) => return Ok(polled.map(|entry| entry.revents != 0)),
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// One descriptor that waits for all others.
pub(crate) fn new_epoll() -> Result<OwnedFd, Errno> {
    // SAFETY: numbers only.
    owned(c_long::from(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }))
}

/// A counter that wakes the reactor from any thread.
pub(crate) fn new_event() -> Result<OwnedFd, Errno> {
    // SAFETY: numbers only.
    owned(c_long::from(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }))
}

/// Level-triggered: what is not read now shows again.
pub(crate) fn watch(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>, token: u64) -> Result<(), Errno> {
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
    // SAFETY: the event lives during the call.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) }).map(drop)
}

/// Removing, not muting: a hang-up shows even when nothing is asked for.
pub(crate) fn unwatch(epoll: BorrowedFd<'_>, fd: BorrowedFd<'_>) {
    // SAFETY: removal takes no event.
    unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd.as_raw_fd(), std::ptr::null_mut()) };
}

/// Waits for something to happen, at most this long; tokens of what did.
pub(crate) fn wait_events(epoll: BorrowedFd<'_>, at_most: Option<Duration>) -> Vec<u64> {
    let timeout = at_most.map_or(-1, |limit| c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX));
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
    // SAFETY: the range is that of the array.
    let count = unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), events.len() as c_int, timeout) };
    events.iter().take(usize::try_from(count).unwrap_or(0)).map(|event| event.u64).collect()
}

/// Keeps this library in memory for good: its thread never ends, but a Node worker that loaded it may.
pub(crate) fn stay_loaded() {
    // SAFETY: plain data, zero is valid.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    let here: fn() = stay_loaded;
    // SAFETY: an address in this library; a handle that is never closed.
    unsafe {
        if libc::dladdr(here as *const c_void, &raw mut info) != 0 && !info.dli_fname.is_null() {
            libc::dlopen(info.dli_fname, libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}
