//! The talk with a helper: a program one way, reports the other, with a deadline for all of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use drvkit_helper::{Instruction, REPORT_SIZE, Report, encode_program};

use crate::sys::{self, Errno};

/// What a helper does takes milliseconds; what takes this long will never end.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What was heard.
pub(crate) enum Heard {
    /// A report.
    Report(Report),
    /// There is none to come, be it that the process has ended.
    End,
    /// The other descriptor is readable.
    Other,
}

/// Our ends.
pub(crate) struct Channel {
    reports: OwnedFd,
    deadline: Instant,
}

impl Channel {
    /// Sends the first program.
    pub(crate) fn open(program: &[Instruction], pipe: &OwnedFd, reports: OwnedFd) -> Result<Channel, Errno> {
        let mut channel = Channel { reports, deadline: Instant::now() };
        channel.send(program, pipe)?;
        Ok(channel)
    }

    /// Sends a program, its length first; the deadline counts from here. A helper that is gone shows at the next report.
    pub(crate) fn send(&mut self, program: &[Instruction], pipe: &OwnedFd) -> Result<(), Errno> {
        self.deadline = Instant::now() + DEADLINE;
        let encoded = encode_program(program);
        let length = u32::try_from(encoded.len()).map_err(|_| libc::E2BIG)?;
        let message = [length.to_ne_bytes().as_slice(), &encoded].concat();
        sys::set_nonblocking(pipe)?;
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            match sys::write_some(pipe.as_fd(), rest) {
                Ok(count) => rest = &rest[count..],
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN) => {
                    if sys::poll([(pipe.as_fd(), libc::POLLOUT)], self.deadline)? == [false] {
                        return Err(libc::ETIMEDOUT);
                    }
                }
                Err(libc::EPIPE) => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// The next report, or that another descriptor is readable before it. ETIMEDOUT at the deadline.
    ///
    /// A report is smaller than what a pipe writes whole. What was reported counts before the end of the reporter.
    pub(crate) fn read(&self, process: BorrowedFd<'_>, other: Option<BorrowedFd<'_>>) -> Result<Heard, Errno> {
        let readable = |fd| (fd, libc::POLLIN);
        let [reports, process_fd] = [self.reports.as_fd(), process].map(readable);
        let other = other.map_or(process_fd, readable);
        match sys::poll([reports, process_fd, other], self.deadline)? {
            [true, ..] => {}
            [_, true, _] => return Ok(Heard::End),
            [.., true] => return Ok(Heard::Other),
            [..] => return Err(libc::ETIMEDOUT),
        }
        let mut bytes = [0; REPORT_SIZE];
        match sys::read_some(self.reports.as_fd(), &mut bytes)? {
            REPORT_SIZE => Ok(Heard::Report(Report::decode(&bytes).ok_or(libc::EBADMSG)?)),
            _ => Ok(Heard::End),
        }
    }
}
