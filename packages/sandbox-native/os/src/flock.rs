//! Locks on files.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd, RawFd};

use crate::error::{Errno, Kind, OsError, Result};
use crate::sys;
use crate::waiting::Waiting;

/// Whether others may hold the lock as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Nobody else.
    Exclusive,
    /// Others that ask for the same.
    Shared,
}

const MODE: u32 = 0o600;

/// What an owner writes into a lock file that it has unlinked; its length marks the file as stale.
const STALE_MARK: &[u8] = b"d";

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub struct FileLock {
    path: Vec<u8>,
    file: Option<OwnedFd>,
    mode: LockMode,
}

impl FileLock {
    /// Unlinks the lock file, marks it stale for whoever has it open already, and releases it.
    ///
    /// Only for an exclusive lock: a shared one may have other holders, so it is just released.
    pub fn release_and_delete(mut self) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        if self.mode == LockMode::Shared {
            return Ok(());
        }
        let path = lock_path(&self.path)?;
        match sys::unlink(&path) {
            Ok(()) | Err(Errno(libc::ENOENT)) => {}
            Err(errno) => return Err(lock_error("remove", &self.path, errno)),
        }
        // After the name is gone, so that nobody finds a marked file by its name. On a full disk the mark is lost; others of ours then see
        // that the name is another file's.
        let _ = sys::write_at(file.as_fd(), STALE_MARK, 0);
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        if let Some(file) = self.file.take() {
            // Closing is not enough: a process that is being started has a copy of the descriptor until it execs.
            let _ = sys::unlock(file.as_fd());
            drop(file);
            Waiting::a_lock_was_released();
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes the lock of `path` if it is free, making the file if it is absent; `None` when somebody else has it, in this process or another.
pub fn try_lock(path: &[u8], mode: LockMode) -> Result<Option<FileLock>> {
    let name = lock_path(path)?;
    loop {
        let file = sys::open_or_create(&name, MODE).map_err(|errno| lock_error("open", path, errno))?;
        match claim(&file, &name, path, mode)? {
            Claim::Held => {
                return Ok(Some(FileLock { path: path.to_vec(), file: Some(file), mode }));
            }
            Claim::Busy => return Ok(None),
            Claim::Stale => {}
        }
    }
}

/// Locks the file behind an open descriptor of the caller's, for as long as it is open; `false` when somebody else has it. A lock that the
/// descriptor holds already changes to `mode`.
pub fn lock_descriptor(descriptor: RawFd, mode: LockMode) -> Result<bool> {
    sys::try_flock_number(descriptor, mode == LockMode::Exclusive)
        .map_err(|errno| OsError::of_descriptor("lock", descriptor, errno))
}

/// What came of the attempt to lock an open file.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    Held,
    Busy,
    /// Its previous owner has deleted it: whoever comes next makes and locks another file of this name.
    Stale,
}

fn claim(file: &OwnedFd, name: &CStr, path: &[u8], mode: LockMode) -> Result<Claim> {
    let error = |step| move |errno| lock_error(step, path, errno);
    if !sys::stat(file.as_fd()).map_err(error("stat"))?.is_regular {
        return Err(OsError::not_a_lock_file(path));
    }
    if !sys::try_flock(file.as_fd(), mode == LockMode::Exclusive).map_err(error("lock"))? {
        return Ok(Claim::Busy);
    }
    let locked = sys::stat(file.as_fd()).map_err(error("stat"))?;
    if !sys::stat_name(name).is_ok_and(|named| named.identity == locked.identity) {
        return Ok(Claim::Stale);
    }
    if locked.size != 0 {
        // Marked, but not by us: we mark only what has lost its name. Left so, it would be passed over for ever.
        sys::empty(file.as_fd()).map_err(error("empty"))?;
    }
    Ok(Claim::Held)
}

fn lock_error(step: &'static str, path: &[u8], errno: Errno) -> OsError {
    OsError::new(Kind::Lock, step, path, errno)
}

fn lock_path(path: &[u8]) -> Result<CString> {
    CString::new(path).map_err(|_| lock_error("open", path, Errno(libc::EINVAL)))
}

#[cfg(test)]
mod tests;
