//! From a description to a running builder.

use std::os::fd::AsFd;

use drvkit_helper::{Instruction, Op, Report};

use crate::error::Error;
use crate::layer::{Layer, layers_in_force};
use crate::machine::Machine;
use crate::outside::join_group;
use crate::plan::{Ending, beginning, plan, plan_unconfined, rest};
use crate::reactor::{Reactor, Waiter, Watch, Watched, reactor};
use crate::set_up::{Failed, Helper, Ready, SetUp, Talk, ended};
use crate::skeleton::{self, Owner};
use crate::spec::{Base, Spec};
use crate::sys;

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

/// A sandbox that waits to be told of its builder. Dropped, it is ended.
pub struct Beginning {
    base: Base,
    machine: Machine,
    set_up: SetUp,
}

/// Begins a sandbox ahead of time: its process, its namespaces and its root are there, and nothing is in it yet.
pub fn begin(mut base: Base) -> Result<Beginning, Error> {
    base.check()?;
    let machine = Machine::read();
    let owner = owner(&base, &machine);
    let mut program = beginning(&base, &machine, Ending::Build);
    program.push(Op::AwaitRest.into());
    // Where programs cannot be run from memory there is no directory for one yet.
    let set_up = SetUp::begin(&base, owner, program, b"", known_reactor()?).map_err(|failed| failed.error)?;
    Ok(Beginning { base, machine, set_up })
}

/// Starts the builder, in a sandbox that was begun with the same base if there is one; waits until it runs.
pub fn start(spec: &Spec, begun: Option<Beginning>) -> Result<Process, Error> {
    let base = &spec.parts.base;
    if begun.as_ref().is_some_and(|begun| begun.base != *base) {
        return Err(Error::spec("the sandbox was begun for another builder".into()));
    }
    // One that has ended meanwhile is as good as none.
    let begun = begun.filter(|begun| begun.set_up.is_alive());
    let (machine, begun) = match begun {
        Some(Beginning { machine, set_up, .. }) => (machine, Some(set_up)),
        None => (Machine::read(), None),
    };
    let owner = owner(base, &machine);
    skeleton::make(spec, owner)?;
    let reactor = known_reactor()?;
    let set_up = match begun {
        Some(mut set_up) => {
            set_up.go_on(rest(spec, &machine, Ending::Build))?;
            Ok(set_up)
        }
        None => SetUp::begin(base, owner, plan(spec, &machine, Ending::Build), &spec.parts.temp_dir, reactor),
    };
    let ready = set_up.and_then(SetUp::finish).map_err(|failed| failed.error)?;
    let Ready { pid, process, terminal, program, skipped, connection, guard } = ready;
    // The builder is the first process of its namespace, so its end is the end of all of them.
    let kill = libc::SIGKILL;
    let watch = reactor.watch(Watched { terminal: Some(terminal), process, group: None, kill, connection, guard });
    let layers = layers_in_force(&program, &skipped, owner.is_some());
    Ok(Process { pid, layers, watch })
}

/// Starts the builder outside of any sandbox, in its build directory; waits until it runs.
pub fn start_unconfined(spec: &Spec) -> Result<Process, Error> {
    let machine = Machine::read();
    let owner = owner(&spec.parts.base, &machine);
    skeleton::make_plain(spec, owner)?;
    let program = plan_unconfined(spec, &machine);
    let reactor = known_reactor()?;
    let helper = Helper::start(&spec.parts.temp_dir, owner, reactor)?;
    join_group(helper.pid, &spec.parts.base)?;
    let mut talk = Talk::begin(program, &helper.instructions, helper.reports)?;
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
    let layers = layers_in_force(&talk.program, &talk.skipped, owner.is_some());
    Ok(Process { pid, layers, watch })
}

/// Performs everything up to the builder; which instructions were skipped.
pub(crate) fn try_out(spec: &Spec, machine: &Machine, program: &[Instruction]) -> Result<Vec<u32>, Failed> {
    let owner = owner(&spec.parts.base, machine);
    skeleton::make(spec, owner)?;
    let set_up = SetUp::begin(&spec.parts.base, owner, program.to_vec(), &spec.parts.temp_dir, known_reactor()?)?;
    let ready = set_up.finish()?;
    let _ = sys::wait(ready.process.as_fd());
    Ok(ready.skipped)
}

fn known_reactor() -> Result<&'static Reactor, Error> {
    reactor().map_err(|errno| Error::setup("reactor", None, errno))
}

/// Only root can make files for somebody else, and only then is there somebody else.
fn owner(base: &Base, machine: &Machine) -> Option<Owner> {
    let (uid, gid) = (base.host_uid, base.host_gid);
    (machine.uid == 0 && uid != 0).then_some(Owner { uid, gid })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::Kind;
    use crate::seccomp::KILL_PROCESS;
    use crate::spec::tests::parts;
    use crate::spec::{Base, SpecParts};

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
            base: Base { host_uid, host_gid, ..parts().base },
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
