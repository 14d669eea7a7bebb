//! The N-API shell: converts between JavaScript values and the crates beside it, and nothing else.
#![deny(missing_docs)]
#![cfg_attr(test, allow(dead_code, reason = "napi leaves the code that registers functions out of test builds"))]

mod compare_api;
mod convert;
mod os_api;
mod program_api;
mod sandbox_api;
mod streams_api;
mod system_calls_api;
mod task;
mod trees_api;
