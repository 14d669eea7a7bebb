//! What Node lacks of the system: locks on files, allocation of space, facts about file systems, control groups.
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod error;
mod filesystem;
mod flock;
mod group;
#[allow(unsafe_code)]
mod sys;
#[cfg(test)]
mod testing;
mod waiting;

pub use error::{Errno, Kind, OsError, Result};
pub use filesystem::{FileSystem, allocate_file, file_system_type, free_bytes};
pub use flock::{FileLock, LockMode, lock_descriptor, try_lock};
pub use group::{GroupLimits, GroupUsage, group_usage, kill_group, make_group, remove_group};
pub use waiting::{Ticket, Waiting};
