//! Failures that tests bring about, and counts of calls: each thread has its own.

use std::cell::Cell;

use super::Result;
use crate::error::Errno;

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
    Sync,
}

thread_local! {
    static FAILING: Cell<Option<(Call, i32)>> = const { Cell::new(None) };
    static COUNTED: Cell<Option<(Call, usize)>> = const { Cell::new(None) };
}

/// What `call` comes to before it is made.
pub fn check(call: Call) -> Result<()> {
    if let Some((counted, count)) = COUNTED.get()
        && counted == call
    {
        COUNTED.set(Some((call, count + 1)));
    }
    match FAILING.get() {
        Some((failing, errno)) if failing == call => Err(Errno(errno)),
        _ => Ok(()),
    }
}

/// Does `act` while every `call` of this thread fails with `errno`.
pub fn failing<T>(call: Call, errno: i32, act: impl FnOnce() -> T) -> T {
    FAILING.set(Some((call, errno)));
    let result = act();
    FAILING.set(None);
    result
}

/// How often `act` makes `call` in this thread.
pub fn counting(call: Call, act: impl FnOnce()) -> usize {
    COUNTED.set(Some((call, 0)));
    act();
    COUNTED.take().map_or(0, |(_, count)| count)
}
