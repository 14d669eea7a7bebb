//! Ending long work early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Result, TreeError};

/// A request to end, shared by whoever makes it and the work that looks for it: before each entry of a tree and each chunk of a file.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// No request yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to end. It fails with [`crate::Kind::Cancelled`] where it looks next.
    pub fn request(&self) {
        // Nothing else is handed over with it.
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(TreeError::cancelled()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
