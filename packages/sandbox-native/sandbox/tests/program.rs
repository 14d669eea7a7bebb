//! Programs outside of the sandbox that really run.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc;

use drvkit_sandbox::{Event, ExitStatus, Input, Kind, Program, ProgramParts, ProgramSpec, start_program};

fn parts(script: &str) -> ProgramParts {
    ProgramParts {
        program: b"/bin/sh".to_vec(),
        argv: ["sh", "-c", script].map(|text| text.as_bytes().to_vec()).to_vec(),
        env: vec![(b"PATH".to_vec(), b"/usr/bin:/bin".to_vec())],
        cwd: None,
        session: true,
        input: Input::Pipe,
        log_pipe: true,
        temp_dir: std::env::temp_dir().into_os_string().into_encoded_bytes(),
    }
}

fn start(parts: ProgramParts) -> Program {
    start_program(&ProgramSpec::new(parts).expect("a good description")).expect("a start")
}

fn end(program: &Program) -> Vec<Event> {
    let (sender, receiver) = mpsc::channel();
    program.next(Box::new(move |events| drop(sender.send(events))));
    receiver.recv().expect("an answer")
}

#[test]
fn a_program_reads_writes_logs_and_ends() {
    let mut program = start(parts("read line; echo $line; echo log >&4; exit 3"));
    let pipes = program.take_pipes().expect("pipes");
    assert!(program.take_pipes().is_none());
    File::from(pipes.input.expect("an input")).write_all(b"word\n").expect("a reader");
    let (mut output, mut log) = (String::new(), [0; 8]);
    File::from(pipes.output).read_to_string(&mut output).expect("an end");
    assert_eq!(output, "word\n");
    assert_eq!(end(&program), [Event::Exit(ExitStatus::Exited(3))]);
    let mut read = File::from(pipes.log.expect("a log").read);
    assert_eq!(read.read(&mut log).map(|length| &log[..length]).expect("a log"), b"log\n");
    // Its numbers may be those of others now.
    program.signal(libc::SIGKILL);
    assert_eq!(end(&program), []);
}

#[test]
fn a_program_that_is_not_there_is_told_with_its_path() {
    let parts = ProgramParts { program: b"/no/such".to_vec(), ..parts("") };
    let error = start_program(&ProgramSpec::new(parts).expect("a good description")).err().expect("a failure");
    let seen = (error.kind, error.step.as_deref(), error.path.as_deref(), error.errno);
    assert_eq!(seen, (Kind::ProgramStart, Some("execute-program"), Some("/no/such"), Some(libc::ENOENT)));
}

#[test]
fn a_program_whose_handle_is_dropped_is_killed() {
    let mut program = start(parts("sleep 1000 & wait"));
    let pipes = program.take_pipes().expect("pipes");
    drop(program);
    // The end of the output is the end of both.
    assert_eq!(File::from(pipes.output).read(&mut [0; 8]).expect("an end"), 0);
}
