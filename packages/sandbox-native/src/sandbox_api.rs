//! JavaScript functions of the sandbox crate.

use std::thread;

use drvkit_sandbox::{Process, Spec, SpecParts, probe, start, start_unconfined as start_plain};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::convert::{JsEvent, JsProbe, JsSpec, JsUnconfinedSpec};
use crate::task::{Failure, Settle, promise};

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

/// Starts a builder; settles once it runs.
#[napi]
pub fn start_sandbox<'env>(env: &'env Env, spec: JsSpec) -> napi::Result<Object<'env>> {
    let spec = SpecParts::try_from(spec).and_then(|parts| Spec::new(parts).map_err(Failure::from));
    promise(env, |settle: Settle<NativeProcess>| match spec {
        Ok(spec) => on_thread(settle, move || Ok(NativeProcess(start(&spec)?))),
        Err(failure) => settle.done(Err(failure)),
    })
}

/// Starts a builder without a sandbox; settles once it runs.
#[napi]
pub fn start_unconfined<'env>(env: &'env Env, spec: JsUnconfinedSpec) -> napi::Result<Object<'env>> {
    let spec = Spec::new(SpecParts::from(spec)).map_err(Failure::from);
    promise(env, |settle: Settle<NativeProcess>| match spec {
        Ok(spec) => on_thread(settle, move || Ok(NativeProcess(start_plain(&spec)?))),
        Err(failure) => settle.done(Err(failure)),
    })
}

/// Tries every layer, in a directory that must be private.
#[napi]
pub fn probe_sandbox<'env>(env: &'env Env, directory: String, uid: u32, gid: u32) -> napi::Result<Object<'env>> {
    promise(env, |settle: Settle<Vec<JsProbe>>| {
        on_thread(settle, move || Ok(probe(directory.as_ref(), uid, gid)?.into_iter().map(JsProbe::from).collect()));
    })
}

/// A set-up waits for the helper, so it has a thread of its own while it lasts: a few milliseconds.
pub fn on_thread<T>(settle: Settle<T>, work: impl FnOnce() -> Result<T, Failure> + Send + 'static)
where
    T: napi::bindgen_prelude::ToNapiValue + Send + 'static,
{
    // A thread that cannot be made drops `settle`, which settles.
    let _ = thread::Builder::new().name("drvkit-set-up".into()).spawn(move || settle.done(work()));
}
