//! One builder in namespaces: description → plan → helper.
//!
//! A [`Spec`] is checked when it is made. [`plan`] turns it into a list of operations and looks at nothing else. The
//! helper executable performs the list in its own address space and is then the builder; one thread of this process
//! starts every helper and listens to every builder. Programs outside of the sandbox are started by the same helper.
#![deny(missing_docs)]

mod channel;
mod child;
mod error;
mod executable;
mod layer;
mod machine;
mod network;
mod outside;
mod plan;
mod probe;
mod program;
mod reactor;
mod seccomp;
mod set_up;
mod skeleton;
mod spec;
mod start;
mod subordinate;
mod sys;
mod template;

pub use error::{Error, Kind};
pub use layer::Layer;
pub use machine::Machine;
pub use plan::{Ending, plan, plan_unconfined};
pub use probe::{Probe, probe};
pub use program::{Input, LogEnds, Program, ProgramParts, ProgramPipes, ProgramSpec, start_program};
pub use reactor::{Event, Waiter};
pub use seccomp::{Action, Call, Condition, RULES, Rule};
pub use spec::{Base, Bind, File, Ids, Network, PID, Renounced, Spec, SpecParts};
pub use start::{Beginning, Process, begin, start, start_unconfined};
pub use sys::ExitStatus;

/// The helper executable, built by `build.rs`.
const HELPER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/drvkit-helper"));
