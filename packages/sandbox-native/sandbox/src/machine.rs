//! What this machine offers, read once per start so that the plan itself looks at nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::sys;

/// What the plan depends on besides the description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Effective user id of this process.
    pub uid: u32,
    /// Whether this process may give up its groups at all.
    pub can_drop_groups: bool,
    /// Version of Landlock, 0 without.
    pub landlock_abi: u32,
    /// `/dev/kvm` exists.
    pub has_kvm: bool,
    /// `/dev/shm` exists.
    pub has_shared_memory: bool,
    /// `/dev/pts/ptmx` exists.
    pub has_terminals: bool,
    /// The files a builder with the machine's network needs: place inside, place on this machine without links.
    pub network_files: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Machine {
    /// Looks at this machine.
    pub fn read() -> Machine {
        Machine {
            uid: sys::effective_uid(),
            can_drop_groups: root_drops_groups(),
            landlock_abi: sys::landlock_abi(),
            has_kvm: Path::new("/dev/kvm").exists(),
            has_shared_memory: Path::new("/dev/shm").exists(),
            has_terminals: Path::new("/dev/pts/ptmx").exists(),
            network_files: ["/etc/resolv.conf", "/etc/services", "/etc/hosts"]
                .into_iter()
                .filter_map(|target| {
                    let source = fs::canonicalize(target).ok()?;
                    Some((target.as_bytes().to_vec(), source.into_os_string().into_encoded_bytes()))
                })
                .collect(),
        }
    }
}

/// A kind of namespace that builders have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    /// `CLONE_NEW…`.
    pub flag: u64,
    /// How sysctls call it: `user.max_NAME_namespaces`.
    pub name: &'static str,
    /// How messages call it.
    pub layer: &'static str,
    /// What a kernel with it was built with.
    pub option: &'static str,
}

const fn namespace(flag: libc::c_int, name: &'static str, layer: &'static str, option: &'static str) -> Namespace {
    Namespace { flag: flag as u64, name, layer, option }
}

/// All of them, in the order in which the kernel makes them.
pub(crate) static NAMESPACES: [Namespace; 7] = [
    namespace(libc::CLONE_NEWUSER, "user", "user namespace", "CONFIG_USER_NS"),
    namespace(libc::CLONE_NEWNS, "mnt", "mount namespace", "CONFIG_NAMESPACES"),
    namespace(libc::CLONE_NEWUTS, "uts", "uts namespace", "CONFIG_UTS_NS"),
    namespace(libc::CLONE_NEWIPC, "ipc", "ipc namespace", "CONFIG_IPC_NS"),
    namespace(libc::CLONE_NEWPID, "pid", "pid namespace", "CONFIG_PID_NS"),
    namespace(libc::CLONE_NEWCGROUP, "cgroup", "cgroup namespace", "CONFIG_CGROUPS"),
    namespace(libc::CLONE_NEWNET, "net", "network namespace", "CONFIG_NET_NS"),
];

/// The settings that decide whether a layer can be had; read only to explain a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How many namespaces there may be, by their names in sysctls; a kernel without a kind has no number.
    pub namespaces: BTreeMap<&'static str, u64>,
    /// Debian's switch says no.
    pub unprivileged_clone_off: bool,
    /// Ubuntu's switch says that a user namespace has no rights; it is not meant for root.
    pub apparmor_restricts: bool,
    /// The root is no mount, so that it is not that of the mount namespace, as user namespaces demand.
    pub in_chroot: bool,
    /// This is root, and nothing that can be read says that it may not give up its groups.
    pub root_drops_groups: bool,
}

impl Limits {
    pub(crate) fn read() -> Limits {
        let sysctl =
            |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned());
        let most = |name: &str| sysctl(&format!("user/max_{name}_namespaces"))?.parse().ok();
        Limits {
            namespaces: NAMESPACES.iter().filter_map(|kind| Some((kind.name, most(kind.name)?))).collect(),
            unprivileged_clone_off: sysctl("kernel/unprivileged_userns_clone").as_deref() == Some("0"),
            apparmor_restricts: sysctl("kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1")
                && !is_root_of_machine(),
            in_chroot: fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| !shows_root(&mounts)),
            root_drops_groups: root_drops_groups(),
        }
    }
}

/// A user namespace whose map of groups an ordinary user wrote takes the right from its root.
fn root_drops_groups() -> bool {
    let setgroups = fs::read_to_string("/proc/self/setgroups").unwrap_or_default();
    sys::effective_uid() == 0 && setgroups.trim() != "deny"
}

/// The namespace of the machine itself maps every id to itself.
fn is_root_of_machine() -> bool {
    let ids = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    sys::effective_uid() == 0 && ids.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether a list of mounts has one on the root, as seen from there.
fn shows_root(mounts: &str) -> bool {
    mounts.lines().any(|line| line.split(' ').nth(4) == Some("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_is_no_mount_is_told_from_one_that_is() {
        let proc = "22 28 0:21 / /proc rw,nosuid - proc proc rw\n";
        let root = "28 1 259:2 / / rw,relatime - ext4 /dev/vda rw\n";
        assert!(shows_root(&[proc, root].concat()));
        assert!(!shows_root(proc));
    }
}
