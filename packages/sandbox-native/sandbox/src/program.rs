//! A program outside of the sandbox, with the rights of this process: build hooks and post-build hooks.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use drvkit_helper::{ENGINE_FD, Instruction, LOG_FDS, Op, PERFORM, PROGRAM_FD, REPORT_FD, Report};

use crate::channel::{Channel, Heard};
use crate::child::Child;
use crate::error::{Error, explain_program};
use crate::executable::{self, Place};
use crate::reactor::{Reactor, Waiter, Watch, Watched, reactor};
use crate::sys::{self, Errno, Pipe};

/// What the standard input of a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A pipe of which this process has the write end.
    Pipe,
    /// That of this process.
    Inherited,
}

/// The fields of a [`ProgramSpec`].
#[derive(Clone, Debug)]
pub struct ProgramParts {
    /// Absolute path.
    pub program: Vec<u8>,
    /// All of argv.
    pub argv: Vec<Vec<u8>>,
    /// Names and values.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Working directory; that of this process if there is none.
    pub cwd: Option<Vec<u8>>,
    /// In a session of its own.
    pub session: bool,
    /// Its standard input.
    pub input: Input,
    /// Whether there is a log pipe, of which the program has both ends as [`LOG_FDS`].
    pub log_pipe: bool,
    /// A directory for short-lived files.
    pub temp_dir: Vec<u8>,
}

/// A description that has one meaning.
pub struct ProgramSpec {
    parts: ProgramParts,
}

impl ProgramParts {
    /// Of a program that runs beside a builder, in a session of its own.
    pub(crate) fn beside(program: &[u8], argv: Vec<Vec<u8>>, env: Vec<(Vec<u8>, Vec<u8>)>, temp_dir: &[u8]) -> Self {
        let (program, temp_dir) = (program.to_vec(), temp_dir.to_vec());
        Self { program, argv, env, cwd: None, session: true, input: Input::Pipe, log_pipe: false, temp_dir }
    }
}

impl ProgramSpec {
    /// Refuses what the system would cut or take for something else.
    pub fn new(parts: ProgramParts) -> Result<Self, Error> {
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        if !parts.program.starts_with(b"/") {
            return Err(Error::program_spec(format!("the program \"{}\" is no absolute path", shown(&parts.program))));
        }
        if parts.argv.is_empty() {
            return Err(Error::program_spec("the arguments of a program begin with its name: there are none".into()));
        }
        let texts = [&parts.program].into_iter().chain(&parts.cwd).chain(&parts.argv);
        let names_and_values = parts.env.iter().flat_map(|(name, value)| [name, value]);
        if let Some(text) = texts.chain(names_and_values).find(|text| text.contains(&0)) {
            return Err(Error::program_spec(format!("\"{}\" has a zero byte", shown(text).escape_debug())));
        }
        if let Some((name, _)) = parts.env.iter().find(|(name, _)| name.is_empty() || name.contains(&b'=')) {
            return Err(Error::program_spec(format!("\"{}\" is no name of an environment variable", shown(name))));
        }
        Ok(Self { parts })
    }

    /// Why this order: descriptors are closed once the one that tells of the end of this process is not needed any more.
    fn plan(&self) -> Vec<Instruction> {
        let ProgramParts { program, argv, env, cwd, session, log_pipe, .. } = &self.parts;
        let mut ops = vec![Op::DefaultSignals, Op::DeathSignal];
        ops.extend(session.then_some(Op::NewSession));
        ops.extend(cwd.clone().map(|path| Op::ChangeDirectory { path }));
        ops.push(Op::CloseDescriptors { log: *log_pipe });
        ops.push(Op::Become {
            path: program.clone(),
            arguments: argv.clone(),
            environment: env.iter().map(|(name, value)| [name.as_slice(), b"=", value].concat()).collect(),
        });
        ops.into_iter().map(Instruction::from).collect()
    }
}

/// A program that runs. Dropped, it is killed.
pub struct Program {
    pid: i32,
    watch: Watch,
    pipes: Option<ProgramPipes>,
}

/// Our ends of the pipes of a program.
pub struct ProgramPipes {
    /// Of its standard input, unless that is inherited.
    pub input: Option<OwnedFd>,
    /// Of its standard output and its standard error.
    pub output: OwnedFd,
    /// Of its log.
    pub log: Option<LogEnds>,
}

/// Both ends of a log pipe.
pub struct LogEnds {
    /// Does not block, though the end that the program has does.
    pub read: OwnedFd,
    /// As long as it is open the pipe has no end.
    pub write: OwnedFd,
}

impl Program {
    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The pipes, once: whoever takes them closes them.
    pub fn take_pipes(&mut self) -> Option<ProgramPipes> {
        self.pipes.take()
    }

    /// Calls `waiter` with the exit, on the reactor's thread: it must not block.
    pub fn next(&self, waiter: Waiter) {
        self.watch.next(waiter);
    }

    /// Sends a signal to its session, if it has one, else to it alone; nothing once it was reaped.
    pub fn signal(&self, signal: i32) {
        self.watch.signal(signal);
    }
}

/// Starts the program; waits until it runs.
pub fn start_program(spec: &ProgramSpec) -> Result<Program, Error> {
    start_as(spec, &spec.plan())
}

/// Starts a process that ends a control group, by its file `cgroup.kill`, once this process is gone.
pub(crate) fn start_guard(kill: &[u8], temp_dir: &[u8]) -> Result<Program, Error> {
    let spec = ProgramSpec::new(ProgramParts::beside(kill, vec![b"guard".to_vec()], Vec::new(), temp_dir))?;
    let ops = [Op::DefaultSignals, Op::NewSession, Op::Guard { path: kill.to_vec() }];
    start_as(&spec, &ops.map(Instruction::from))
}

fn start_as(spec: &ProgramSpec, program: &[Instruction]) -> Result<Program, Error> {
    let failed = |step: &'static str| move |errno| Error::program(&spec.parts.program, step, None, errno);
    let reactor = reactor().map_err(failed("reactor"))?;
    let (theirs, ours) = open_pipes(spec).map_err(failed("open-pipe"))?;
    let Pipes { instructions, reports, ends } = ours;
    let pid = spawn(reactor, spec, theirs).map_err(failed("spawn-helper"))?;
    let process = Child::of(pid).map_err(failed("follow-process"))?;
    let channel = Channel::open(program, &instructions, reports).map_err(failed("send-program"))?;
    let mut ready = false;
    // The end of the reports is that the program has taken the helper's place.
    while let Heard::Report(report) = channel.read(process.as_fd(), None).map_err(failed("read-report"))? {
        match report {
            Report::Ready => ready = true,
            Report::Failed { index, errno, .. } => {
                let op = program.get(index as usize).map(|instruction| &instruction.op);
                return Err(
                    op.map_or_else(|| failed("unknown")(errno), |op| explain_program(&spec.parts.program, op, errno))
                );
            }
            _ => return Err(failed("read-report")(libc::EBADMSG)),
        }
    }
    if !ready {
        return Err(failed("set-up")(libc::ECHILD));
    }
    let group = spec.parts.session.then_some(pid);
    let watch = reactor.watch(Watched {
        terminal: None,
        process: process.release(),
        group,
        kill: libc::SIGKILL,
        connection: None,
        guard: None,
    });
    Ok(Program { pid, watch, pipes: Some(ends) })
}

/// Our ends of all pipes of a start.
struct Pipes {
    instructions: OwnedFd,
    reports: OwnedFd,
    ends: ProgramPipes,
}

/// Descriptors of the helper, with their numbers there.
type Theirs = Vec<(OwnedFd, Vec<RawFd>)>;

fn open_pipes(spec: &ProgramSpec) -> Result<(Theirs, Pipes), Errno> {
    let (instructions, reports, output) = (sys::pipe()?, sys::pipe()?, sys::pipe()?);
    let mut theirs = vec![
        (output.write, vec![1, 2]),
        (instructions.read, vec![PROGRAM_FD]),
        (reports.write, vec![REPORT_FD]),
        (sys::own_pid_descriptor()?, vec![ENGINE_FD]),
    ];
    let input = match spec.parts.input {
        Input::Pipe => {
            let Pipe { read, write } = sys::pipe()?;
            theirs.push((read, vec![0]));
            Some(write)
        }
        Input::Inherited => {
            theirs.push((sys::duplicate(0)?, vec![0]));
            None
        }
    };
    let mut log = None;
    if spec.parts.log_pipe {
        let Pipe { read, write } = sys::pipe()?;
        log = Some(LogEnds { read: sys::reopen_nonblocking(&read)?, write: sys::duplicate(write.as_raw_fd())? });
        let [write_number, read_number] = LOG_FDS;
        theirs.extend([(write, vec![write_number]), (read, vec![read_number])]);
    }
    let ends = ProgramPipes { input, output: output.read, log };
    Ok((theirs, Pipes { instructions: instructions.write, reports: reports.read, ends }))
}

/// On the thread that lives as long as the process, since the death signal of a program follows the thread that started it.
fn spawn(reactor: &Reactor, spec: &ProgramSpec, theirs: Theirs) -> Result<i32, Errno> {
    let place = Place::Shared(spec.parts.temp_dir.clone());
    reactor.on_thread(move || {
        let descriptors: Vec<(RawFd, RawFd)> = theirs
            .iter()
            .flat_map(|(ours, numbers)| numbers.iter().map(move |number| (ours.as_raw_fd(), *number)))
            .collect();
        executable::spawn(&place, &[PERFORM], &descriptors)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn parts() -> ProgramParts {
        ProgramParts {
            program: b"/bin/hook".to_vec(),
            argv: vec![b"hook".to_vec()],
            env: vec![(b"A".to_vec(), b"1=2".to_vec())],
            cwd: Some(b"/".to_vec()),
            session: true,
            input: Input::Pipe,
            log_pipe: true,
            temp_dir: b"/tmp".to_vec(),
        }
    }

    fn steps(parts: ProgramParts) -> Vec<&'static str> {
        ProgramSpec::new(parts).expect("a good description").plan().iter().map(|one| one.op.step()).collect()
    }

    #[test]
    fn the_plan_of_a_hook_and_of_a_plain_program() {
        let hook = [
            "default-signals",
            "death-signal",
            "new-session",
            "change-directory",
            "close-descriptors",
            "execute-program",
        ];
        assert_eq!(steps(parts()), hook);
        let plain = steps(ProgramParts { session: false, cwd: None, ..parts() });
        assert_eq!(plain, ["default-signals", "death-signal", "close-descriptors", "execute-program"]);
    }

    #[test]
    fn what_has_no_single_meaning_is_refused() {
        let variable = |name: &str, value: &str| vec![(name.as_bytes().to_vec(), value.as_bytes().to_vec())];
        for (name, parts) in [
            ("is no absolute path", ProgramParts { program: b"hook".to_vec(), ..parts() }),
            ("there are none", ProgramParts { argv: vec![], ..parts() }),
            ("\"a\\0b\" has a zero byte", ProgramParts { argv: vec![b"a\0b".to_vec()], ..parts() }),
            ("zero byte", ProgramParts { cwd: Some(b"/\0".to_vec()), ..parts() }),
            ("zero byte", ProgramParts { env: variable("A", "\0"), ..parts() }),
            ("\"A=B\" is no name", ProgramParts { env: variable("A=B", "1"), ..parts() }),
            ("\"\" is no name", ProgramParts { env: variable("", "1"), ..parts() }),
        ] {
            let error = ProgramSpec::new(parts).err().expect(name);
            assert_eq!(error.kind, Kind::ProgramSpec);
            assert!(error.message.contains(name), "{}", error.message);
        }
    }
}
