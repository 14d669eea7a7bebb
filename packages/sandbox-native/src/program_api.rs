//! JavaScript functions for programs outside of the sandbox.

use std::os::fd::IntoRawFd;

use drvkit_sandbox::{Input, Program, ProgramParts, ProgramSpec, start_program as start};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::convert::JsEvent;
use crate::task::{Failure, Settle, on_thread, promise};

/// One variable of an environment.
#[napi(object)]
pub struct JsVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// `ProgramOptions` of `ts/program.ts`.
#[napi(object)]
pub struct JsProgram {
    /// See `ts/program.ts`, as for all below.
    pub program: String,
    /// All of argv.
    pub argv: Vec<String>,
    /// All of the environment.
    pub env: Vec<JsVariable>,
    /// Working directory.
    pub cwd: Option<String>,
    /// In a session of its own.
    pub session: bool,
    /// Whether its standard input is a pipe; else it is inherited.
    pub input_pipe: bool,
    /// Whether there is a log pipe.
    pub log_pipe: bool,
    /// A directory for short-lived files.
    pub temp_dir: String,
}

impl From<JsProgram> for ProgramParts {
    fn from(program: JsProgram) -> Self {
        let variable = |JsVariable { name, value }| (name.into_bytes(), value.into_bytes());
        ProgramParts {
            program: program.program.into_bytes(),
            argv: program.argv.into_iter().map(String::into_bytes).collect(),
            env: program.env.into_iter().map(variable).collect(),
            cwd: program.cwd.map(String::into_bytes),
            session: program.session,
            input: if program.input_pipe { Input::Pipe } else { Input::Inherited },
            log_pipe: program.log_pipe,
            temp_dir: program.temp_dir.into_bytes(),
        }
    }
}

/// Descriptors that are the caller's.
#[napi(object, object_from_js = false)]
pub struct JsPipes {
    /// Where the standard input is written.
    pub input: Option<i32>,
    /// Where standard output and standard error are read.
    pub output: i32,
    /// Where the log is read.
    pub log_read: Option<i32>,
    /// Where it could be written.
    pub log_write: Option<i32>,
}

/// A running program; killed when it is collected.
#[napi]
pub struct NativeProgram(Program);

#[napi]
impl NativeProgram {
    /// Its pid.
    #[napi(getter)]
    pub fn pid(&self) -> i32 {
        self.0.pid()
    }

    /// Descriptors of its pipes, the first time: whoever takes them closes them.
    #[napi]
    pub fn take_pipes(&mut self) -> Option<JsPipes> {
        let pipes = self.0.take_pipes()?;
        let (log_read, log_write) = pipes.log.map(|log| (log.read.into_raw_fd(), log.write.into_raw_fd())).unzip();
        Some(JsPipes {
            input: pipes.input.map(IntoRawFd::into_raw_fd),
            output: pipes.output.into_raw_fd(),
            log_read,
            log_write,
        })
    }

    /// Its end, the first time.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, |settle: Settle<Vec<JsEvent>>| {
            self.0.next(Box::new(move |events| settle.done(Ok(events.into_iter().map(JsEvent::from).collect()))));
        })
    }

    /// Sends a signal to its session or to it alone.
    #[napi]
    pub fn signal(&self, signal: i32) {
        self.0.signal(signal);
    }
}

/// Starts a program; settles once it runs.
#[napi]
pub fn start_program<'env>(env: &'env Env, program: JsProgram) -> napi::Result<Object<'env>> {
    let spec = ProgramSpec::new(program.into()).map_err(Failure::from);
    on_thread(env, move || Ok(NativeProgram(start(&spec?)?)))
}
