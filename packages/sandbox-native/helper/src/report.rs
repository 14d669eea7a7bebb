//! What the executable tells the engine: messages of one fixed size, so that a pipe writes each of them whole.

/// Bytes of an encoded report.
pub const REPORT_SIZE: usize = 16;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The clone exists; its pid as this machine sees it.
    Cloned {
        /// The pid.
        pid: i32,
        /// Whether it began in its control group.
        joined: bool,
    },
    /// An instruction failed with a number that it tolerates.
    Skipped {
        /// Position in the program.
        index: u32,
        /// The number.
        errno: i32,
    },
    /// Everything is done; the builder starts now.
    Ready,
    /// An instruction failed; nothing more happens.
    Failed {
        /// Position in the program.
        index: u32,
        /// The number.
        errno: i32,
        /// Which path it was: 0 the first of the operation, 1 the second.
        subject: u32,
    },
    /// The program cannot be read.
    BadProgram,
}

impl Report {
    /// The bytes of the message.
    pub fn encode(self) -> [u8; REPORT_SIZE] {
        let (kind, index, errno, subject) = match self {
            Report::Cloned { pid, joined } => (1, u32::from(joined), pid, 0),
            Report::Skipped { index, errno } => (2, index, errno, 0),
            Report::Ready => (3, 0, 0, 0),
            Report::Failed { index, errno, subject } => (4, index, errno, subject),
            Report::BadProgram => (5, 0, 0, 0),
        };
        let mut bytes = [0; REPORT_SIZE];
        bytes[0..4].copy_from_slice(&u32::to_ne_bytes(kind));
        bytes[4..8].copy_from_slice(&index.to_ne_bytes());
        bytes[8..12].copy_from_slice(&errno.to_ne_bytes());
        bytes[12..16].copy_from_slice(&subject.to_ne_bytes());
        bytes
    }

    /// The message of the bytes; `None` for an unknown kind.
    pub fn decode(bytes: &[u8; REPORT_SIZE]) -> Option<Report> {
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let index = u32::from_ne_bytes(word(4));
        let errno = i32::from_ne_bytes(word(8));
        match u32::from_ne_bytes(word(0)) {
            1 => Some(Report::Cloned { pid: errno, joined: index != 0 }),
            2 => Some(Report::Skipped { index, errno }),
            3 => Some(Report::Ready),
            4 => Some(Report::Failed { index, errno, subject: u32::from_ne_bytes(word(12)) }),
            5 => Some(Report::BadProgram),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_survives_the_pipe() {
        for report in [
            Report::Cloned { pid: 4_194_303, joined: false },
            Report::Cloned { pid: 1, joined: true },
            Report::Skipped { index: 7, errno: 38 },
            Report::Ready,
            Report::Failed { index: u32::MAX, errno: 13, subject: 1 },
            Report::BadProgram,
        ] {
            assert_eq!(Report::decode(&report.encode()), Some(report));
        }
    }

    #[test]
    fn an_unknown_kind_is_nothing() {
        assert_eq!(Report::decode(&[9; REPORT_SIZE]), None);
    }
}
