//! What the builder may do.

use drvkit_helper::{Instruction, Op};

use super::tolerating;
use crate::machine::Machine;
use crate::seccomp;
use crate::spec::{Ids, Spec};

/// Numbers of limits, the same on every architecture here; their type in C headers is not.
const RLIMIT_CORE: u32 = 4;
const RLIMIT_NOFILE: u32 = 7;
/// Soft limit of open files: what a login has. Node raises its own at start and does not say what it was.
const OPEN_FILES: u64 = 1024;
const PER_LINUX32: u64 = 0x0008;
const UNAME26: u64 = 0x0002_0000;
const ADDR_NO_RANDOMIZE: u64 = 0x0004_0000;
const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
/// First version of Landlock with scopes.
const LANDLOCK_WITH_SCOPES: u32 = 6;

/// The ids change before the filter loads and after the last mount; the death signal is armed
/// again because a change of ids disarms it.
pub(super) fn rights(spec: &Spec, machine: &Machine, (uid, gid): (u32, u32)) -> Vec<Instruction> {
    let mut ops = Vec::new();
    if !spec.parts.renounced.no_new_privileges {
        ops.push(Op::NoNewPrivileges.into());
    }
    // Without keyrings, or where a container forbids their calls, there are no keys to reach.
    ops.push(tolerating(Op::SessionKeyring, &[libc::ENOSYS, libc::EPERM]));
    ops.extend(personality(spec));
    ops.extend([
        Op::SoftLimit { resource: RLIMIT_CORE, value: 0 }.into(),
        Op::SoftLimit { resource: RLIMIT_NOFILE, value: OPEN_FILES }.into(),
    ]);
    let mut user = vec![Op::ChangeUser { uid, gid }];
    if spec.parts.base.ids == Ids::One {
        user.push(Op::DropCapabilities);
    }
    user.extend([Op::DeathSignal, Op::ChangeDirectory { path: spec.parts.build_dir.clone() }]);
    let user: Vec<Instruction> = user.into_iter().map(Instruction::from).collect();
    // They may be had by who has no way to more rights, or has all of them in the namespace.
    let bounds = bounds(spec, machine);
    let parts = if spec.parts.renounced.no_new_privileges { [bounds, user] } else { [user, bounds] };
    ops.extend(parts.into_iter().flatten());
    ops.push(Op::CloseDescriptors { log: false }.into());
    ops
}

/// What limits calls.
fn bounds(spec: &Spec, machine: &Machine) -> Vec<Instruction> {
    let mut ops = Vec::new();
    if machine.landlock_abi >= LANDLOCK_WITH_SCOPES {
        ops.push(tolerating(Op::Landlock { scoped: SCOPE_ABSTRACT_UNIX_SOCKET }, &[libc::EPERM]));
    }
    if !spec.parts.renounced.call_filter {
        ops.push(Op::Seccomp { program: seccomp::program() }.into());
    }
    ops
}

/// The execution domain must be had; what else is asked for is left out where it is refused, as containers allow few values,
/// and an address layout that varies does less harm than no build.
fn personality(spec: &Spec) -> Vec<Instruction> {
    let domain = if spec.parts.personality32 { PER_LINUX32 } else { 0 };
    let release = if spec.parts.linux26 { UNAME26 } else { 0 };
    let refusals = [libc::EPERM, libc::EINVAL, libc::ENOSYS];
    let mut ops = Vec::new();
    if spec.parts.personality32 {
        ops.push(Op::Personality { persona: domain }.into());
    }
    if spec.parts.linux26 {
        ops.push(tolerating(Op::Personality { persona: domain | release }, &refusals));
    }
    ops.push(tolerating(Op::Personality { persona: domain | release | ADDR_NO_RANDOMIZE }, &refusals));
    ops
}
