//! From a description and what the machine offers to the list of operations. Pure: every decision is made here, and the
//! helper makes none.

mod mounts;
mod rights;
#[cfg(test)]
mod tests;

use drvkit_helper::{Instruction, Op};

use self::mounts::mounts;
use self::rights::rights;
use crate::machine::Machine;
use crate::spec::{Base, Network, Spec};

/// What happens after the set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The builder runs.
    Build,
    /// Nothing: the set-up was only tried.
    Try,
}

/// The operations, in order. Nix: src/libstore/linux/build/chroot-linux-derivation-builder.cc, `enterChroot`.
pub fn plan(spec: &Spec, machine: &Machine, ending: Ending) -> Vec<Instruction> {
    let mut program = beginning(&spec.parts.base, machine, ending);
    program.extend(rest(spec, machine, ending));
    program
}

/// Those that need to know nothing of the builder.
pub(crate) fn beginning(base: &Base, machine: &Machine, ending: Ending) -> Vec<Instruction> {
    let mut program: Vec<Instruction> = clear_user(base, machine, ending).into_iter().collect();
    program.extend(process(base, machine));
    program.extend(identity(base));
    program.extend([Op::PrivateMounts, mounts::new_root(base)].map(Instruction::from));
    program
}

/// Those that follow.
pub(crate) fn rest(spec: &Spec, machine: &Machine, ending: Ending) -> Vec<Instruction> {
    let mut program = mounts(spec, machine);
    program.extend(rights(spec, machine, spec.parts.base.ids.inner()));
    program.push(last(spec, ending).into());
    program
}

/// The operations of a build without a root and namespaces of its own: it sees the machine, and a process above it ends what
/// it leaves. Nix: src/libstore/unix/build/derivation-builder.cc, `startChild`.
pub fn plan_unconfined(spec: &Spec, machine: &Machine) -> Vec<Instruction> {
    let (uid, gid) = (spec.parts.base.host_uid, spec.parts.base.host_gid);
    let allocated = (machine.uid == 0 && uid != 0).then_some(uid);
    let mut program: Vec<Instruction> = clear_user(&spec.parts.base, machine, Ending::Build).into_iter().collect();
    let must = machine.can_drop_groups || spec.parts.base.groups_must_go;
    program.push(tolerating(Op::DropGroups, if must { &[] } else { &[libc::EPERM] }));
    program.push(Op::Supervise { uid: allocated }.into());
    program.extend(
        [Op::DeathSignal, Op::DefaultSignals, Op::Umask { mask: 0o022 }, Op::NewSession, Op::Terminal]
            .map(Instruction::from),
    );
    program.extend(rights(spec, machine, (uid, gid)));
    program.push(last(spec, Ending::Build).into());
    program
}

fn tolerating(op: Op, tolerated: &[i32]) -> Instruction {
    Instruction { op, tolerated: tolerated.to_vec() }
}

/// The ids were another build's before, and something of it may have outlived the engine that ran it. Who only tries
/// holds no ids: they may be those of a build that runs.
fn clear_user(base: &Base, machine: &Machine, ending: Ending) -> Option<Instruction> {
    let uid = base.host_uid;
    (ending == Ending::Build && machine.uid == 0 && uid != 0).then(|| Op::KillUser { uid }.into())
}

/// From the helper to a process of its own.
fn process(base: &Base, machine: &Machine) -> Vec<Instruction> {
    let namespaces =
        libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let network = if has_own_network(base) { libc::CLONE_NEWNET } else { 0 };
    // CLONE_PARENT: the builder is a child of the engine, which then learns of its end.
    let flags = namespaces | network | libc::CLONE_PARENT | libc::SIGCHLD;
    let first = machine.can_drop_groups.then(|| Instruction::from(Op::DropGroups));
    // Who is not root may drop groups only in a namespace whose map of groups a program with that right has written; those
    // that stay show as 65534 inside.
    let later = (!machine.can_drop_groups)
        .then(|| tolerating(Op::DropGroups, if base.groups_must_go { &[] } else { &[libc::EPERM] }));
    let mut ops: Vec<Instruction> = first.into_iter().collect();
    ops.extend([
        Op::DefaultSignals.into(),
        Op::Umask { mask: 0o022 }.into(),
        Op::Clone { flags: flags as u64, group: base.cgroup.clone() }.into(),
        Op::DeathSignal.into(),
        Op::AwaitGo.into(),
    ]);
    ops.extend(later);
    ops.extend([Op::NewSession.into(), Op::Terminal.into()]);
    // Its own group is the root of what it sees, so it is in it already.
    ops.extend(base.cgroup.is_some().then(|| Op::CgroupNamespace.into()));
    ops
}

/// With nothing else in it, or with what a program connects it to.
fn has_own_network(base: &Base) -> bool {
    base.network != Network::Host
}

/// Whether the builder talks to others, and needs to know how they are found.
fn is_connected(base: &Base) -> bool {
    base.network != Network::Private
}

/// What the machine seems to be called. Lengths include the final NUL, as Nix passes them.
fn identity(base: &Base) -> Vec<Instruction> {
    let mut ops = Vec::new();
    if has_own_network(base) {
        ops.push(Op::LoopbackUp.into());
    }
    ops.push(Op::HostName { name: b"localhost\0".to_vec() }.into());
    ops.push(Op::DomainName { name: b"(none)\0".to_vec() }.into());
    ops
}

fn last(spec: &Spec, ending: Ending) -> Op {
    match ending {
        Ending::Build => Op::Execute {
            path: spec.parts.builder.clone(),
            arguments: spec.parts.argv.clone(),
            environment: spec.parts.env.clone(),
        },
        Ending::Try => Op::Finish,
    }
}
