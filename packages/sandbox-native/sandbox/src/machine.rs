//! What this machine offers, read once per start so that the plan itself looks at nothing.

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
        let uid = sys::effective_uid();
        let setgroups = fs::read_to_string("/proc/self/setgroups").unwrap_or_default();
        Machine {
            uid,
            can_drop_groups: uid == 0 && setgroups.trim() != "deny",
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

/// The settings that decide whether a layer can be had; read only to explain a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Text of the sysctl; absent without user namespaces.
    pub max_user_namespaces: Option<String>,
    /// Of the kinds of namespaces that a builder has, one of which there may be none: its name in sysctls.
    pub forbidden_kind: Option<&'static str>,
    /// Debian's switch says no.
    pub unprivileged_clone_off: bool,
    /// Ubuntu's switch says that a user namespace has no rights.
    pub apparmor_restricts: bool,
}

impl Limits {
    pub(crate) fn read() -> Limits {
        let sysctl =
            |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned());
        Limits {
            max_user_namespaces: sysctl("user/max_user_namespaces"),
            forbidden_kind: ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]
                .into_iter()
                .find(|kind| sysctl(&format!("user/max_{kind}_namespaces")).as_deref() == Some("0")),
            unprivileged_clone_off: sysctl("kernel/unprivileged_userns_clone").as_deref() == Some("0"),
            apparmor_restricts: sysctl("kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1"),
        }
    }
}
