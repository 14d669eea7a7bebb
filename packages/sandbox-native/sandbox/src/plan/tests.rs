use super::*;
use crate::spec::tests::{bind, parts};
use crate::spec::{Base, Bind, Ids, Renounced, SpecParts};

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
    let find = |instruction: &Instruction| match &instruction.op {
        Op::Clone { flags, .. } => Some(*flags as i32),
        _ => None,
    };
    plan(&spec, &machine(), Ending::Build).iter().find_map(find).expect("a clone")
}

#[test]
fn only_the_network_can_be_shared() {
    let all = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    assert_eq!(flags(parts()) & (all | libc::CLONE_NEWNET), all | libc::CLONE_NEWNET);
    assert_eq!(
        flags(SpecParts { base: Base { network: Network::Host, ..parts().base }, ..parts() })
            & (all | libc::CLONE_NEWNET),
        all
    );
}

#[test]
fn a_shared_network_shows_the_files_it_needs_and_leaves_loopback_alone() {
    let plan = lines(
        SpecParts { base: Base { network: Network::Host, ..parts().base }, ..parts() },
        &machine(),
        Ending::Build,
    );
    assert!(plan.contains(&"bind /run/hosts /etc/hosts ro optional".to_owned()));
    assert!(!plan.contains(&"loopback-up".to_owned()));
    assert!(!lines(parts(), &machine(), Ending::Build).iter().any(|line| line.contains("bind /run/hosts")));
}

#[test]
fn files_that_the_description_shows_are_not_made() {
    let made = |binds: Vec<Bind>, network| {
        let plan =
            lines(SpecParts { binds, base: Base { network, ..parts().base }, ..parts() }, &machine(), Ending::Build);
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
    let plan = lines(
        SpecParts { binds, base: Base { network: Network::Host, ..parts().base }, ..parts() },
        &machine(),
        Ending::Build,
    );
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
        let spec = Spec::new(SpecParts { base: Base { groups_must_go, ..parts().base }, ..parts() })
            .expect("a good description");
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
    let plan =
        lines(SpecParts { base: Base { ids: Ids::Range, ..parts().base }, ..parts() }, &machine(), Ending::Build);
    for line in ["mount /sys sysfs", "change-user 0 0", "seccomp", "no-new-privs"] {
        assert!(plan.contains(&line.to_owned()), "{line}");
    }
    for line in ["set-mode /etc", "drop-capabilities"] {
        assert!(!plan.contains(&line.to_owned()), "{line}");
    }
    let shared = SpecParts { base: Base { ids: Ids::Range, network: Network::Host, ..parts().base }, ..parts() };
    assert!(!lines(shared, &machine(), Ending::Build).iter().any(|line| line.contains("/sys")));
}

#[test]
fn a_network_that_a_program_connects_is_awaited_and_has_the_files_it_needs() {
    let network = Network::Program(vec![b"/usr/bin/pasta".to_vec()]);
    let plan = lines(
        SpecParts { base: Base { network: network.clone(), ..parts().base }, ..parts() },
        &machine(),
        Ending::Build,
    );
    let place = |line: &str| plan.iter().position(|other| other == line).unwrap_or_else(|| panic!("{line}"));
    assert!(place("pivot-root") < place("await-route") && place("await-route") < place("change-user 1000 100"));
    assert!(plan.contains(&"bind /run/hosts /etc/hosts ro optional".to_owned()));
    let all = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
    assert_eq!(flags(SpecParts { base: Base { network, ..parts().base }, ..parts() }) & all, all);
}

#[test]
fn a_control_group_is_the_root_of_what_the_builder_sees_of_them() {
    let cgroup = Some(b"/sys/fs/cgroup/x".to_vec());
    let plan = lines(SpecParts { base: Base { cgroup, ..parts().base }, ..parts() }, &machine(), Ending::Build);
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
    let spec = Spec::new(SpecParts { build_dir: b"/state/builds/1".to_vec(), ..parts() }).expect("a good description");
    let steps: Vec<_> = plan_unconfined(&spec, &machine()).iter().map(|instruction| instruction.op.step()).collect();
    let expected = "kill-user drop-groups supervise death-signal default-signals umask new-session terminal \
        no-new-privs session-keyring personality soft-limit soft-limit change-user drop-capabilities death-signal \
        change-directory landlock seccomp close-descriptors execute";
    assert_eq!(steps.join(" "), expected);
}

#[test]
fn only_root_has_a_user_to_clear() {
    let kills = |uid, host_uid, ending| {
        let parts = SpecParts { base: Base { host_uid, ..parts().base }, ..parts() };
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
