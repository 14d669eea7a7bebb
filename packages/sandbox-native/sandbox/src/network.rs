//! The program that connects the network namespace of one builder.

use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::Error;
use crate::program::{Program, ProgramParts, ProgramSpec, start_program};
use crate::reactor::Event;
use crate::spec::{Network, PID};
use crate::sys::{self, ExitStatus};

/// A program that runs beside a builder; killed when it is dropped.
pub(crate) struct Connection {
    name: String,
    _program: Program,
    /// Readable once it has ended: then there is its status.
    ended: PipeReader,
    output: OwnedFd,
}

impl Connection {
    /// Starts the program of a network, if it has one, for the namespaces of the process.
    pub(crate) fn make(network: &Network, pid: i32, temp_dir: &[u8]) -> Result<Option<Connection>, Error> {
        let Network::Program(argv) = network else { return Ok(None) };
        let name = String::from_utf8_lossy(&argv[0]).into_owned();
        let failed = |errno| Error::setup("network", Some(&argv[0]), errno);
        let env = std::env::vars_os().map(|(name, value)| (name.into_encoded_bytes(), value.into_encoded_bytes()));
        let argv_of_pid = argv.iter().map(|text| with_pid(text, pid)).collect();
        let spec = ProgramSpec::new(ProgramParts::beside(&argv[0], argv_of_pid, env.collect(), temp_dir))?;
        let mut program = start_program(&spec)?;
        let output = program.take_pipes().ok_or_else(|| failed(libc::EBADF))?.output;
        let (ended, tell) = std::io::pipe().map_err(|error| failed(error.raw_os_error().unwrap_or(libc::EMFILE)))?;
        program.next(Box::new(move |events| {
            let status = events.iter().find_map(|event| match event {
                Event::Exit(status) => Some(*status),
                _ => None,
            });
            let how = match status {
                Some(ExitStatus::Exited(code)) => format!("with exit code {code}"),
                Some(ExitStatus::Signalled(signal)) => format!("by signal {signal}"),
                None => "without a status".to_owned(),
            };
            // A few bytes fit into any pipe; who does not read them does not want to know.
            let _ = std::io::Write::write_all(&mut &tell, how.as_bytes());
        }));
        Ok(Some(Connection { name, _program: program, ended, output }))
    }

    /// A descriptor that is readable once the program has ended.
    pub(crate) fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Why there is no network, once the program has ended.
    pub(crate) fn error(&self) -> Error {
        let mut how = String::new();
        let _ = (&self.ended).read_to_string(&mut how);
        let mut said = [0; 1024];
        let count = sys::set_nonblocking(&self.output).and_then(|()| sys::read_some(self.output.as_fd(), &mut said));
        let said = String::from_utf8_lossy(&said[..count.unwrap_or(0)]).trim().to_owned();
        let reason = if said.is_empty() { String::new() } else { format!(": {said}") };
        Error::network(&self.name, format!("the network program \"{}\" ended {how}{reason}", self.name))
    }
}

fn with_pid(text: &[u8], pid: i32) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => text.replace(PID, &pid.to_string()).into_bytes(),
        Err(_) => text.to_vec(),
    }
}
