//! The system call filter: a table, and its assembly for every architecture whose calls this kernel takes.
//!
//! Nix: src/libstore/linux/build/linux-derivation-builder.cc, `setupSeccomp`. The rows beyond it close ways around it.

/// What a rule looks at besides the number of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// The set-uid or set-gid bit in the mode, which is this argument.
    ModeHasSetId(u8),
    /// The same when the flags say that a file is made; otherwise the mode is whatever was in the register.
    CreatesWithSetId {
        /// Argument with the flags.
        flags: u8,
        /// Argument with the mode.
        mode: u8,
    },
    /// `prctl` that sets the death signal to another one than SIGKILL, or to none.
    DisarmsDeathSignal,
}

/// What happens to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It fails with EPERM.
    NotPermitted,
    /// It fails with ENOTSUP.
    NotSupported,
    /// It fails with ENOSYS: the program uses the older call.
    NoSuchCall,
}

/// One row: call, condition, action, reason.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What it is about.
    pub call: Call,
    /// When.
    pub condition: Condition,
    /// What happens then; otherwise the call is allowed.
    pub action: Action,
    /// Why.
    pub reason: &'static str,
}

/// Numbers of a call; `None` where an architecture does not have it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// As the kernel names it.
    pub name: &'static str,
    /// On 64-bit x86; see also [`Call::x32`].
    pub x86_64: Option<u32>,
    /// On 32-bit x86, by itself or by `int 0x80` of any program.
    pub i386: Option<u32>,
    /// On 64-bit ARM.
    pub aarch64: Option<u32>,
    /// On 32-bit ARM.
    pub arm: Option<u32>,
}

impl Call {
    /// Its number in x32: the one of x86_64, with a bit. Only 512 to 547 are x32's own (Linux:
    /// arch/x86/entry/syscalls/syscall_64.tbl), for calls whose arguments point to structures of words; no call of the
    /// table is among them, and the kernel adds none there.
    pub fn x32(&self) -> Option<u32> {
        self.x86_64.map(|number| number | X32_BIT)
    }
}

const fn call(name: &'static str, x86_64: u32, i386: u32, aarch64: Option<u32>, arm: u32) -> Call {
    Call { name, x86_64: Some(x86_64), i386: Some(i386), aarch64, arm: Some(arm) }
}

/// Calls since 5.1 have one number everywhere.
const fn common(name: &'static str, number: u32) -> Call {
    call(name, number, number, Some(number), number)
}

const fn rule(call: Call, condition: Condition, action: Action, reason: &'static str) -> Rule {
    Rule { call, condition, action, reason }
}

const SET_ID: &str = "a set-id file of a build user lets a later build act as that user";
const XATTR: &str =
    "attributes do not survive in a store object, and those of this machine are none of the builder's business";
const HIDDEN_MODE: &str = "its mode is behind a pointer, where a filter cannot look";
const DEATH_SIGNAL: &str = "the first process of a build must end with the engine, whatever it does";
const RING: &str = "a ring makes calls that no filter sees";

use Action::{NoSuchCall, NotPermitted, NotSupported};
use Condition::{Always, CreatesWithSetId, DisarmsDeathSignal, ModeHasSetId};

/// The policy. Default: allowed.
pub const RULES: &[Rule] = &[
    rule(call("chmod", 90, 15, None, 15), ModeHasSetId(1), NotPermitted, SET_ID),
    rule(call("fchmod", 91, 94, Some(52), 94), ModeHasSetId(1), NotPermitted, SET_ID),
    rule(call("fchmodat", 268, 306, Some(53), 333), ModeHasSetId(2), NotPermitted, SET_ID),
    rule(common("fchmodat2", 452), ModeHasSetId(2), NotPermitted, SET_ID),
    rule(call("creat", 85, 8, None, 8), ModeHasSetId(1), NotPermitted, SET_ID),
    rule(call("mknod", 133, 14, None, 14), ModeHasSetId(1), NotPermitted, SET_ID),
    rule(call("mknodat", 259, 297, Some(33), 324), ModeHasSetId(2), NotPermitted, SET_ID),
    rule(call("open", 2, 5, None, 5), CreatesWithSetId { flags: 1, mode: 2 }, NotPermitted, SET_ID),
    rule(call("openat", 257, 295, Some(56), 322), CreatesWithSetId { flags: 2, mode: 3 }, NotPermitted, SET_ID),
    rule(common("openat2", 437), Always, NoSuchCall, HIDDEN_MODE),
    rule(call("prctl", 157, 172, Some(167), 172), DisarmsDeathSignal, NotPermitted, DEATH_SIGNAL),
    rule(common("io_uring_setup", 425), Always, NoSuchCall, RING),
    rule(common("io_uring_enter", 426), Always, NoSuchCall, RING),
    rule(common("io_uring_register", 427), Always, NoSuchCall, RING),
    rule(call("setxattr", 188, 226, Some(5), 226), Always, NotSupported, XATTR),
    rule(call("lsetxattr", 189, 227, Some(6), 227), Always, NotSupported, XATTR),
    rule(call("fsetxattr", 190, 228, Some(7), 228), Always, NotSupported, XATTR),
    rule(call("getxattr", 191, 229, Some(8), 229), Always, NotSupported, XATTR),
    rule(call("lgetxattr", 192, 230, Some(9), 230), Always, NotSupported, XATTR),
    rule(call("fgetxattr", 193, 231, Some(10), 231), Always, NotSupported, XATTR),
    rule(call("listxattr", 194, 232, Some(11), 232), Always, NotSupported, XATTR),
    rule(call("llistxattr", 195, 233, Some(12), 233), Always, NotSupported, XATTR),
    rule(call("flistxattr", 196, 234, Some(13), 234), Always, NotSupported, XATTR),
    rule(call("removexattr", 197, 235, Some(14), 235), Always, NotSupported, XATTR),
    rule(call("lremovexattr", 198, 236, Some(15), 236), Always, NotSupported, XATTR),
    rule(call("fremovexattr", 199, 237, Some(16), 237), Always, NotSupported, XATTR),
    rule(common("setxattrat", 463), Always, NotSupported, XATTR),
    rule(common("getxattrat", 464), Always, NotSupported, XATTR),
    rule(common("listxattrat", 465), Always, NotSupported, XATTR),
    rule(common("removexattrat", 466), Always, NotSupported, XATTR),
];

/// A way in which a program can number its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abi {
    /// Together with x32, which has the same architecture word and sets a bit in the number.
    X86_64,
    I386,
    Aarch64,
    Arm,
}

impl Abi {
    /// `AUDIT_ARCH_…`: machine number, 64-bit flag, little-endian flag.
    pub(crate) fn audit_word(self) -> u32 {
        match self {
            Abi::X86_64 => 0xc000_003e,
            Abi::I386 => 0x4000_0003,
            Abi::Aarch64 => 0xc000_00b7,
            Abi::Arm => 0x4000_0028,
        }
    }

    fn number(self, call: &Call) -> Option<u32> {
        match self {
            Abi::X86_64 => call.x86_64,
            Abi::I386 => call.i386,
            Abi::Aarch64 => call.aarch64,
            Abi::Arm => call.arm,
        }
    }
}

/// What the kernel of this architecture takes.
pub(crate) const ABIS: &[Abi] =
    if cfg!(target_arch = "x86_64") { &[Abi::X86_64, Abi::I386] } else { &[Abi::Aarch64, Abi::Arm] };

/// Bit that marks the number of a call as one of x32.
pub(crate) const X32_BIT: u32 = 0x4000_0000;
const SET_ID_BITS: u32 = 0o6000;
/// O_CREAT, and the bit of O_TMPFILE that is not O_DIRECTORY; the same on every architecture above.
const CREATE_BITS: u32 = 0o100 | 0o20_000_000;

const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_SET: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

pub(crate) const ALLOW: u32 = 0x7fff_0000;
pub(crate) const KILL_PROCESS: u32 = 0x8000_0000;
pub(crate) const FAIL: u32 = 0x0005_0000;

/// One instruction of the filter machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub code: u16,
    pub if_true: u8,
    pub if_false: u8,
    pub value: u32,
}

fn plain(code: u16, value: u32) -> Filter {
    Filter { code, if_true: 0, if_false: 0, value }
}

fn branch(code: u16, value: u32, if_true: u8, if_false: u8) -> Filter {
    Filter { code, if_true, if_false, value }
}

const PR_SET_PDEATHSIG: u32 = 1;
const SIGKILL: u32 = 9;

/// Low half of an argument: every argument looked at has 32 bits, and all architectures here are little-endian.
fn argument(index: u8) -> u32 {
    16 + 8 * u32::from(index)
}

/// The whole filter: each architecture's section, and the end of a process of any other.
pub(crate) fn assemble(abis: &[Abi], rules: &[Rule]) -> Vec<Filter> {
    let mut filter = vec![plain(LOAD_WORD, ARCHITECTURE)];
    for abi in abis {
        let section = section(*abi, rules);
        filter.push(branch(JUMP_EQUAL, abi.audit_word(), 1, 0));
        filter.push(plain(JUMP, section.len() as u32));
        filter.extend(section);
    }
    filter.push(plain(RETURN, KILL_PROCESS));
    filter
}

fn section(abi: Abi, rules: &[Rule]) -> Vec<Filter> {
    let mut section = vec![plain(LOAD_WORD, NUMBER)];
    if abi == Abi::X86_64 {
        // See `Call::x32`.
        section.push(plain(AND, !X32_BIT));
    }
    for rule in rules {
        if let Some(number) = abi.number(&rule.call) {
            let body = body(rule);
            section.push(branch(JUMP_EQUAL, number, 0, body.len() as u8));
            section.extend(body);
        }
    }
    section.push(plain(RETURN, ALLOW));
    section
}

fn body(rule: &Rule) -> Vec<Filter> {
    let errno = match rule.action {
        NotPermitted => libc::EPERM,
        NotSupported => libc::ENOTSUP,
        NoSuchCall => libc::ENOSYS,
    };
    let refuse = plain(RETURN, FAIL | errno.cast_unsigned());
    let allow = plain(RETURN, ALLOW);
    match rule.condition {
        Always => vec![refuse],
        ModeHasSetId(mode) => {
            vec![plain(LOAD_WORD, argument(mode)), branch(JUMP_SET, SET_ID_BITS, 0, 1), refuse, allow]
        }
        CreatesWithSetId { flags, mode } => vec![
            plain(LOAD_WORD, argument(flags)),
            branch(JUMP_SET, CREATE_BITS, 0, 3),
            plain(LOAD_WORD, argument(mode)),
            branch(JUMP_SET, SET_ID_BITS, 0, 1),
            refuse,
            allow,
        ],
        // The kernel refuses a signal with more bits by itself.
        DisarmsDeathSignal => vec![
            plain(LOAD_WORD, argument(0)),
            branch(JUMP_EQUAL, PR_SET_PDEATHSIG, 0, 3),
            plain(LOAD_WORD, argument(1)),
            branch(JUMP_EQUAL, SIGKILL, 1, 0),
            refuse,
            allow,
        ],
    }
}

/// The filter of this machine as the kernel reads it.
pub(crate) fn program() -> Vec<u8> {
    let mut bytes = Vec::new();
    for filter in assemble(ABIS, RULES) {
        bytes.extend_from_slice(&filter.code.to_ne_bytes());
        bytes.extend_from_slice(&[filter.if_true, filter.if_false]);
        bytes.extend_from_slice(&filter.value.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer: a machine for the instructions used here.
    fn run(filter: &[Filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let load = |offset: u32| match offset {
            NUMBER => number,
            ARCHITECTURE => architecture,
            at => {
                let word = (at - 16) / 4;
                (arguments[(word / 2) as usize] >> (32 * (word % 2))) as u32
            }
        };
        let (mut at, mut accumulator) = (0_usize, 0_u32);
        loop {
            let Filter { code, if_true, if_false, value } = filter[at];
            at += 1;
            let mut jump = |holds: bool| at += usize::from(if holds { if_true } else { if_false });
            match code {
                LOAD_WORD => accumulator = load(value),
                AND => accumulator &= value,
                JUMP => at += value as usize,
                JUMP_EQUAL => jump(accumulator == value),
                JUMP_SET => jump(accumulator & value != 0),
                RETURN => return value,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    /// Every way to number calls, with the word and the bit it shows.
    const WAYS: &[(&str, &[Abi], Abi, u32)] = &[
        ("x86_64", &[Abi::X86_64, Abi::I386], Abi::X86_64, 0),
        ("x32", &[Abi::X86_64, Abi::I386], Abi::X86_64, X32_BIT),
        ("i386", &[Abi::X86_64, Abi::I386], Abi::I386, 0),
        ("aarch64", &[Abi::Aarch64, Abi::Arm], Abi::Aarch64, 0),
        ("arm", &[Abi::Aarch64, Abi::Arm], Abi::Arm, 0),
    ];

    /// Calls that an architecture does not have, because it came after their successors.
    fn absent(abi: Abi) -> &'static [&'static str] {
        if abi == Abi::Aarch64 { &["chmod", "creat", "mknod", "open"] } else { &[] }
    }

    fn refusal(action: Action) -> u32 {
        FAIL | match action {
            NotPermitted => 1,
            NotSupported => 95,
            NoSuchCall => 38,
        }
    }

    fn with(arguments: &[(u8, u64)]) -> [u64; 6] {
        let mut all = [0; 6];
        for (index, value) in arguments {
            all[usize::from(*index)] = *value;
        }
        all
    }

    #[test]
    fn every_row_holds_on_every_architecture() {
        for (way, abis, abi, bit) in WAYS {
            let filter = assemble(abis, RULES);
            for rule in RULES {
                let Some(number) = abi.number(&rule.call) else {
                    assert!(absent(*abi).contains(&rule.call.name), "{} on {way}", rule.call.name);
                    continue;
                };
                let answer = |arguments: [u64; 6]| run(&filter, abi.audit_word(), number | bit, arguments);
                let name = format!("{} on {way}", rule.call.name);
                match rule.condition {
                    Always => {
                        for any in [0, 9, u64::MAX] {
                            assert_eq!(answer([any; 6]), refusal(rule.action), "{name}");
                        }
                    }
                    ModeHasSetId(mode) => {
                        for set in [0o4755, 0o2755, 0o6000, 0o104_000] {
                            assert_eq!(answer(with(&[(mode, set)])), refusal(rule.action), "{name} {set:o}");
                        }
                        for free in [0o755, 0o1777, 0] {
                            assert_eq!(answer(with(&[(mode, free)])), ALLOW, "{name} {free:o}");
                        }
                        // The kernel takes 32 bits of a mode, so the rest decides nothing.
                        assert_eq!(answer(with(&[(mode, 0x0000_0c00_0000_01ff)])), ALLOW, "{name}");
                    }
                    CreatesWithSetId { flags, mode } => {
                        for making in [0o100, 0o101, 0o20_200_000] {
                            assert_eq!(
                                answer(with(&[(flags, making), (mode, 0o4755)])),
                                refusal(rule.action),
                                "{name}"
                            );
                            assert_eq!(answer(with(&[(flags, making), (mode, 0o644)])), ALLOW, "{name}");
                        }
                        for opening in [0, 0o2, 0o200_000] {
                            assert_eq!(answer(with(&[(flags, opening), (mode, 0o4755)])), ALLOW, "{name}");
                        }
                    }
                    DisarmsDeathSignal => {
                        for signal in [0, 1, 15, 64, 0x1_0000_0000] {
                            assert_eq!(answer(with(&[(0, 1), (1, signal)])), refusal(rule.action), "{name} {signal}");
                        }
                        assert_eq!(answer(with(&[(0, 0xffff_0000_0000_0001), (1, 0)])), refusal(rule.action), "{name}");
                        assert_eq!(answer(with(&[(0, 1), (1, 9)])), ALLOW, "{name}");
                        for other in [2, 15, 38] {
                            assert_eq!(answer(with(&[(0, other)])), ALLOW, "{name} {other}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn other_calls_are_allowed_on_every_architecture() {
        for (way, abis, abi, bit) in WAYS {
            let filter = assemble(abis, RULES);
            let taken: Vec<u32> = RULES.iter().filter_map(|rule| abi.number(&rule.call)).collect();
            for number in (0..600).filter(|number| !taken.contains(number)) {
                assert_eq!(
                    run(&filter, abi.audit_word(), number | bit, [u64::MAX; 6]),
                    ALLOW,
                    "call {number} on {way}"
                );
            }
        }
    }

    #[test]
    fn x32_numbers_carry_the_bit_and_its_own_range_has_none_of_ours() {
        for rule in RULES {
            assert_eq!(rule.call.x32(), rule.call.x86_64.map(|number| 0x4000_0000 + number), "{}", rule.call.name);
            assert!(!(512..548).contains(&rule.call.x86_64.unwrap_or_default()), "{}", rule.call.name);
        }
        let row = RULES.iter().find(|rule| rule.call.name == "fchmodat2").expect("a row");
        assert_eq!(row.call.x32(), Some(1_073_742_276));
    }

    #[test]
    fn a_process_of_another_architecture_ends() {
        for (_, abis, _, _) in WAYS {
            assert_eq!(run(&assemble(abis, RULES), 0x1234, 0, [0; 6]), KILL_PROCESS);
        }
    }

    #[test]
    fn every_row_names_a_reason_and_no_call_stands_twice() {
        let mut names: Vec<_> = RULES.iter().map(|rule| rule.call.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
        assert!(RULES.iter().all(|rule| !rule.reason.is_empty()));
    }

    /// The numbers of this machine's C headers, where they name the call.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn numbers_equal_those_of_the_headers() {
        for (name, number) in [
            ("chmod", libc::SYS_chmod),
            ("fchmod", libc::SYS_fchmod),
            ("fchmodat", libc::SYS_fchmodat),
            ("fchmodat2", libc::SYS_fchmodat2),
            ("creat", libc::SYS_creat),
            ("mknod", libc::SYS_mknod),
            ("mknodat", libc::SYS_mknodat),
            ("open", libc::SYS_open),
            ("openat", libc::SYS_openat),
            ("openat2", libc::SYS_openat2),
            ("prctl", libc::SYS_prctl),
            ("io_uring_setup", libc::SYS_io_uring_setup),
            ("setxattr", libc::SYS_setxattr),
            ("fgetxattr", libc::SYS_fgetxattr),
            ("flistxattr", libc::SYS_flistxattr),
            ("fremovexattr", libc::SYS_fremovexattr),
        ] {
            let row = RULES.iter().find(|rule| rule.call.name == name).expect(name);
            assert_eq!(row.call.x86_64.map(i64::from), Some(number), "{name}");
        }
    }
}
