//! The executable that becomes the builder: reads a program, performs it, and is then another program.
//!
//! It runs alone in its own address space and has one thread, so that nothing between its clone and its `execve` can
//! meet a lock that somebody else holds.
#![deny(missing_docs)]

mod perform;
mod root;
mod sys;

use drvkit_helper::{PROGRAM_FD, Report, decode_program};

fn main() {
    // Only the descriptors of the agreement: others leaked from the process that started this one.
    if sys::close_above(drvkit_helper::ENGINE_FD).is_err() {
        sys::exit(2);
    }
    let program = sys::read_message(PROGRAM_FD).and_then(|bytes| decode_program(&bytes).map_err(|_| libc::EBADMSG));
    match program {
        Ok(program) => perform::perform(&program),
        Err(_) => sys::report(Report::BadProgram),
    }
    sys::exit(1);
}
