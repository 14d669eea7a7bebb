//! JavaScript functions of the sandbox crate.

use std::sync::{Mutex, PoisonError};

use drvkit_sandbox::{Base, Beginning, Process, Spec, SpecParts, begin, probe, start, start_unconfined as start_plain};
use drvkit_trees::{Cancel, remove_tree};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::convert::{JsBase, JsEvent, JsProbe, JsSpec, JsUnconfinedSpec};
use crate::task::{Failure, Settle, on_thread, promise};

/// A running builder; killed when it is collected.
#[napi]
pub struct NativeProcess(Process);

#[napi]
impl NativeProcess {
    /// Its pid on this machine.
    #[napi(getter)]
    pub fn pid(&self) -> i32 {
        self.0.pid()
    }

    /// Layers in force.
    #[napi(getter)]
    pub fn layers(&self) -> Vec<&'static str> {
        self.0.layers().iter().map(|layer| layer.name()).collect()
    }

    /// The next events; none after the last one.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        promise(env, |settle: Settle<Vec<JsEvent>>| {
            self.0.next(Box::new(move |events| settle.done(Ok(events.into_iter().map(JsEvent::from).collect()))));
        })
    }

    /// SIGKILL to all of it.
    #[napi]
    pub fn kill(&self) {
        self.0.kill();
    }
}

/// A sandbox that waits for its builder; ended when it is collected.
#[napi]
pub struct NativeBeginning(Mutex<Option<Beginning>>);

#[napi]
impl NativeBeginning {
    /// Ends it, unless a builder was started in it.
    #[napi]
    pub fn end<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let begun = self.take();
        on_thread(env, move || {
            drop(begun);
            Ok(())
        })
    }

    fn take(&self) -> Option<Beginning> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Begins a sandbox; settles once it waits for its builder, or is about to.
#[napi]
pub fn begin_sandbox<'env>(env: &'env Env, base: JsBase) -> napi::Result<Object<'env>> {
    let base = Base::try_from(base);
    on_thread(env, move || Ok(NativeBeginning(Mutex::new(Some(begin(base?)?)))))
}

/// Starts a builder; settles once it runs.
#[napi]
pub fn start_sandbox<'env>(
    env: &'env Env,
    spec: JsSpec,
    begun: Option<&NativeBeginning>,
) -> napi::Result<Object<'env>> {
    let parts = SpecParts::try_from(spec);
    let begun = begun.and_then(NativeBeginning::take);
    on_thread(env, move || {
        let parts = parts?;
        let directories = [parts.chroot_dir.clone(), parts.temp_dir.clone()];
        let spec = Spec::new(parts)?;
        remove_left(&directories)?;
        Ok(NativeProcess(start(&spec, begun)?))
    })
}

/// Starts a builder without a sandbox; settles once it runs.
#[napi]
pub fn start_unconfined<'env>(env: &'env Env, spec: JsUnconfinedSpec) -> napi::Result<Object<'env>> {
    let parts = SpecParts::from(spec);
    on_thread(env, move || {
        let directories = [parts.temp_dir.clone()];
        let spec = Spec::new(parts)?;
        remove_left(&directories)?;
        Ok(NativeProcess(start_plain(&spec)?))
    })
}

/// What an earlier run left where directories are going to be made.
fn remove_left(directories: &[Vec<u8>]) -> Result<(), Failure> {
    directories.iter().try_for_each(|path| Ok(remove_tree(path, &Cancel::default())?))
}

/// Tries every layer, in a directory that must be private.
#[napi]
pub fn probe_sandbox<'env>(env: &'env Env, directory: String, uid: u32, gid: u32) -> napi::Result<Object<'env>> {
    on_thread(env, move || Ok(probe(directory.as_ref(), uid, gid)?.into_iter().map(JsProbe::from).collect::<Vec<_>>()))
}
