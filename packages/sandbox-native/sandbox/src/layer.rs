//! The names of isolation layers, and which operations make them.

use drvkit_helper::{Instruction, Op};

/// A layer of isolation that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Ids of its own.
    UserNamespace,
    /// Mounts of its own.
    MountNamespace,
    /// Processes of its own.
    PidNamespace,
    /// No network but loopback.
    NetworkNamespace,
    /// System V objects and message queues of its own.
    IpcNamespace,
    /// Host name of its own.
    UtsNamespace,
    /// A root of its own; the machine's is gone.
    PivotRoot,
    /// A `/proc` that shows its own processes.
    NewProc,
    /// No program gains rights.
    NoNewPrivs,
    /// The call filter.
    Seccomp,
    /// No abstract sockets of the machine.
    Landlock,
    /// No keys of the caller.
    SessionKeyring,
    /// No groups of the caller.
    DroppedGroups,
    /// A control group of its own.
    Cgroup,
    /// A host uid that is nobody else's.
    AllocatedUid,
}

impl Layer {
    /// The public name.
    pub fn name(self) -> &'static str {
        match self {
            Layer::UserNamespace => "user-namespace",
            Layer::MountNamespace => "mount-namespace",
            Layer::PidNamespace => "pid-namespace",
            Layer::NetworkNamespace => "network-namespace",
            Layer::IpcNamespace => "ipc-namespace",
            Layer::UtsNamespace => "uts-namespace",
            Layer::PivotRoot => "pivot-root",
            Layer::NewProc => "new-proc",
            Layer::NoNewPrivs => "no-new-privs",
            Layer::Seccomp => "seccomp",
            Layer::Landlock => "landlock",
            Layer::SessionKeyring => "session-keyring",
            Layer::DroppedGroups => "dropped-groups",
            Layer::Cgroup => "cgroup",
            Layer::AllocatedUid => "allocated-uid",
        }
    }
}

/// The layers that an instruction makes.
pub(crate) fn layers_of(op: &Op) -> Vec<Layer> {
    match op {
        Op::Clone { flags, .. } => [
            (libc::CLONE_NEWUSER, Layer::UserNamespace),
            (libc::CLONE_NEWNS, Layer::MountNamespace),
            (libc::CLONE_NEWPID, Layer::PidNamespace),
            (libc::CLONE_NEWNET, Layer::NetworkNamespace),
            (libc::CLONE_NEWIPC, Layer::IpcNamespace),
            (libc::CLONE_NEWUTS, Layer::UtsNamespace),
        ]
        .into_iter()
        .filter(|(flag, _)| flags & *flag as u64 != 0)
        .map(|(_, layer)| layer)
        .collect(),
        Op::DropGroups => vec![Layer::DroppedGroups],
        Op::CgroupNamespace => vec![Layer::Cgroup],
        Op::Mount { kind, .. } if kind == b"proc" => vec![Layer::NewProc],
        Op::PivotRoot => vec![Layer::PivotRoot],
        Op::NoNewPrivileges => vec![Layer::NoNewPrivs],
        Op::SessionKeyring => vec![Layer::SessionKeyring],
        Op::Landlock { .. } => vec![Layer::Landlock],
        Op::Seccomp { .. } => vec![Layer::Seccomp],
        _ => vec![],
    }
}

/// The layers of a program of which these instructions were skipped.
pub(crate) fn layers_in_force(program: &[Instruction], skipped: &[u32], allocated_uid: bool) -> Vec<Layer> {
    let mut layers: Vec<Layer> = program
        .iter()
        .enumerate()
        .filter(|(index, _)| !skipped.contains(&(*index as u32)))
        .flat_map(|(_, instruction)| layers_of(&instruction.op))
        .filter(|layer| *layer != Layer::NewProc)
        .collect();
    if allocated_uid {
        layers.push(Layer::AllocatedUid);
    }
    layers
}
