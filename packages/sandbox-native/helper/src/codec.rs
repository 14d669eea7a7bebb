//! The bytes of a program: a count, then each instruction as a tag, its fields and its tolerated numbers. Integers are
//! in the machine's order (both ends run on it), byte strings carry their length.

use crate::op::{Instruction, MountOption, Op};

/// The bytes are no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Where reading stopped.
    pub offset: usize,
}

/// The bytes of a program.
pub fn encode_program(program: &[Instruction]) -> Vec<u8> {
    let mut out = Writer(Vec::new());
    out.count(program.len());
    for instruction in program {
        out.op(&instruction.op);
        out.count(instruction.tolerated.len());
        for errno in &instruction.tolerated {
            out.u32(errno.cast_unsigned());
        }
    }
    out.0
}

/// The program of the bytes.
pub fn decode_program(bytes: &[u8]) -> Result<Vec<Instruction>, DecodeError> {
    let mut input = Reader { bytes, offset: 0 };
    let program = input.list(|input| {
        let op = input.op()?;
        let tolerated = input.list(|input| Ok(input.u32()?.cast_signed()))?;
        Ok(Instruction { op, tolerated })
    })?;
    if input.offset == bytes.len() { Ok(program) } else { input.fail() }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_ne_bytes());
    }

    /// Lengths fit in 32 bits: the kernel takes no argument list near that size.
    fn count(&mut self, value: usize) {
        self.u32(u32::try_from(value).expect("bug: a program beyond 4 GiB"));
    }

    fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.0.extend_from_slice(value);
    }

    fn strings(&mut self, values: &[Vec<u8>]) {
        self.count(values.len());
        for value in values {
            self.bytes(value);
        }
    }

    fn mount_options(&mut self, options: &[MountOption]) {
        self.count(options.len());
        for option in options {
            self.bytes(&option.key);
            self.u8(u8::from(option.value.is_some()));
            if let Some(value) = &option.value {
                self.bytes(value);
            }
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::DropGroups => self.u8(1),
            Op::Clone { flags, group } => {
                self.u8(2);
                self.u64(*flags);
                self.u8(u8::from(group.is_some()));
                self.bytes(group.as_deref().unwrap_or_default());
            }
            Op::AwaitGo => self.u8(3),
            Op::AwaitRest => self.u8(40),
            Op::CgroupNamespace => self.u8(36),
            Op::AwaitRoute => self.u8(37),
            Op::Guard { path } => {
                self.u8(39);
                self.bytes(path);
            }
            Op::Supervise { uid } => {
                self.u8(38);
                self.u8(u8::from(uid.is_some()));
                self.u32(uid.unwrap_or_default());
            }
            Op::DeathSignal => self.u8(4),
            Op::DefaultSignals => self.u8(5),
            Op::NewSession => self.u8(6),
            Op::Terminal => self.u8(7),
            Op::Umask { mask } => {
                self.u8(8);
                self.u32(*mask);
            }
            Op::LoopbackUp => self.u8(9),
            Op::HostName { name } => {
                self.u8(10);
                self.bytes(name);
            }
            Op::DomainName { name } => {
                self.u8(11);
                self.bytes(name);
            }
            Op::PrivateMounts => self.u8(12),
            Op::NewRoot { kind, options, uid, gid } => {
                self.u8(13);
                self.bytes(kind);
                self.mount_options(options);
                self.u32(*uid);
                self.u32(*gid);
            }
            Op::MakeDirectory { target, mode } => {
                self.u8(14);
                self.bytes(target);
                self.u32(*mode);
            }
            Op::Symlink { target, text } => {
                self.u8(15);
                self.bytes(target);
                self.bytes(text);
            }
            Op::Bind { source, target, attributes, optional } => {
                self.u8(16);
                self.bytes(source);
                self.bytes(target);
                self.u64(*attributes);
                self.u8(u8::from(*optional));
            }
            Op::MakeFile { target, content } => {
                self.u8(17);
                self.bytes(target);
                self.bytes(content);
            }
            Op::Mount { kind, target, options, attributes } => {
                self.u8(18);
                self.bytes(kind);
                self.bytes(target);
                self.mount_options(options);
                self.u64(*attributes);
            }
            Op::SetMode { target, mode } => {
                self.u8(19);
                self.bytes(target);
                self.u32(*mode);
            }
            Op::RootAttributes { attributes } => {
                self.u8(20);
                self.u64(*attributes);
            }
            Op::PivotRoot => self.u8(21),
            Op::NoNewPrivileges => self.u8(22),
            Op::SessionKeyring => self.u8(23),
            Op::Personality { persona } => {
                self.u8(24);
                self.u64(*persona);
            }
            Op::SoftLimit { resource, value } => {
                self.u8(25);
                self.u32(*resource);
                self.u64(*value);
            }
            Op::ChangeUser { uid, gid } => {
                self.u8(26);
                self.u32(*uid);
                self.u32(*gid);
            }
            Op::DropCapabilities => self.u8(27),
            Op::ChangeDirectory { path } => {
                self.u8(28);
                self.bytes(path);
            }
            Op::CloseDescriptors { log } => {
                self.u8(29);
                self.u8(u8::from(*log));
            }
            Op::Landlock { scoped } => {
                self.u8(30);
                self.u64(*scoped);
            }
            Op::Seccomp { program } => {
                self.u8(31);
                self.bytes(program);
            }
            Op::Execute { path, arguments, environment } => {
                self.u8(32);
                self.bytes(path);
                self.strings(arguments);
                self.strings(environment);
            }
            Op::Become { path, arguments, environment } => {
                self.u8(35);
                self.bytes(path);
                self.strings(arguments);
                self.strings(environment);
            }
            Op::Finish => self.u8(33),
            Op::KillUser { uid } => {
                self.u8(34);
                self.u32(*uid);
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn fail<T>(&self) -> Result<T, DecodeError> {
        Err(DecodeError { offset: self.offset })
    }

    fn take(&mut self, length: usize) -> Result<&[u8], DecodeError> {
        let end = self.offset.checked_add(length).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else { return self.fail() };
        let taken = &self.bytes[self.offset..end];
        self.offset = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.fail(),
        }
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_ne_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_ne_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, DecodeError> {
        let length = self.u32()? as usize;
        Ok(self.take(length)?.to_vec())
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>) -> Result<Vec<T>, DecodeError> {
        let count = self.u32()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn strings(&mut self) -> Result<Vec<Vec<u8>>, DecodeError> {
        self.list(Self::bytes)
    }

    fn mount_option(&mut self) -> Result<MountOption, DecodeError> {
        let key = self.bytes()?;
        let value = if self.flag()? { Some(self.bytes()?) } else { None };
        Ok(MountOption { key, value })
    }

    fn op(&mut self) -> Result<Op, DecodeError> {
        Ok(match self.u8()? {
            1 => Op::DropGroups,
            2 => {
                let (flags, is_some, group) = (self.u64()?, self.flag()?, self.bytes()?);
                Op::Clone { flags, group: is_some.then_some(group) }
            }
            3 => Op::AwaitGo,
            40 => Op::AwaitRest,
            4 => Op::DeathSignal,
            5 => Op::DefaultSignals,
            6 => Op::NewSession,
            7 => Op::Terminal,
            8 => Op::Umask { mask: self.u32()? },
            9 => Op::LoopbackUp,
            10 => Op::HostName { name: self.bytes()? },
            11 => Op::DomainName { name: self.bytes()? },
            12 => Op::PrivateMounts,
            13 => Op::NewRoot {
                kind: self.bytes()?,
                options: self.list(Self::mount_option)?,
                uid: self.u32()?,
                gid: self.u32()?,
            },
            14 => Op::MakeDirectory { target: self.bytes()?, mode: self.u32()? },
            15 => Op::Symlink { target: self.bytes()?, text: self.bytes()? },
            16 => Op::Bind {
                source: self.bytes()?,
                target: self.bytes()?,
                attributes: self.u64()?,
                optional: self.flag()?,
            },
            17 => Op::MakeFile { target: self.bytes()?, content: self.bytes()? },
            18 => Op::Mount {
                kind: self.bytes()?,
                target: self.bytes()?,
                options: self.list(Self::mount_option)?,
                attributes: self.u64()?,
            },
            19 => Op::SetMode { target: self.bytes()?, mode: self.u32()? },
            20 => Op::RootAttributes { attributes: self.u64()? },
            21 => Op::PivotRoot,
            22 => Op::NoNewPrivileges,
            23 => Op::SessionKeyring,
            24 => Op::Personality { persona: self.u64()? },
            25 => Op::SoftLimit { resource: self.u32()?, value: self.u64()? },
            26 => Op::ChangeUser { uid: self.u32()?, gid: self.u32()? },
            27 => Op::DropCapabilities,
            28 => Op::ChangeDirectory { path: self.bytes()? },
            29 => Op::CloseDescriptors { log: self.flag()? },
            30 => Op::Landlock { scoped: self.u64()? },
            31 => Op::Seccomp { program: self.bytes()? },
            32 => Op::Execute { path: self.bytes()?, arguments: self.strings()?, environment: self.strings()? },
            33 => Op::Finish,
            34 => Op::KillUser { uid: self.u32()? },
            35 => Op::Become { path: self.bytes()?, arguments: self.strings()?, environment: self.strings()? },
            36 => Op::CgroupNamespace,
            37 => Op::AwaitRoute,
            39 => Op::Guard { path: self.bytes()? },
            38 => {
                let (is_some, uid) = (self.flag()?, self.u32()?);
                Op::Supervise { uid: is_some.then_some(uid) }
            }
            _ => return self.fail(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Op> {
        let text = || b"/a\xff".to_vec();
        vec![
            Op::DropGroups,
            Op::KillUser { uid: 872_415_232 },
            Op::Clone { flags: u64::MAX, group: Some(text()) },
            Op::AwaitGo,
            Op::AwaitRest,
            Op::CgroupNamespace,
            Op::AwaitRoute,
            Op::Supervise { uid: Some(1000) },
            Op::Guard { path: text() },
            Op::DeathSignal,
            Op::DefaultSignals,
            Op::NewSession,
            Op::Terminal,
            Op::Umask { mask: 0o22 },
            Op::LoopbackUp,
            Op::HostName { name: b"localhost\0".to_vec() },
            Op::DomainName { name: Vec::new() },
            Op::PrivateMounts,
            Op::NewRoot {
                kind: b"tmpfs".to_vec(),
                options: vec![MountOption { key: b"mode".to_vec(), value: Some(b"0750".to_vec()) }],
                uid: 1000,
                gid: 100,
            },
            Op::MakeDirectory { target: text(), mode: 0o755 },
            Op::Symlink { target: text(), text: text() },
            Op::Bind { source: text(), target: text(), attributes: 3, optional: true },
            Op::MakeFile { target: text(), content: text() },
            Op::Mount {
                kind: b"devpts".to_vec(),
                target: text(),
                options: vec![
                    MountOption { key: b"newinstance".to_vec(), value: None },
                    MountOption { key: b"mode".to_vec(), value: Some(b"0620".to_vec()) },
                ],
                attributes: 2,
            },
            Op::SetMode { target: text(), mode: 0o555 },
            Op::RootAttributes { attributes: 1 },
            Op::PivotRoot,
            Op::NoNewPrivileges,
            Op::SessionKeyring,
            Op::Personality { persona: 0x40000 },
            Op::SoftLimit { resource: 7, value: 1024 },
            Op::ChangeUser { uid: 1000, gid: 100 },
            Op::DropCapabilities,
            Op::ChangeDirectory { path: text() },
            Op::CloseDescriptors { log: true },
            Op::Landlock { scoped: 1 },
            Op::Seccomp { program: vec![0; 16] },
            Op::Execute { path: text(), arguments: vec![text(), Vec::new()], environment: vec![b"A=1".to_vec()] },
            Op::Become { path: text(), arguments: vec![Vec::new()], environment: vec![text(), text()] },
            Op::Finish,
        ]
    }

    fn program() -> Vec<Instruction> {
        one_of_each().into_iter().map(|op| Instruction { op, tolerated: vec![1, 38] }).collect()
    }

    #[test]
    fn every_operation_survives_the_pipe() {
        assert_eq!(decode_program(&encode_program(&program())), Ok(program()));
    }

    #[test]
    fn what_may_be_absent_survives_the_pipe() {
        let absent = [Op::Clone { flags: 1, group: None }, Op::Supervise { uid: None }].map(Instruction::from);
        assert_eq!(decode_program(&encode_program(&absent)), Ok(absent.to_vec()));
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = encode_program(&program());
        for length in 0..bytes.len() {
            assert!(decode_program(&bytes[..length]).is_err(), "{length} bytes of {} were read", bytes.len());
        }
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let mut bytes = encode_program(&program());
        bytes.push(0);
        assert_eq!(decode_program(&bytes), Err(DecodeError { offset: bytes.len() - 1 }));
    }

    #[test]
    fn an_unknown_operation_is_refused() {
        assert_eq!(decode_program(&[1, 0, 0, 0, 200]), Err(DecodeError { offset: 5 }));
    }

    #[test]
    fn steps_are_unique() {
        let mut steps: Vec<_> = one_of_each().iter().map(Op::step).collect();
        let count = steps.len();
        steps.sort_unstable();
        steps.dedup();
        assert_eq!(steps.len(), count);
    }
}
