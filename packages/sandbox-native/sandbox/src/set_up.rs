//! A set-up on its way: the talk with the helper, from its start until the builder runs.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use drvkit_helper::{GO, Instruction, Op, Report};

use crate::channel::{Channel, DEADLINE, Heard};
use crate::child::Child;
use crate::error::{Error, explain};
use crate::machine::Limits;
use crate::network::Connection;
use crate::outside::{join_group, map_ids};
use crate::program::{Program, start_guard};
use crate::reactor::Reactor;
use crate::skeleton::Owner;
use crate::spec::{Base, Ids};
use crate::sys::{self, Errno, ExitStatus};
use crate::template::CopyRequest;

/// A set-up that failed: why, and at which instruction if it was one of them.
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) index: Option<u32>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, index: None }
    }
}

/// A process in namespaces of its own that performs a program. Dropped, it is killed.
pub(crate) struct SetUp {
    pid: i32,
    builder: Child,
    terminal: OwnedFd,
    instructions: OwnedFd,
    talk: Talk,
    guard: Option<Program>,
}

/// A set-up that was followed to its end.
pub(crate) struct Ready {
    pub(crate) pid: i32,
    pub(crate) process: OwnedFd,
    pub(crate) terminal: OwnedFd,
    pub(crate) program: Vec<Instruction>,
    pub(crate) skipped: Vec<u32>,
    pub(crate) connection: Option<Connection>,
    pub(crate) guard: Option<Program>,
}

impl SetUp {
    /// Starts it, and lets it go on when what it cannot do for itself is done.
    pub(crate) fn begin(
        base: &Base,
        owner: Option<Owner>,
        program: Vec<Instruction>,
        directory: &[u8],
        reactor: &Reactor,
    ) -> Result<SetUp, Failed> {
        let Helper { process: helper, terminal, instructions, go, reports, .. } =
            Helper::start(directory, owner, reactor)?;
        let mut talk = Talk::begin(program, &instructions, reports)?;
        let (pid, joined) = match talk.next(helper.as_fd())? {
            Some(Report::Cloned { pid, joined }) => (pid, joined),
            _ => return Err(ended("clone", helper.wait()).into()),
        };
        let builder = follow(pid)?;
        let _ = helper.wait();
        let connect = || Connection::make(&base.network, pid, directory);
        let join = || if joined { Ok(()) } else { join_group(pid, base) };
        let connection = match join().and_then(|()| map_ids(pid, base, owner.is_some())).and_then(|()| connect()) {
            Ok(connection) => connection,
            Err(error) => {
                drop(go);
                return Err(instead_of(error, &mut talk, builder));
            }
        };
        talk.connection = connection;
        let guard = guard_of(base, directory)?;
        let say_go = || sys::write_all(go.as_raw_fd(), &[GO]).map_err(|errno| Error::setup("map-ids", None, errno));
        if let Err(error) = say_go() {
            return Err(instead_of(error, &mut talk, builder));
        }
        Ok(SetUp { pid, builder, terminal, instructions, talk, guard })
    }

    /// Whether its process still runs.
    pub(crate) fn is_alive(&self) -> bool {
        sys::poll([(self.builder.as_fd(), libc::POLLIN)], Instant::now()) == Ok([false])
    }

    /// Says what is to be done after what it was begun with.
    pub(crate) fn go_on(&mut self, rest: Vec<Instruction>) -> Result<(), Error> {
        self.talk.go_on(rest, &self.instructions)
    }

    /// Waits until all is done.
    pub(crate) fn finish(self) -> Result<Ready, Failed> {
        let SetUp { pid, builder, terminal, mut talk, guard, .. } = self;
        match talk.next(builder.as_fd())? {
            Some(Report::Ready) => {}
            _ => return Err(ended("set-up", builder.wait()).into()),
        }
        let Talk { program, connection, skipped, .. } = talk;
        Ok(Ready { pid, process: builder.release(), terminal, program, skipped, connection, guard })
    }
}

/// A helper and the ways to talk to it.
pub(crate) struct Helper {
    pub(crate) pid: i32,
    pub(crate) process: Child,
    pub(crate) terminal: OwnedFd,
    pub(crate) instructions: OwnedFd,
    go: OwnedFd,
    pub(crate) reports: OwnedFd,
}

impl Helper {
    /// `directory` is private, for a machine that runs no programs from memory.
    ///
    /// The process that helpers are copies of may be killed at the moment it is asked. Whether it made a copy is not known
    /// then, so the second is asked with descriptors of its own: a first one finds its instructions closed, and ends.
    pub(crate) fn start(directory: &[u8], owner: Option<Owner>, reactor: &Reactor) -> Result<Helper, Error> {
        let failed = |errno| Error::setup("spawn-helper", None, errno);
        match Self::ask(directory, owner, reactor)? {
            Err(libc::ECHILD) => Self::ask(directory, owner, reactor)?.map_err(failed),
            asked => asked.map_err(failed),
        }
    }

    fn ask(directory: &[u8], owner: Option<Owner>, reactor: &Reactor) -> Result<Result<Helper, Errno>, Error> {
        let failed = |step: &'static str| move |errno| Error::setup(step, None, errno);
        let terminal = sys::terminal().map_err(failed("open-terminal"))?;
        if let Some(Owner { uid, .. }) = owner {
            // The builder may open it again, as /dev/stderr.
            sys::change_owner(terminal.slave.as_fd(), Some(uid), Some(0)).map_err(failed("open-terminal"))?;
        }
        sys::change_mode(terminal.slave.as_fd(), 0o600).map_err(failed("open-terminal"))?;
        let pipe = || sys::pipe().map_err(failed("open-pipe"));
        let (instructions, go, reports) = (pipe()?, pipe()?, pipe()?);
        let engine = sys::own_pid_descriptor().map_err(failed("follow-process"))?;
        // In the order of their numbers there.
        let descriptors = [instructions.read, go.read, terminal.slave, reports.write, engine];
        let pid = match reactor.spawn(&CopyRequest { directory: directory.to_vec(), descriptors }) {
            Ok(pid) => pid,
            Err(errno) => return Ok(Err(errno)),
        };
        Ok(Ok(Helper {
            pid,
            process: follow(pid)?,
            terminal: terminal.master,
            instructions: instructions.write,
            go: go.write,
            reports: reports.read,
        }))
    }
}

fn follow(pid: i32) -> Result<Child, Error> {
    Child::of(pid).map_err(|errno| Error::setup("follow-process", None, errno))
}

/// A process that is gone has no ids to map: then its own report, or its end, is the reason. One that is alive sees the
/// end of the pipe and reports only that.
fn instead_of(error: Error, talk: &mut Talk, builder: Child) -> Failed {
    match talk.next(builder.as_fd()) {
        Err(failed) if op_at(&talk.program, failed.index) != Some(&Op::AwaitGo) => failed,
        Ok(None) => match builder.wait() {
            Some(status @ ExitStatus::Signalled(_)) => ended("set-up", Some(status)).into(),
            _ => error.into(),
        },
        _ => error.into(),
    }
}

/// Root of a machine of its own changes its ids, which turns its death signal off; its group is ended all the same.
fn guard_of(base: &Base, directory: &[u8]) -> Result<Option<Program>, Error> {
    match (base.ids, &base.cgroup) {
        (Ids::Range, Some(group)) => start_guard(&[group, b"/cgroup.kill".as_slice()].concat(), directory).map(Some),
        _ => Ok(None),
    }
}

pub(crate) fn ended(step: &str, status: Option<ExitStatus>) -> Error {
    let how = match status {
        Some(ExitStatus::Exited(code)) => format!("with exit code {code}"),
        Some(ExitStatus::Signalled(signal)) => format!("by signal {signal}"),
        None => "without a status".to_owned(),
    };
    Error::ended(step, format!("the sandbox ended {how} during its set-up"))
}

/// The reports of one set-up.
pub(crate) struct Talk {
    pub(crate) program: Vec<Instruction>,
    channel: Channel,
    connection: Option<Connection>,
    pub(crate) skipped: Vec<u32>,
}

impl Talk {
    /// Sends the program.
    pub(crate) fn begin(program: Vec<Instruction>, helper: &OwnedFd, reports: OwnedFd) -> Result<Talk, Error> {
        let channel = Channel::open(&program, helper, reports).map_err(not_sent)?;
        Ok(Talk { program, channel, connection: None, skipped: Vec::new() })
    }

    /// Sends what follows.
    pub(crate) fn go_on(&mut self, rest: Vec<Instruction>, helper: &OwnedFd) -> Result<(), Error> {
        self.channel.send(&rest, helper).map_err(not_sent)?;
        self.program.extend(rest);
        Ok(())
    }

    /// The next report that is neither about a skipped instruction nor an error; `None` if the process has ended.
    pub(crate) fn next(&mut self, process: BorrowedFd<'_>) -> Result<Option<Report>, Failed> {
        loop {
            match self.read(process)? {
                Some(Report::Skipped { index, .. }) => self.skipped.push(index),
                Some(Report::Failed { index, errno, subject }) => {
                    let error = match self.program.get(index as usize) {
                        Some(instruction) => explain(&instruction.op, subject, errno, &Limits::read()),
                        None => Error::setup("unknown", None, errno),
                    };
                    return Err(Failed { error, index: Some(index) });
                }
                Some(Report::BadProgram) => {
                    return Err(Error::ended("read-program", "bug: the helper cannot read its program".into()).into());
                }
                other => return Ok(other),
            }
        }
    }

    fn read(&self, process: BorrowedFd<'_>) -> Result<Option<Report>, Error> {
        let ended = self.connection.as_ref().map(Connection::ended);
        match self.channel.read(process, ended) {
            Ok(Heard::Report(report)) => Ok(Some(report)),
            Ok(Heard::End) => Ok(None),
            Ok(Heard::Other) => Err(self.connection.as_ref().map_or_else(
                || Error::ended("network", "bug: the end of what was not started".into()),
                Connection::error,
            )),
            Err(libc::ETIMEDOUT) => {
                let seconds = DEADLINE.as_secs();
                Err(Error::ended("deadline", format!("the set-up of the sandbox took longer than {seconds} s")))
            }
            Err(errno) => Err(Error::setup("read-report", None, errno)),
        }
    }
}

fn not_sent(errno: Errno) -> Error {
    Error::setup("send-program", None, errno)
}

/// The instruction at a position, for who reads a failure.
pub(crate) fn op_at(program: &[Instruction], index: Option<u32>) -> Option<&Op> {
    index.and_then(|index| program.get(index as usize)).map(|instruction| &instruction.op)
}
