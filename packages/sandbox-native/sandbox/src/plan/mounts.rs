//! What the builder sees of files.

use std::collections::BTreeMap;

use drvkit_helper::{Instruction, MountOption, Op};

use super::{has_own_network, is_connected};
use crate::machine::Machine;
use crate::spec::{Base, Bind, Ids, Network, Spec, contains};

const NO_SET_ID: u64 = libc::MOUNT_ATTR_NOSUID;
const NO_DEVICES: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
const READ_ONLY: u64 = NO_DEVICES | libc::MOUNT_ATTR_RDONLY;

/// What is in the new root, and the way into it.
pub(super) fn mounts(spec: &Spec, machine: &Machine) -> Vec<Instruction> {
    let make_file = |(target, content)| Op::MakeFile { target, content };
    let mut ops: Vec<Op> = system_files(spec).into_iter().map(make_file).collect();
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
    let read_only = match spec.parts.base.ids {
        Ids::One => libc::MOUNT_ATTR_RDONLY,
        Ids::Range => 0,
    };
    if owns(spec, b"/etc") && spec.parts.base.ids == Ids::One {
        ops.push(Op::SetMode { target: b"/etc".to_vec(), mode: 0o555 });
    }
    ops.push(Op::RootAttributes { attributes: read_only | NO_DEVICES });
    ops.push(Op::PivotRoot);
    if let Network::Program(_) = spec.parts.base.network {
        ops.push(Op::AwaitRoute);
    }
    ops.into_iter().map(Instruction::from).collect()
}

/// In memory: a file on disk that lives as long as a build is made, written back and forgotten at a price. What the builder
/// writes is on disk.
pub(super) fn new_root(base: &Base) -> Op {
    let (uid, gid) = base.ids.inner();
    let mode = if base.ids == Ids::One { "0750" } else { "0755" };
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
    let (uid, gid) = spec.parts.base.ids.inner();
    let mut passwd = user("root", 0, 0);
    passwd.extend(user("nixbld", uid, gid));
    passwd.extend_from_slice(b"nobody:x:65534:65534:Nobody:/:/noshell\n");
    let group = format!("root:x:0:\nnixbld:!:{gid}:\nnogroup:x:65534:\n").into_bytes();
    let network: (&[u8], &[u8]) = if is_connected(&spec.parts.base) {
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
    if is_connected(&spec.parts.base) && owns(spec, b"/etc") {
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
    if spec.parts.base.ids == Ids::One || !has_own_network(&spec.parts.base) || !owns(spec, b"/sys") {
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
