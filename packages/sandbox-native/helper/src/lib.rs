//! The language between the engine and the executable that becomes the builder, or a program outside of the sandbox:
//! operations one way, reports the other.
//!
//! The executable performs the operations in order and decides nothing; what to do, and what may fail, is settled by
//! whoever made the list.
#![deny(missing_docs)]

use std::ffi::CStr;

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
/// Descriptor of the terminal that becomes standard output and standard error.
pub const TERMINAL_FD: i32 = 5;
/// Descriptor on which it writes reports.
pub const REPORT_FD: i32 = 6;
/// Descriptor that becomes readable when the engine ends.
pub const ENGINE_FD: i32 = 7;
/// Descriptor on which the process that helpers are copies of is asked for one.
pub const CONTROL_FD: i32 = 8;
/// Descriptors of the log pipe of a program outside of the sandbox, its write end and its read end: these numbers are
/// what build hooks rely on, and nobody waits for a permission or has a terminal there.
pub const LOG_FDS: [i32; 2] = [4, 5];
/// The argument by which the executable knows that it is to perform one program itself.
pub const PERFORM: &CStr = c"perform";
/// The byte that permits to go on.
pub const GO: u8 = b'1';
