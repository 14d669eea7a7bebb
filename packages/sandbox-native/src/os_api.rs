//! JavaScript functions of the os crate.
