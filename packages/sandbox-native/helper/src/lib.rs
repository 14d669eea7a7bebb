//! The language between the engine and the executable that becomes the builder: operations one way, reports the other.
//!
//! The executable performs the operations in order and decides nothing; what to do, and what may fail, is settled by
//! whoever made the list.
#![deny(missing_docs)]

mod codec;
mod op;
mod report;

pub use codec::{DecodeError, decode_program, encode_program};
pub use op::{Instruction, MountOption, Op};
pub use report::{REPORT_SIZE, Report};

/// Descriptor on which the executable reads the program.
pub const PROGRAM_FD: i32 = 3;
/// Descriptor on which it waits for the permission to go on.
pub const GO_FD: i32 = 4;
/// Descriptor on which it writes reports.
pub const REPORT_FD: i32 = 5;
/// Descriptor of the terminal that becomes standard output and standard error.
pub const TERMINAL_FD: i32 = 6;
/// Descriptor that becomes readable when the engine ends.
pub const ENGINE_FD: i32 = 7;
/// Descriptor on which the process that helpers are copies of is asked for one.
pub const CONTROL_FD: i32 = 8;
/// The byte that permits to go on.
pub const GO: u8 = b'1';
