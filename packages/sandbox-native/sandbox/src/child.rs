//! A child that somebody answers for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::{self, Errno, ExitStatus};

/// A child that is killed and reaped unless it is released: whatever fails, nothing stays behind.
pub(crate) struct Child {
    descriptor: Option<OwnedFd>,
}

impl Child {
    /// The child of this pid, which nobody else reaps.
    pub(crate) fn of(pid: i32) -> Result<Child, Errno> {
        Ok(Child { descriptor: Some(sys::pid_descriptor(pid)?) })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_ref().expect("bug: a released child is used").as_fd()
    }

    pub(crate) fn wait(mut self) -> Option<ExitStatus> {
        self.descriptor.take().and_then(|descriptor| sys::wait(descriptor.as_fd()).ok())
    }

    pub(crate) fn release(mut self) -> OwnedFd {
        self.descriptor.take().expect("bug: a child is released twice")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(descriptor) = &self.descriptor {
            sys::send_signal(descriptor.as_fd(), libc::SIGKILL);
            let _ = sys::wait(descriptor.as_fd());
        }
    }
}
