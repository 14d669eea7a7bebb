//! From a description to a running builder: the talk with the helper, with a deadline for all of it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use drvkit_helper::{GO, Instruction, Op, Report};

use crate::channel::{Channel, DEADLINE, Heard};
use crate::child::Child;
use crate::error::{Error, explain};
use crate::layer::{Layer, layers_in_force};
use crate::machine::{Limits, Machine};
use crate::network::Connection;
use crate::outside::{join_group, map_ids};
use crate::plan::{Ending, plan, plan_unconfined};
use crate::program::{Program, start_guard};
use crate::reactor::{Reactor, Waiter, Watch, Watched, reactor};
use crate::skeleton::{self, Owner};
use crate::spec::{Ids, Spec};
use crate::sys::{self, Errno, ExitStatus};
use crate::template::CopyRequest;

/// A builder whose set-up has succeeded. Dropped, it is killed.
pub struct Process {
    pid: i32,
    layers: Vec<Layer>,
    watch: Watch,
}

impl Process {
    /// Its pid on this machine.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Layers in force, in the order in which they were applied.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Calls `waiter` with the next events, on the reactor's thread: it must not block.
    pub fn next(&self, waiter: Waiter) {
        self.watch.next(waiter);
    }

    /// Ends it and all that it has started.
    pub fn kill(&self) {
        self.watch.kill();
    }
}

/// What a set-up came to that was followed to its end.
pub(crate) struct SetUp {
    pid: i32,
    process: OwnedFd,
    terminal: OwnedFd,
    connection: Option<Connection>,
    guard: Option<Program>,
    skipped: Vec<u32>,
}

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

/// Starts the builder; waits until it runs.
pub fn start(spec: &Spec) -> Result<Process, Error> {
    let machine = Machine::read();
    let owner = owner(spec, &machine);
    skeleton::make(spec, owner)?;
    let program = plan(spec, &machine, Ending::Build);
    let reactor = reactor().map_err(|errno| Error::setup("reactor", None, errno))?;
    let done = set_up(spec, owner, &program, reactor).map_err(|failed| failed.error)?;
    let SetUp { pid, process, terminal, connection, guard, skipped } = done;
    // The builder is the first process of its namespace, so its end is the end of all of them.
    let kill = libc::SIGKILL;
    let watch = reactor.watch(Watched { terminal: Some(terminal), process, group: None, kill, connection, guard });
    let layers = layers_in_force(&program, &skipped, owner.is_some());
    Ok(Process { pid, layers, watch })
}

/// Starts the builder outside of any sandbox, in its build directory; waits until it runs.
pub fn start_unconfined(spec: &Spec) -> Result<Process, Error> {
    let machine = Machine::read();
    let owner = owner(spec, &machine);
    skeleton::make_plain(spec, owner)?;
    let program = plan_unconfined(spec, &machine);
    let reactor = reactor().map_err(|errno| Error::setup("reactor", None, errno))?;
    let helper = Helper::start(spec, owner, reactor)?;
    join_group(helper.pid, spec)?;
    let channel = Channel::open(&program, &helper.instructions, helper.reports);
    let channel = channel.map_err(|errno| Error::setup("send-program", None, errno))?;
    let mut talk = Talk { program: &program, channel, connection: None, skipped: Vec::new() };
    let mut next = || talk.next(helper.process.as_fd()).map_err(|failed| failed.error);
    // The process above the builder tells of it while the builder goes on, so either report may be the first.
    let (mut told, mut ready) = (None, false);
    let pid = loop {
        match next()? {
            Some(Report::Cloned { pid, .. }) => told = Some(pid),
            Some(Report::Ready) => ready = true,
            _ => return Err(ended("set-up", helper.process.wait())),
        }
        if let (Some(pid), true) = (told, ready) {
            break pid;
        }
    };
    let (terminal, process) = (Some(helper.terminal), helper.process.release());
    // The process above the builder ends all that is below it, which it could not do for SIGKILL.
    let kill = libc::SIGTERM;
    let watch = reactor.watch(Watched { terminal, process, group: None, kill, connection: None, guard: None });
    let layers = layers_in_force(&program, &talk.skipped, owner.is_some());
    Ok(Process { pid, layers, watch })
}

/// Performs everything up to the builder; which instructions were skipped.
pub(crate) fn try_out(spec: &Spec, machine: &Machine, program: &[Instruction]) -> Result<Vec<u32>, Failed> {
    let owner = owner(spec, machine);
    skeleton::make(spec, owner)?;
    let reactor = reactor().map_err(|errno| Error::setup("reactor", None, errno))?;
    let done = set_up(spec, owner, program, reactor)?;
    let _ = sys::wait(done.process.as_fd());
    Ok(done.skipped)
}

/// Only root can make files for somebody else, and only then is there somebody else.
fn owner(spec: &Spec, machine: &Machine) -> Option<Owner> {
    let (uid, gid) = (spec.parts.host_uid, spec.parts.host_gid);
    (machine.uid == 0 && uid != 0).then_some(Owner { uid, gid })
}

/// A helper and the ways to talk to it.
struct Helper {
    pid: i32,
    process: Child,
    terminal: OwnedFd,
    instructions: OwnedFd,
    go: OwnedFd,
    reports: OwnedFd,
}

impl Helper {
    /// The process that helpers are copies of may be killed at the moment it is asked. Whether it made a copy is not known
    /// then, so the second is asked with descriptors of its own: a first one finds its instructions closed, and ends.
    fn start(spec: &Spec, owner: Option<Owner>, reactor: &Reactor) -> Result<Helper, Error> {
        let failed = |errno| Error::setup("spawn-helper", None, errno);
        match Self::ask(spec, owner, reactor)? {
            Err(libc::ECHILD) => Self::ask(spec, owner, reactor)?.map_err(failed),
            asked => asked.map_err(failed),
        }
    }

    fn ask(spec: &Spec, owner: Option<Owner>, reactor: &Reactor) -> Result<Result<Helper, Errno>, Error> {
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
        let pid = match reactor.spawn(&CopyRequest { directory: spec.parts.temp_dir.clone(), descriptors }) {
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

fn set_up(spec: &Spec, owner: Option<Owner>, program: &[Instruction], reactor: &Reactor) -> Result<SetUp, Failed> {
    let Helper { process: helper, terminal, instructions, go, reports, .. } = Helper::start(spec, owner, reactor)?;
    let channel = Channel::open(program, &instructions, reports);
    let channel = channel.map_err(|errno| Error::setup("send-program", None, errno))?;
    let mut talk = Talk { program, channel, connection: None, skipped: Vec::new() };
    let (pid, joined) = match talk.next(helper.as_fd())? {
        Some(Report::Cloned { pid, joined }) => (pid, joined),
        _ => return Err(ended("clone", helper.wait()).into()),
    };
    let builder = follow(pid)?;
    let _ = helper.wait();
    let connect = || Connection::make(&spec.parts.network, pid, &spec.parts.temp_dir);
    let join = || if joined { Ok(()) } else { join_group(pid, spec) };
    let connection = match join().and_then(|()| map_ids(pid, spec, owner.is_some())).and_then(|()| connect()) {
        Ok(connection) => connection,
        Err(error) => {
            drop(go);
            return Err(instead_of(error, &mut talk, builder));
        }
    };
    talk.connection = connection;
    let guard = guard_of(spec)?;
    let say_go = || sys::write_all(go.as_raw_fd(), &[GO]).map_err(|errno| Error::setup("map-ids", None, errno));
    if let Err(error) = say_go() {
        return Err(instead_of(error, &mut talk, builder));
    }
    match talk.next(builder.as_fd())? {
        Some(Report::Ready) => {}
        _ => return Err(ended("set-up", builder.wait()).into()),
    }
    let Talk { connection, skipped, .. } = talk;
    Ok(SetUp { pid, process: builder.release(), terminal, connection, guard, skipped })
}

/// A process that is gone has no ids to map: then its own report, or its end, is the reason. One that is alive sees the
/// end of the pipe and reports only that.
fn instead_of(error: Error, talk: &mut Talk<'_>, builder: Child) -> Failed {
    match talk.next(builder.as_fd()) {
        Err(failed) if op_at(talk.program, failed.index) != Some(&Op::AwaitGo) => failed,
        Ok(None) => match builder.wait() {
            Some(status @ ExitStatus::Signalled(_)) => ended("set-up", Some(status)).into(),
            _ => error.into(),
        },
        _ => error.into(),
    }
}

/// Root of a machine of its own changes its ids, which turns its death signal off; its group is ended all the same.
fn guard_of(spec: &Spec) -> Result<Option<Program>, Error> {
    match (spec.parts.ids, &spec.parts.cgroup) {
        (Ids::Range, Some(group)) => {
            start_guard(&[group, b"/cgroup.kill".as_slice()].concat(), &spec.parts.temp_dir).map(Some)
        }
        _ => Ok(None),
    }
}

fn ended(step: &str, status: Option<ExitStatus>) -> Error {
    let how = match status {
        Some(ExitStatus::Exited(code)) => format!("with exit code {code}"),
        Some(ExitStatus::Signalled(signal)) => format!("by signal {signal}"),
        None => "without a status".to_owned(),
    };
    Error::ended(step, format!("the sandbox ended {how} during its set-up"))
}

/// The reports of one set-up.
struct Talk<'a> {
    program: &'a [Instruction],
    channel: Channel,
    connection: Option<Connection>,
    skipped: Vec<u32>,
}

impl Talk<'_> {
    /// The next report that is neither about a skipped instruction nor an error; `None` if the process has ended.
    fn next(&mut self, process: BorrowedFd<'_>) -> Result<Option<Report>, Failed> {
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

/// The instruction at a position, for who reads a failure.
pub(crate) fn op_at(program: &[Instruction], index: Option<u32>) -> Option<&Op> {
    index.and_then(|index| program.get(index as usize)).map(|instruction| &instruction.op)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::Kind;
    use crate::seccomp::KILL_PROCESS;
    use crate::spec::SpecParts;
    use crate::spec::tests::parts;

    /// Runs the program of a plain build after `change`, in a directory of its own.
    fn attempt(change: impl Fn(&mut Vec<Instruction>)) -> Result<Vec<u32>, Failed> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("drvkit-set-up-{}-{count}", std::process::id()));
        std::fs::create_dir(&directory).expect("a new directory");
        let below = |name: &str| directory.join(name).into_os_string().into_encoded_bytes();
        let machine = Machine::read();
        let (host_uid, host_gid) = if machine.uid == 0 { (872_415_232, 872_415_232) } else { own_ids() };
        let spec = Spec::new(SpecParts {
            chroot_dir: below("chroot"),
            temp_dir: below("temp"),
            host_uid,
            host_gid,
            ..parts()
        })
        .expect("a good description");
        let mut program = plan(&spec, &machine, Ending::Try);
        change(&mut program);
        let result = try_out(&spec, &machine, &program);
        let _ = std::process::Command::new("chmod").args(["-R", "u+w"]).arg(&directory).status();
        std::fs::remove_dir_all(&directory).expect("a removable directory");
        result
    }

    fn own_ids() -> (u32, u32) {
        use std::os::unix::fs::MetadataExt;
        let own = std::fs::metadata("/proc/self").expect("/proc");
        (own.uid(), own.gid())
    }

    /// Length of the program, or nothing where the kernel refuses the sandbox.
    fn length() -> Option<usize> {
        let length = std::cell::Cell::new(0);
        match attempt(|program| length.set(program.len())) {
            Err(failed) if failed.error.kind == Kind::Unavailable => {
                eprintln!("skipped: {}", failed.error.message);
                None
            }
            Err(failed) => panic!("{:?}", failed.error),
            Ok(_) => Some(length.get()),
        }
    }

    #[test]
    fn a_failure_at_any_step_is_told_as_that_step() {
        let Some(length) = length() else { return };
        for at in 0..length {
            let broken = || Op::ChangeDirectory { path: b"/no/such".to_vec() }.into();
            let Err(failed) = attempt(|program| program[at] = broken()) else { panic!("step {at} did not fail") };
            assert_eq!((failed.index, failed.error.errno), (Some(at as u32), Some(libc::ENOENT)), "step {at}");
        }
    }

    #[test]
    fn a_death_at_any_step_ends_the_start() {
        let Some(length) = length() else { return };
        // A filter whose only instruction ends the process at its next call.
        let mut filter = vec![0x06, 0, 0, 0];
        filter.extend_from_slice(&KILL_PROCESS.to_ne_bytes());
        for at in 0..length {
            let deadly = [Op::NoNewPrivileges.into(), Op::Seccomp { program: filter.clone() }.into()];
            let result = attempt(|program| drop(program.splice(at..at, deadly.clone())));
            let Err(Failed { error, index: None }) = result else { panic!("step {at} survived") };
            assert!(error.message.ends_with("by signal 31 during its set-up"), "step {at}: {}", error.message);
        }
    }

    #[test]
    fn a_tolerated_failure_is_skipped_and_told() {
        if length().is_none() {
            return;
        }
        let op = Op::ChangeDirectory { path: b"/no/such".to_vec() };
        let skipped = attempt(|program| {
            program.insert(0, Instruction { op: op.clone(), tolerated: vec![libc::ENOENT] });
        });
        assert!(skipped.map_err(|failed| failed.error).expect("a set-up").contains(&0));
    }
}
