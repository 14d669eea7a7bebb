//! The N-API shell: converts between JavaScript values and the crates beside it, and nothing else.
#![deny(missing_docs)]

mod convert;
mod os_api;
mod sandbox_api;
mod task;
mod trees_api;
