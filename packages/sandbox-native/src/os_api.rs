//! JavaScript functions of the os crate.

use drvkit_os::{self as os, GroupLimits, LockMode, OsError, Ticket, Waiting};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::task::{Failure, Outcome, on_thread, promise};

/// A held lock. Collected without being released, it is released.
#[napi]
pub struct FileLock(Option<os::FileLock>);

#[napi]
impl FileLock {
    /// Releases it; nothing when it was released before.
    #[napi]
    pub fn release(&mut self) {
        self.0 = None;
    }

    /// Deletes the lock file and releases the lock; nothing when it was released before.
    #[napi]
    pub fn release_and_delete(&mut self) -> Outcome<()> {
        Outcome(self.0.take().map_or(Ok(()), os::FileLock::release_and_delete).map_err(failure))
    }
}

/// Takes a lock that is free, or nothing.
#[napi]
pub fn try_lock_file(path: String, shared: bool) -> Outcome<Option<FileLock>> {
    let lock = os::try_lock(path.as_bytes(), lock_mode(shared));
    Outcome(lock.map(|lock| lock.map(|lock| FileLock(Some(lock)))).map_err(failure))
}

/// Locks the file behind a descriptor, if that is free.
#[napi]
pub fn lock_descriptor(descriptor: i32, shared: bool) -> Outcome<bool> {
    Outcome(os::lock_descriptor(descriptor, lock_mode(shared)).map_err(failure))
}

/// One wait for a lock.
#[napi]
pub struct LockRequest {
    path: String,
    mode: LockMode,
    ticket: Option<Ticket>,
}

#[napi]
impl LockRequest {
    /// A wait that has not begun.
    #[napi(constructor)]
    pub fn new(path: String, shared: bool) -> Self {
        Self { path, mode: lock_mode(shared), ticket: None }
    }

    /// The lock, or nothing when the wait was abandoned.
    #[napi]
    pub fn wait<'env>(&mut self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, |settle| {
            self.ticket = Some(Waiting::wait(self.path.as_bytes(), self.mode, move |result| {
                settle.done(result.map(|lock| lock.map(|lock| FileLock(Some(lock)))).map_err(failure));
            }));
        })
    }

    /// Ends the wait without the lock, unless it has ended.
    #[napi]
    pub fn abandon(&self) {
        if let Some(ticket) = &self.ticket {
            ticket.abandon();
        }
    }
}

/// See `FileSystemType` in `ts/os.ts`.
#[napi(object, object_from_js = false)]
pub struct FileSystemType {
    /// The number by which the kernel names the type.
    pub magic: u32,
    /// Its usual name.
    pub name: &'static str,
    /// Whether other machines share it.
    pub network: bool,
}

/// What holds a path.
#[napi]
pub fn file_system_type(path: String) -> Outcome<FileSystemType> {
    Outcome(os::file_system_type(path.as_bytes()).map_err(failure).map(|found| FileSystemType {
        magic: found.magic,
        name: found.name,
        network: found.is_network,
    }))
}

/// Bytes that may still be written where a path is.
#[napi]
pub fn free_bytes(path: String) -> Outcome<f64> {
    Outcome(os::free_bytes(path.as_bytes()).map(|bytes| bytes as f64).map_err(failure))
}

/// Space for the first bytes of a file.
#[napi]
pub fn allocate_file(path: String, bytes: i64) -> napi::Result<Outcome<()>> {
    let length = u64::try_from(bytes)
        .map_err(|_| napi::Error::new(napi::Status::InvalidArg, format!("'{bytes}' is not a length")))?;
    Ok(Outcome(os::allocate_file(path.as_bytes(), length).map_err(failure)))
}

/// See `ControlGroupLimits` in `ts/cgroup.ts`, and who owns the group.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct ControlGroupOptions {
    /// See `ts/cgroup.ts`, as for the next two.
    pub memory_max_bytes: Option<f64>,
    /// Processes and threads.
    pub pids_max: Option<f64>,
    /// In parts of one processor.
    pub cpus: Option<f64>,
    /// The owner's user, with `gid`.
    pub uid: Option<u32>,
    /// The owner's group.
    pub gid: Option<u32>,
}

/// See `ControlGroupUsage` in `ts/cgroup.ts`.
#[napi(object, object_from_js = false)]
pub struct ControlGroupUsage {
    /// Time in programs.
    pub cpu_user_microseconds: f64,
    /// Time in the kernel.
    pub cpu_system_microseconds: f64,
    /// Absent without a controller of memory.
    pub memory_peak_bytes: Option<f64>,
}

/// Makes a control group.
#[napi]
pub fn make_control_group<'env>(
    env: &'env Env,
    parent: String,
    name: String,
    options: ControlGroupOptions,
) -> napi::Result<Object<'env>> {
    let ControlGroupOptions { memory_max_bytes, pids_max, cpus, uid, gid } = options;
    let limits = GroupLimits { memory_max_bytes, pids_max, cpus };
    on_thread(env, move || os::make_group(parent.as_bytes(), name.as_bytes(), limits, uid.zip(gid)).map_err(failure))
}

/// Ends and removes a control group.
#[napi]
pub fn remove_control_group<'env>(env: &'env Env, path: String) -> napi::Result<Object<'env>> {
    on_thread(env, move || os::remove_group(path.as_bytes()).map_err(failure))
}

/// Ends what is in a control group.
#[napi]
pub fn kill_control_group(path: String) -> Outcome<()> {
    Outcome(os::kill_group(path.as_bytes()).map_err(failure))
}

/// What a control group used.
#[napi]
pub fn control_group_usage(path: String) -> Outcome<ControlGroupUsage> {
    Outcome(os::group_usage(path.as_bytes()).map_err(failure).map(|used| ControlGroupUsage {
        cpu_user_microseconds: used.user_microseconds as f64,
        cpu_system_microseconds: used.system_microseconds as f64,
        memory_peak_bytes: used.memory_peak_bytes.map(|bytes| bytes as f64),
    }))
}

fn lock_mode(shared: bool) -> LockMode {
    if shared { LockMode::Shared } else { LockMode::Exclusive }
}

fn failure(error: OsError) -> Failure {
    Failure {
        code: error.code(),
        path: (!error.path.is_empty()).then(|| String::from_utf8_lossy(&error.path).into_owned()),
        step: Some(error.step.to_owned()),
        errno: error.errno,
        message: error.message,
        hint: error.hint.map(str::to_owned),
    }
}
