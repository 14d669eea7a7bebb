//! From a description and what the machine offers to the list of operations. Pure: every decision is made here, and the
//! helper makes none.

use std::collections::BTreeMap;

use drvkit_helper::{Instruction, MountOption, Op};

use crate::machine::Machine;
use crate::seccomp;
use crate::spec::{Bind, Ids, Network, Spec, contains};

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

const NO_SET_ID: u64 = libc::MOUNT_ATTR_NOSUID;
const NO_DEVICES: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
const READ_ONLY: u64 = NO_DEVICES | libc::MOUNT_ATTR_RDONLY;

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
    let mut program = Vec::new();
    program.extend(clear_user(spec, machine, ending));
    program.extend(process(spec, machine));
    program.extend(identity(spec));
    program.extend(mounts(spec, machine));
    program.extend(rights(spec, machine, spec.parts.ids.inner()));
    program.push(last(spec, ending).into());
    program
}

/// The operations of a build without a root and namespaces of its own: it sees the machine, and a process above it ends what
/// it leaves. Nix: src/libstore/unix/build/derivation-builder.cc, `startChild`.
pub fn plan_unconfined(spec: &Spec, machine: &Machine) -> Vec<Instruction> {
    let (uid, gid) = (spec.parts.host_uid, spec.parts.host_gid);
    let allocated = (machine.uid == 0 && uid != 0).then_some(uid);
    let mut program: Vec<Instruction> = clear_user(spec, machine, Ending::Build).into_iter().collect();
    program.push(tolerating(Op::DropGroups, if machine.can_drop_groups { &[] } else { &[libc::EPERM] }));
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
fn clear_user(spec: &Spec, machine: &Machine, ending: Ending) -> Option<Instruction> {
    let uid = spec.parts.host_uid;
    (ending == Ending::Build && machine.uid == 0 && uid != 0).then(|| Op::KillUser { uid }.into())
}

/// From the helper to a process of its own.
fn process(spec: &Spec, machine: &Machine) -> Vec<Instruction> {
    let namespaces =
        libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let network = if has_own_network(spec) { libc::CLONE_NEWNET } else { 0 };
    // CLONE_PARENT: the builder is a child of the engine, which then learns of its end.
    let flags = namespaces | network | libc::CLONE_PARENT | libc::SIGCHLD;
    let first = machine.can_drop_groups.then(|| Instruction::from(Op::DropGroups));
    // Who is not root may drop groups only in a namespace whose map of groups a program with that right has written; those
    // that stay show as 65534 inside.
    let later = (!machine.can_drop_groups)
        .then(|| tolerating(Op::DropGroups, if spec.parts.groups_must_go { &[] } else { &[libc::EPERM] }));
    let mut ops: Vec<Instruction> = first.into_iter().collect();
    ops.extend([
        Op::DefaultSignals.into(),
        Op::Umask { mask: 0o022 }.into(),
        Op::Clone { flags: flags as u64 }.into(),
        Op::DeathSignal.into(),
        Op::AwaitGo.into(),
    ]);
    ops.extend(later);
    ops.extend([Op::NewSession.into(), Op::Terminal.into()]);
    // Its own group is the root of what it sees, so it is in it already.
    ops.extend(spec.parts.cgroup.is_some().then(|| Op::CgroupNamespace.into()));
    ops
}

/// With nothing else in it, or with what a program connects it to.
fn has_own_network(spec: &Spec) -> bool {
    spec.parts.network != Network::Host
}

/// Whether the builder talks to others, and needs to know how they are found.
fn is_connected(spec: &Spec) -> bool {
    spec.parts.network != Network::Private
}

/// What the machine seems to be called. Lengths include the final NUL, as Nix passes them.
fn identity(spec: &Spec) -> Vec<Instruction> {
    let mut ops = Vec::new();
    if has_own_network(spec) {
        ops.push(Op::LoopbackUp.into());
    }
    ops.push(Op::HostName { name: b"localhost\0".to_vec() }.into());
    ops.push(Op::DomainName { name: b"(none)\0".to_vec() }.into());
    ops
}

fn mounts(spec: &Spec, machine: &Machine) -> Vec<Instruction> {
    let mut ops = vec![Op::PrivateMounts, new_root(spec)];
    ops.extend(system_files(spec).into_iter().map(|(target, content)| Op::MakeFile { target, content }));
    // On disk and writable, whatever becomes of the root. The store may lie below the other one.
    ops.push(scratch(spec, "tmp", b"/tmp"));
    ops.push(scratch(spec, "store", &spec.parts.store_dir));
    ops.extend(binds(spec, machine));
    ops.extend(device_links(spec));
    ops.push(Op::MakeDirectory { target: b"/proc".to_vec(), mode: 0o555 });
    ops.push(new_file_system("proc", "/proc", &[], NO_DEVICES | libc::MOUNT_ATTR_NOEXEC));
    ops.extend(system_tree(spec));
    ops.extend(shared_memory(spec, machine));
    ops.extend(terminals(spec, machine));
    // Who has ids as a machine has them is root there, and its system files are its own.
    let read_only = match spec.parts.ids {
        Ids::One => libc::MOUNT_ATTR_RDONLY,
        Ids::Range => 0,
    };
    if owns(spec, b"/etc") && spec.parts.ids == Ids::One {
        ops.push(Op::SetMode { target: b"/etc".to_vec(), mode: 0o555 });
    }
    ops.push(Op::RootAttributes { attributes: read_only | NO_DEVICES });
    ops.push(Op::PivotRoot);
    if let Network::Program(_) = spec.parts.network {
        ops.push(Op::AwaitRoute);
    }
    ops.into_iter().map(Instruction::from).collect()
}

/// In memory: a file on disk that lives as long as a build is made, written back and forgotten at a price. What the builder
/// writes is on disk.
fn new_root(spec: &Spec) -> Op {
    let (uid, gid) = spec.parts.ids.inner();
    let mode = if spec.parts.ids == Ids::One { "0750" } else { "0755" };
    let (uid_text, gid_text) = (uid.to_string(), gid.to_string());
    let options = [("mode", mode), ("uid", uid_text.as_str()), ("gid", gid_text.as_str())];
    let options = mount_options(options.map(|(key, value)| (key, Some(value.as_bytes()))));
    Op::NewRoot { kind: b"tmpfs".to_vec(), options, uid, gid }
}

fn system_files(spec: &Spec) -> Vec<(Vec<u8>, Vec<u8>)> {
    let home = &spec.parts.build_dir;
    let user = |name: &str, uid: u32, gid: u32| {
        [format!("{name}:x:{uid}:{gid}:Nix build user:").as_bytes(), home, b":/noshell\n"].concat()
    };
    let (uid, gid) = spec.parts.ids.inner();
    let mut passwd = user("root", 0, 0);
    passwd.extend(user("nixbld", uid, gid));
    passwd.extend_from_slice(b"nobody:x:65534:65534:Nobody:/:/noshell\n");
    let group = format!("root:x:0:\nnixbld:!:{gid}:\nnogroup:x:65534:\n").into_bytes();
    let network: (&[u8], &[u8]) = if is_connected(spec) {
        (b"/etc/nsswitch.conf", b"hosts: files dns\nservices: files\n")
    } else {
        (b"/etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
    };
    let files = [(b"/etc/passwd".as_slice(), passwd), (b"/etc/group", group), (network.0, network.1.to_vec())];
    // What the description shows there comes from elsewhere.
    let shown = |path: &[u8]| !owns(spec, path) || !owns(spec, b"/etc");
    files.into_iter().filter(|(path, _)| !shown(path)).map(|(path, content)| (path.to_vec(), content)).collect()
}

fn scratch(spec: &Spec, name: &str, target: &[u8]) -> Op {
    let source = below(&spec.parts.chroot_dir, name);
    Op::Bind { source, target: target.to_vec(), attributes: NO_DEVICES, optional: false }
}

fn below(directory: &[u8], name: &str) -> Vec<u8> {
    [directory, b"/", name.as_bytes()].concat()
}

/// Device nodes and network files never replace what the description shows at their place.
fn binds(spec: &Spec, machine: &Machine) -> Vec<Op> {
    let mut ops: BTreeMap<Vec<u8>, Op> = BTreeMap::new();
    for (target, Bind { source, writable, optional, .. }) in &spec.binds {
        let attributes = match (writable, contains(b"/dev", target)) {
            (_, true) => NO_SET_ID,
            (true, false) => NO_DEVICES,
            (false, false) => READ_ONLY,
        };
        let (source, optional) = (source.clone(), *optional);
        ops.insert(target.clone(), Op::Bind { source, target: target.clone(), attributes, optional });
    }
    if owns(spec, b"/dev") {
        for name in ["full", "null", "random", "tty", "urandom", "zero"] {
            let path = format!("/dev/{name}").into_bytes();
            ops.entry(path.clone()).or_insert_with(|| device(path));
        }
        if spec.parts.kvm && machine.has_kvm {
            ops.entry(b"/dev/kvm".to_vec()).or_insert_with(|| device(b"/dev/kvm".to_vec()));
        }
    }
    if is_connected(spec) && owns(spec, b"/etc") {
        for (target, source) in &machine.network_files {
            ops.entry(target.clone()).or_insert_with(|| Op::Bind {
                source: source.clone(),
                target: target.clone(),
                attributes: READ_ONLY,
                optional: true,
            });
        }
    }
    let (source, target) = (below(&spec.parts.temp_dir, "build"), spec.parts.build_dir.clone());
    ops.insert(target.clone(), Op::Bind { source, target, attributes: NO_DEVICES, optional: false });
    ops.into_values().collect()
}

/// Whether a directory of the root is made by us, not shown from this machine.
fn owns(spec: &Spec, directory: &[u8]) -> bool {
    !spec.binds.contains_key(directory)
}

fn device(path: Vec<u8>) -> Op {
    Op::Bind { source: path.clone(), target: path, attributes: NO_SET_ID, optional: false }
}

fn device_links(spec: &Spec) -> Vec<Op> {
    if !owns(spec, b"/dev") {
        return Vec::new();
    }
    [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")]
        .into_iter()
        .map(|(name, end)| (format!("/dev/{name}").into_bytes(), format!("/proc/self/fd{end}").into_bytes()))
        .filter(|(target, _)| owns(spec, target))
        .map(|(target, text)| Op::Symlink { target, text })
        .collect()
}

fn new_file_system(kind: &str, target: &str, options: &[(&str, Option<&[u8]>)], attributes: u64) -> Op {
    let source = ("source", Some(b"none".as_slice()));
    let options = mount_options(std::iter::once(source).chain(options.iter().copied()));
    Op::Mount { kind: kind.into(), target: target.into(), options, attributes }
}

fn mount_options<'a>(options: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> Vec<MountOption> {
    let option = |(key, value): (&str, Option<&[u8]>)| MountOption {
        key: key.as_bytes().to_vec(),
        value: value.map(<[u8]>::to_vec),
    };
    options.into_iter().map(option).collect()
}

/// Who has ids as a machine has them sees the kernel's objects, too.
fn system_tree(spec: &Spec) -> Vec<Op> {
    // A file system of the kernel's objects belongs to a network namespace: that of the machine may not be shown.
    if spec.parts.ids == Ids::One || !has_own_network(spec) || !owns(spec, b"/sys") {
        return Vec::new();
    }
    vec![
        Op::MakeDirectory { target: b"/sys".to_vec(), mode: 0o555 },
        new_file_system("sysfs", "/sys", &[], NO_DEVICES | libc::MOUNT_ATTR_NOEXEC),
    ]
}

fn shared_memory(spec: &Spec, machine: &Machine) -> Vec<Op> {
    if !machine.has_shared_memory || !owns(spec, b"/dev") || !owns(spec, b"/dev/shm") {
        return Vec::new();
    }
    let options = [("size", Some(spec.parts.dev_shm_size.as_slice())), ("mode", Some(b"1777".as_slice()))];
    vec![
        Op::MakeDirectory { target: b"/dev/shm".to_vec(), mode: 0o755 },
        new_file_system("tmpfs", "/dev/shm", &options, NO_DEVICES),
    ]
}

fn terminals(spec: &Spec, machine: &Machine) -> Vec<Op> {
    let shown = [b"/dev".as_slice(), b"/dev/pts", b"/dev/ptmx"].into_iter().any(|path| !owns(spec, path));
    if !machine.has_terminals || shown {
        return Vec::new();
    }
    let options = [("mode", Some(b"0620".as_slice())), ("ptmxmode", Some(b"0666".as_slice()))];
    vec![
        Op::MakeDirectory { target: b"/dev/pts".to_vec(), mode: 0o755 },
        new_file_system("devpts", "/dev/pts", &options, NO_SET_ID | libc::MOUNT_ATTR_NOEXEC),
        Op::Symlink { target: b"/dev/ptmx".to_vec(), text: b"/dev/pts/ptmx".to_vec() },
    ]
}

/// What the builder may do. The ids change before the filter loads and after the last mount; the death signal is armed
/// again because a change of ids disarms it.
fn rights(spec: &Spec, machine: &Machine, (uid, gid): (u32, u32)) -> Vec<Instruction> {
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
    if spec.parts.ids == Ids::One {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tests::{bind, parts};
    use crate::spec::{Renounced, SpecParts};

    fn machine() -> Machine {
        Machine {
            uid: 0,
            can_drop_groups: true,
            landlock_abi: 6,
            has_kvm: true,
            has_shared_memory: true,
            has_terminals: true,
            network_files: vec![(b"/etc/hosts".to_vec(), b"/run/hosts".to_vec())],
        }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// One line per operation: what a reader of the plan wants to see.
    fn lines(parts: SpecParts, machine: &Machine, ending: Ending) -> Vec<String> {
        let spec = Spec::new(parts).expect("a good description");
        plan(&spec, machine, ending)
            .iter()
            .map(|instruction| {
                let op = &instruction.op;
                let mut line = op.step().to_owned();
                for path in [op.path(), op.second_path()].into_iter().flatten() {
                    line.push(' ');
                    line.push_str(&text(path));
                }
                match op {
                    Op::Bind { attributes, optional, .. } => {
                        line.push_str(if attributes & libc::MOUNT_ATTR_RDONLY != 0 { " ro" } else { " rw" });
                        line.push_str(if *optional { " optional" } else { "" });
                    }
                    Op::Mount { kind, .. } => line.push_str(&format!(" {}", text(kind))),
                    Op::Symlink { text: to, .. } => line.push_str(&format!(" -> {}", text(to))),
                    Op::Personality { persona } => line.push_str(&format!(" {persona:#x}")),
                    Op::SoftLimit { resource, value } => line.push_str(&format!(" {resource} {value}")),
                    Op::ChangeUser { uid, gid } => line.push_str(&format!(" {uid} {gid}")),
                    _ => {}
                }
                line
            })
            .collect()
    }

    #[test]
    fn the_plan_of_a_plain_build() {
        let input = bind("/real/store/abc-in", "/nix/store/abc-in");
        let expected = "kill-user
drop-groups
default-signals
umask
clone
death-signal
await-ids
new-session
terminal
loopback-up
host-name
domain-name
private-mounts
new-root
make-file /etc/passwd
make-file /etc/group
make-file /etc/hosts
bind /state/x.chroot/tmp /tmp rw
bind /state/x.chroot/store /nix/store rw
bind /state/builds/1/build /build rw
bind /dev/full /dev/full rw
bind /dev/null /dev/null rw
bind /dev/random /dev/random rw
bind /dev/tty /dev/tty rw
bind /dev/urandom /dev/urandom rw
bind /dev/zero /dev/zero rw
bind /real/store/abc-in /nix/store/abc-in ro
symlink /dev/fd -> /proc/self/fd
symlink /dev/stdin -> /proc/self/fd/0
symlink /dev/stdout -> /proc/self/fd/1
symlink /dev/stderr -> /proc/self/fd/2
make-directory /proc
mount /proc proc
make-directory /dev/shm
mount /dev/shm tmpfs
make-directory /dev/pts
mount /dev/pts devpts
symlink /dev/ptmx -> /dev/pts/ptmx
set-mode /etc
root-attributes
pivot-root
no-new-privs
session-keyring
personality 0x40000
soft-limit 4 0
soft-limit 7 1024
change-user 1000 100
drop-capabilities
death-signal
change-directory /build
landlock
seccomp
close-descriptors
execute /bin/sh";
        let plan = lines(SpecParts { binds: vec![input], ..parts() }, &machine(), Ending::Build);
        assert_eq!(plan.join("\n"), expected);
    }

    fn flags(parts: SpecParts) -> i32 {
        let spec = Spec::new(parts).expect("a good description");
        let find = |instruction: &Instruction| match instruction.op {
            Op::Clone { flags } => Some(flags as i32),
            _ => None,
        };
        plan(&spec, &machine(), Ending::Build).iter().find_map(find).expect("a clone")
    }

    #[test]
    fn only_the_network_can_be_shared() {
        let all =
            libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        assert_eq!(flags(parts()) & (all | libc::CLONE_NEWNET), all | libc::CLONE_NEWNET);
        assert_eq!(flags(SpecParts { network: Network::Host, ..parts() }) & (all | libc::CLONE_NEWNET), all);
    }

    #[test]
    fn a_shared_network_shows_the_files_it_needs_and_leaves_loopback_alone() {
        let plan = lines(SpecParts { network: Network::Host, ..parts() }, &machine(), Ending::Build);
        assert!(plan.contains(&"bind /run/hosts /etc/hosts ro optional".to_owned()));
        assert!(!plan.contains(&"loopback-up".to_owned()));
        assert!(!lines(parts(), &machine(), Ending::Build).iter().any(|line| line.contains("bind /run/hosts")));
    }

    #[test]
    fn files_that_the_description_shows_are_not_made() {
        let made = |binds: Vec<Bind>, network| {
            let plan = lines(SpecParts { binds, network, ..parts() }, &machine(), Ending::Build);
            plan.into_iter().filter(|line| line.starts_with("make-file")).collect::<Vec<_>>()
        };
        let shown = || vec![bind("/x", "/etc/passwd"), bind("/x", "/etc/hosts")];
        assert_eq!(made(shown(), Network::Private), ["make-file /etc/group"]);
        assert_eq!(made(shown(), Network::Host), ["make-file /etc/group", "make-file /etc/nsswitch.conf"]);
        assert!(made(vec![bind("/etc", "/etc")], Network::Private).is_empty());
    }

    #[test]
    fn what_the_description_shows_is_not_replaced() {
        let binds = vec![bind("/dev", "/dev")];
        let plan = lines(SpecParts { binds, kvm: true, ..parts() }, &machine(), Ending::Build);
        let below: Vec<_> = plan.iter().filter(|line| line.contains("/dev/")).collect();
        assert!(below.is_empty(), "{below:?}");
        let binds = vec![bind("/x", "/dev/null"), bind("/x", "/dev/pts"), bind("/x", "/dev/stdin")];
        let plan = lines(SpecParts { binds, ..parts() }, &machine(), Ending::Build);
        assert!(plan.contains(&"bind /x /dev/null rw".to_owned()));
        assert!(!plan.iter().any(|line| line.contains("/dev/null /dev/null") || line.contains("devpts")));
        assert!(!plan.iter().any(|line| line.starts_with("symlink /dev/stdin")));
    }

    #[test]
    fn an_etc_of_this_machine_is_left_as_it_is() {
        let binds = vec![bind("/etc", "/etc")];
        let plan = lines(SpecParts { binds, network: Network::Host, ..parts() }, &machine(), Ending::Build);
        let about: Vec<_> = plan.iter().filter(|line| line.contains("/etc")).collect();
        assert_eq!(about, ["bind /etc /etc ro"]);
    }

    #[test]
    fn kvm_is_shown_when_it_is_asked_for_and_there() {
        let shows = |kvm, has_kvm| {
            lines(SpecParts { kvm, ..parts() }, &Machine { has_kvm, ..machine() }, Ending::Build)
                .contains(&"bind /dev/kvm /dev/kvm rw".to_owned())
        };
        assert_eq!([shows(true, true), shows(true, false), shows(false, true)], [true, false, false]);
    }

    #[test]
    fn the_execution_domain_of_32_bits_must_be_had() {
        let spec = Spec::new(SpecParts { personality32: true, ..parts() }).expect("a good description");
        let program = plan(&spec, &machine(), Ending::Build);
        let strict = |instruction: &&Instruction| instruction.op == Op::Personality { persona: 8 };
        assert!(program.iter().find(strict).expect("the domain").tolerated.is_empty());
        assert!(lines(parts(), &machine(), Ending::Build).iter().all(|line| line != "personality 0x8"));
    }

    #[test]
    fn groups_must_go_exactly_where_they_can() {
        let tolerated = |can_drop_groups| {
            let spec = Spec::new(parts()).expect("a good description");
            let program = plan(&spec, &Machine { can_drop_groups, ..machine() }, Ending::Build);
            let drop = program.iter().find(|instruction| instruction.op == Op::DropGroups);
            drop.expect("it is dropped").tolerated.clone()
        };
        assert_eq!((tolerated(true), tolerated(false)), (vec![], vec![libc::EPERM]));
    }

    #[test]
    fn an_ordinary_user_drops_groups_in_the_namespace_and_may_have_to() {
        let plan = |groups_must_go| {
            let spec = Spec::new(SpecParts { groups_must_go, ..parts() }).expect("a good description");
            plan(&spec, &Machine { can_drop_groups: false, ..machine() }, Ending::Build)
        };
        let steps: Vec<_> = plan(false).iter().map(|instruction| instruction.op.step()).collect();
        let place = |step| steps.iter().position(|other| *other == step).expect("it is there");
        assert!(place("await-ids") < place("drop-groups") && place("drop-groups") < place("pivot-root"));
        let program = plan(true);
        let drop = program.iter().find(|instruction| instruction.op == Op::DropGroups).expect("it is dropped");
        assert!(drop.tolerated.is_empty());
    }

    #[test]
    fn a_range_of_ids_makes_the_builder_root_of_a_machine_of_its_own() {
        let plan = lines(SpecParts { ids: Ids::Range, ..parts() }, &machine(), Ending::Build);
        for line in ["mount /sys sysfs", "change-user 0 0", "seccomp", "no-new-privs"] {
            assert!(plan.contains(&line.to_owned()), "{line}");
        }
        for line in ["set-mode /etc", "drop-capabilities"] {
            assert!(!plan.contains(&line.to_owned()), "{line}");
        }
        let shared = SpecParts { ids: Ids::Range, network: Network::Host, ..parts() };
        assert!(!lines(shared, &machine(), Ending::Build).iter().any(|line| line.contains("/sys")));
    }

    #[test]
    fn a_network_that_a_program_connects_is_awaited_and_has_the_files_it_needs() {
        let network = Network::Program(vec![b"/usr/bin/pasta".to_vec()]);
        let plan = lines(SpecParts { network: network.clone(), ..parts() }, &machine(), Ending::Build);
        let place = |line: &str| plan.iter().position(|other| other == line).unwrap_or_else(|| panic!("{line}"));
        assert!(place("pivot-root") < place("await-route") && place("await-route") < place("change-user 1000 100"));
        assert!(plan.contains(&"bind /run/hosts /etc/hosts ro optional".to_owned()));
        let all = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
        assert_eq!(flags(SpecParts { network, ..parts() }) & all, all);
    }

    #[test]
    fn a_control_group_is_the_root_of_what_the_builder_sees_of_them() {
        let cgroup = Some(b"/sys/fs/cgroup/x".to_vec());
        let plan = lines(SpecParts { cgroup, ..parts() }, &machine(), Ending::Build);
        let place = |step: &str| plan.iter().position(|line| line == step);
        assert!(place("await-ids") < place("cgroup-namespace"));
        assert!(!lines(parts(), &machine(), Ending::Build).contains(&"cgroup-namespace".to_owned()));
    }

    #[test]
    fn layers_go_only_by_name() {
        let without = |renounced| lines(SpecParts { renounced, ..parts() }, &machine(), Ending::Build);
        let plan = without(Renounced { call_filter: true, ..Renounced::default() });
        assert!(!plan.contains(&"seccomp".to_owned()) && plan.contains(&"no-new-privs".to_owned()));
        let plan = without(Renounced { no_new_privileges: true, ..Renounced::default() });
        let place = |step: &str| plan.iter().position(|line| line == step);
        assert!(place("no-new-privs").is_none());
        // Both need rights of the namespace then.
        assert!(place("seccomp") < place("change-user 1000 100") && place("landlock") < place("change-user 1000 100"));
        assert!(place("seccomp").is_some() && place("landlock").is_some());
    }

    #[test]
    fn the_name_of_an_old_kernel_comes_with_the_domain() {
        let plan = lines(SpecParts { linux26: true, personality32: true, ..parts() }, &machine(), Ending::Build);
        let personas: Vec<_> = plan.iter().filter(|line| line.starts_with("personality")).collect();
        assert_eq!(personas, ["personality 0x8", "personality 0x20008", "personality 0x60008"]);
    }

    #[test]
    fn the_plan_of_a_build_without_a_sandbox() {
        let spec =
            Spec::new(SpecParts { build_dir: b"/state/builds/1".to_vec(), ..parts() }).expect("a good description");
        let steps: Vec<_> =
            plan_unconfined(&spec, &machine()).iter().map(|instruction| instruction.op.step()).collect();
        let expected = "kill-user drop-groups supervise death-signal default-signals umask new-session terminal \
            no-new-privs session-keyring personality soft-limit soft-limit change-user drop-capabilities death-signal \
            change-directory landlock seccomp close-descriptors execute";
        assert_eq!(steps.join(" "), expected);
    }

    #[test]
    fn only_root_has_a_user_to_clear() {
        let kills = |uid, host_uid, ending| {
            let parts = SpecParts { host_uid, ..parts() };
            lines(parts, &Machine { uid, ..machine() }, ending).contains(&"kill-user".to_owned())
        };
        assert!(kills(0, 872_415_232, Ending::Build));
        assert!(!kills(0, 0, Ending::Build) && !kills(1000, 1000, Ending::Build));
        assert!(!kills(0, 872_415_232, Ending::Try), "the ids may be those of a build that runs");
    }

    #[test]
    fn landlock_is_asked_for_where_it_has_scopes() {
        let has = |landlock_abi| {
            lines(parts(), &Machine { landlock_abi, ..machine() }, Ending::Build).contains(&"landlock".to_owned())
        };
        assert_eq!([has(0), has(5), has(6), has(7)], [false, false, true, true]);
    }

    #[test]
    fn writable_binds_are_the_only_ones_that_can_be_written() {
        let binds = vec![Bind { writable: true, ..bind("/w", "/w") }, bind("/r", "/r")];
        let plan = lines(SpecParts { binds, ..parts() }, &machine(), Ending::Build);
        assert!(plan.contains(&"bind /w /w rw".to_owned()) && plan.contains(&"bind /r /r ro".to_owned()));
    }

    #[test]
    fn a_trial_does_everything_but_the_builder() {
        let (build, trial) = (lines(parts(), &machine(), Ending::Build), lines(parts(), &machine(), Ending::Try));
        assert_eq!(build[0], "kill-user");
        assert_eq!(build[1..build.len() - 1], trial[..trial.len() - 1]);
        assert_eq!(trial.last().map(String::as_str), Some("finish"));
    }
}
