//! The N-API shell: converts between JavaScript values and the crates beside it, and nothing else.
#![deny(missing_docs)]

mod os_api;
#[allow(dead_code)]
mod task;
mod trees_api;
