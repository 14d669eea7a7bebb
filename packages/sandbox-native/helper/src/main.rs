//! The executable that becomes the builder: a copy of it reads a program, performs it, and is then another program. Told to
//! [`PERFORM`], it does so itself and makes no copies.
//!
//! It runs alone in its own address space and has one thread, so that nothing between its clone and its `execve` can
//! meet a lock that somebody else holds.
#![deny(missing_docs)]

mod perform;
mod root;
mod supervise;
mod sys;

use std::os::unix::ffi::OsStrExt;

use drvkit_helper::{CONTROL_FD, ENGINE_FD, PERFORM, PROGRAM_FD, Report};

fn main() {
    match std::env::args_os().nth(1) {
        Some(duty) if duty.as_bytes() == PERFORM.to_bytes() => help(),
        _ => copy_on_request(),
    }
}

/// Copies itself whenever it is asked to. A copy is a child of the engine, as this process is.
fn copy_on_request() {
    // Only the descriptor of the agreement: others leaked from the process that started this one.
    let closed = sys::close_range(PROGRAM_FD, ENGINE_FD).and_then(|()| sys::close_above(CONTROL_FD));
    // What is typed at the person's terminal is for the engine.
    if closed.and_then(|()| sys::new_session()).is_err() {
        sys::exit(2);
    }
    // The end of the engine is the end of the socket.
    while let Ok(Some(arrived)) = sys::receive_descriptors(CONTROL_FD, PROGRAM_FD..=ENGINE_FD) {
        let answer = match arrived.and_then(|()| sys::clone((libc::CLONE_PARENT | libc::SIGCHLD) as u64)) {
            Ok(0) => return help(),
            Ok(pid) => pid,
            Err(errno) => -errno,
        };
        let _ = sys::close_range(PROGRAM_FD, ENGINE_FD);
        if sys::write_all(CONTROL_FD, &answer.to_ne_bytes()).is_err() {
            break;
        }
    }
    sys::exit(0);
}

/// One start.
fn help() {
    if sys::close_above(ENGINE_FD).is_err() {
        sys::exit(2);
    }
    match perform::read_program() {
        Ok(program) => perform::perform(program),
        Err(_) => sys::report(Report::BadProgram),
    }
    sys::exit(1);
}
