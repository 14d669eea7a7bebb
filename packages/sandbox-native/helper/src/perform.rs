//! The loop over the program.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd};

use drvkit_helper::{
    ENGINE_FD, GO, GO_FD, Instruction, LOG_FDS, Op, PROGRAM_FD, REPORT_FD, Report, TERMINAL_FD, decode_program,
};

use crate::root::{Failure, Owner, Root};
use crate::supervise::supervise;
use crate::sys::{self, Errno};

/// Performs the instructions in order; returns only when one has failed, and has reported it then.
pub fn perform(mut program: Vec<Instruction>) {
    let mut state = State { root: None, rest: Vec::new() };
    let mut next = 0;
    while let Some(instruction) = program.get(next) {
        let index = next as u32;
        match state.perform(&instruction.op) {
            Ok(()) => {}
            Err(failure) if instruction.tolerated.contains(&failure.errno) => {
                sys::report(Report::Skipped { index, errno: failure.errno });
            }
            Err(failure) => {
                return sys::report(Report::Failed { index, errno: failure.errno, subject: failure.subject });
            }
        }
        next += 1;
        program.append(&mut state.rest);
    }
}

/// What is sent as one message.
pub fn read_program() -> Result<Vec<Instruction>, Errno> {
    decode_program(&sys::read_message(PROGRAM_FD)?).map_err(|_| libc::EBADMSG)
}

struct State {
    root: Option<Root>,
    /// Instructions that came since.
    rest: Vec<Instruction>,
}

impl State {
    fn perform(&mut self, op: &Op) -> Result<(), Failure> {
        match op {
            Op::DropGroups => sys::drop_groups()?,
            Op::KillUser { uid } => sys::as_user_for_signals(*uid, sys::kill_all)?,
            Op::Clone { flags, group } => clone(*flags, group.as_deref())?,
            Op::AwaitGo => await_go()?,
            Op::AwaitRest => self.rest = read_program()?,
            Op::CgroupNamespace => sys::new_cgroup_namespace()?,
            Op::AwaitRoute => sys::await_route()?,
            Op::Supervise { uid } => supervise(*uid)?,
            Op::Guard { path } => guard(path)?,
            Op::DeathSignal => death_signal()?,
            Op::DefaultSignals => sys::default_signals()?,
            Op::NewSession => sys::new_session()?,
            Op::Terminal => sys::standard_output(TERMINAL_FD)?,
            Op::Umask { mask } => sys::umask(*mask),
            Op::LoopbackUp => sys::loopback_up()?,
            Op::HostName { name } => sys::set_host_name(name)?,
            Op::DomainName { name } => sys::set_domain_name(name)?,
            Op::PrivateMounts => sys::private_mounts()?,
            Op::NewRoot { kind, options, uid, gid } => {
                self.root = Some(Root::new(kind, options, Owner { uid: *uid, gid: *gid })?);
            }
            Op::MakeDirectory { target, mode } => self.root()?.make_directory(target, *mode)?,
            Op::MakeFile { target, content } => self.root()?.make_file(target, content)?,
            Op::Symlink { target, text } => self.root()?.symlink(target, text)?,
            Op::Bind { source, target, attributes, optional } => {
                self.root()?.bind(source, target, *attributes, *optional)?;
            }
            Op::Mount { kind, target, options, attributes } => {
                self.root()?.mount(kind, target, options, *attributes)?;
            }
            Op::SetMode { target, mode } => self.root()?.set_mode(target, *mode)?,
            Op::RootAttributes { attributes } => self.root()?.set_attributes(*attributes)?,
            Op::PivotRoot => self.root.take().ok_or(libc::EBADMSG)?.pivot()?,
            Op::NoNewPrivileges => sys::no_new_privileges()?,
            Op::SessionKeyring => sys::new_session_keyring()?,
            Op::Personality { persona } => sys::personality(*persona)?,
            Op::SoftLimit { resource, value } => sys::soft_limit(*resource, *value)?,
            Op::ChangeUser { uid, gid } => sys::change_user(*uid, *gid)?,
            Op::DropCapabilities => sys::drop_capabilities()?,
            Op::ChangeDirectory { path } => sys::change_directory(&sys::c_string(path)?)?,
            Op::CloseDescriptors { log } => close_descriptors(*log)?,
            Op::Landlock { scoped } => sys::landlock(*scoped)?,
            Op::Seccomp { program } => sys::seccomp(program)?,
            Op::Execute { path, arguments, environment } => {
                let errno = execute(path, arguments, environment)?;
                say_not_executed(path, errno);
            }
            Op::Become { path, arguments, environment } => Err(execute(path, arguments, environment)?)?,
            Op::Finish => {
                sys::report(Report::Ready);
                sys::exit(0);
            }
        }
        Ok(())
    }

    fn root(&self) -> Result<&Root, Failure> {
        self.root.as_ref().ok_or(Failure::from(libc::EBADMSG))
    }
}

/// The clone goes on with the program; this process has nothing more to do than to say who it is.
///
/// A process that begins in a control group is there at once. One that is moved into it may have to wait until all processors have
/// taken note, which takes tens of milliseconds; that is left to the engine where the other way cannot be had: before Linux 5.7, or where
/// a container forbids the call. Then the engine finds the reason as well, if there is one.
fn clone(flags: u64, group: Option<&[u8]>) -> Result<(), Errno> {
    let begun = group.and_then(|path| clone_into(flags, path).ok());
    let joined = begun.is_some();
    let pid = begun.map_or_else(|| sys::clone(flags), Ok)?;
    if pid != 0 {
        sys::report(Report::Cloned { pid, joined });
        sys::exit(0);
    }
    Ok(())
}

fn clone_into(flags: u64, group: &[u8]) -> Result<i32, Errno> {
    sys::clone_into(flags, sys::open_path(&sys::c_string(group)?)?.as_fd())
}

fn await_go() -> Result<(), Errno> {
    if sys::read_byte(GO_FD)? == Some(GO) { Ok(()) } else { Err(libc::EPIPE) }
}

/// The signal alone is not enough: the engine may have ended before it was armed.
fn death_signal() -> Result<(), Errno> {
    sys::arm_death_signal()?;
    if sys::is_readable(ENGINE_FD)? {
        sys::exit(1);
    }
    Ok(())
}

/// The file is open before anything depends on it.
fn guard(path: &[u8]) -> Result<(), Errno> {
    let group = sys::open_to_write(&sys::c_string(path)?)?;
    sys::report(Report::Ready);
    sys::close_range(REPORT_FD, REPORT_FD)?;
    sys::wait_until_readable(ENGINE_FD)?;
    let written = sys::write_all(group.as_raw_fd(), b"1");
    sys::exit(i32::from(written.is_err()))
}

fn close_descriptors(log: bool) -> Result<(), Errno> {
    let [_, last_kept] = LOG_FDS;
    sys::close_range(3, if log { PROGRAM_FD } else { last_kept })?;
    sys::close_above(REPORT_FD)?;
    sys::close_on_exec(REPORT_FD)
}

/// Returns only when it failed, then with the reason. Everything else that can fail is done before the report.
fn execute(path: &[u8], arguments: &[Vec<u8>], environment: &[Vec<u8>]) -> Result<Errno, Errno> {
    let c_strings =
        |texts: &[Vec<u8>]| texts.iter().map(|text| sys::c_string(text)).collect::<Result<Vec<CString>, _>>();
    let (program, arguments, environment) = (sys::c_string(path)?, c_strings(arguments)?, c_strings(environment)?);
    sys::report(Report::Ready);
    Ok(sys::execute(&program, &arguments, &environment))
}

/// Nobody reads reports of a builder any more: only its own output is left to say what went wrong.
fn say_not_executed(path: &[u8], errno: Errno) -> ! {
    let mut message = b"executing '".to_vec();
    message.extend_from_slice(path);
    message.extend_from_slice(b"': ");
    message.extend_from_slice(&sys::error_text(errno));
    let _ = sys::write_all(2, &message);
    sys::exit(1)
}
