//! The process that all helpers are copies of. It loads the executable once and then waits to be told to copy itself:
//! loading it for every start would take as long as the set-up itself.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use drvkit_helper::CONTROL_FD;

use crate::executable::{self, Place};
use crate::sys::{self, Errno};

/// A copy takes a fraction of a millisecond; one that takes this long will never be made.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no copy.
enum Refusal {
    /// The process is gone: nothing was asked of it.
    Dead(Errno),
    /// It did not answer. A copy may have been made all the same, and hold what was sent: nobody else may get it.
    Silent(Errno),
    /// It cannot make one.
    Failed(Errno),
}

/// What is asked of a copy.
pub(crate) struct CopyRequest {
    /// A private directory, for a machine that runs no programs from memory.
    pub(crate) directory: Vec<u8>,
    /// Its descriptors, in the order of their numbers there, from the first one up.
    pub(crate) descriptors: [OwnedFd; 5],
}

/// The process. Dropped, it is killed.
pub(crate) struct Template {
    control: OwnedFd,
    process: OwnedFd,
    /// Ids of this process when it was started: a copy must not have rights that were given up since.
    ids: [u32; 2],
}

impl Template {
    /// A helper; its pid. It is a child of the thread that `start` starts the template on. ECHILD if the template ended
    /// while it was asked.
    pub(crate) fn copy(
        current: &mut Option<Template>,
        request: &CopyRequest,
        start: impl Fn() -> Result<Template, Errno>,
    ) -> Result<i32, Errno> {
        if current.as_ref().is_some_and(|template| template.ids != sys::effective_ids()) {
            *current = None;
        }
        loop {
            let is_new = current.is_none();
            let template = match current {
                Some(template) => template,
                None => current.insert(start()?),
            };
            match template.ask(request) {
                Ok(pid) => return Ok(pid),
                Err(Refusal::Failed(errno)) => return Err(errno),
                Err(Refusal::Silent(errno)) => {
                    *current = None;
                    return Err(errno);
                }
                Err(Refusal::Dead(errno)) => {
                    *current = None;
                    // One that has served before may have been killed since.
                    if is_new {
                        return Err(errno);
                    }
                }
            }
        }
    }

    /// A new one, whose copies are children of this thread.
    pub(crate) fn start(directory: &[u8]) -> Result<Template, Errno> {
        let (ours, theirs) = sys::socket_pair()?;
        let null = sys::open_null()?;
        let [control, null] = [theirs.as_raw_fd(), null.as_raw_fd()];
        let descriptors = [(null, 0), (null, 1), (null, 2), (control, CONTROL_FD)];
        let pid = executable::spawn(&Place::Private(directory.to_vec()), &[], &descriptors)?;
        let process = sys::pid_descriptor(pid)?;
        Ok(Template { control: ours, process, ids: sys::effective_ids() })
    }

    fn ask(&self, request: &CopyRequest) -> Result<i32, Refusal> {
        let descriptors = request.descriptors.each_ref().map(|fd| fd.as_raw_fd());
        sys::send_descriptors(self.control.as_fd(), descriptors).map_err(|errno| match errno {
            libc::ETOOMANYREFS | libc::ENOMEM => Refusal::Failed(errno),
            errno => Refusal::Dead(errno),
        })?;
        let waited = [(self.control.as_fd(), libc::POLLIN)];
        match sys::poll(waited, Instant::now() + DEADLINE).map_err(Refusal::Silent)? {
            [true] => {}
            [false] => return Err(Refusal::Silent(libc::ETIMEDOUT)),
        }
        let mut answer = [0; 4];
        match sys::read_some(self.control.as_fd(), &mut answer).map_err(|errno| match errno {
            // It ended without having read.
            libc::ECONNRESET => Refusal::Dead(errno),
            errno => Refusal::Silent(errno),
        })? {
            4 => match i32::from_ne_bytes(answer) {
                pid if pid > 0 => Ok(pid),
                errno => Err(Refusal::Failed(-errno)),
            },
            _ => Err(Refusal::Silent(libc::ECHILD)),
        }
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        sys::send_signal(self.process.as_fd(), libc::SIGKILL);
        let _ = sys::wait(self.process.as_fd());
    }
}
