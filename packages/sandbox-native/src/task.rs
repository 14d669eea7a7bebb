//! Promises that any thread may settle, and failures that cross the boundary as fields.

use drvkit_trees::{self as trees, Pool};
use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, JsDeferred, sys};

/// Why a call failed: the fields of `SandboxError`.
#[derive(Debug, Default)]
pub struct Failure {
    /// One of the codes of `ts/error.ts`.
    pub code: &'static str,
    /// Lower case, the value quoted, no full stop.
    pub message: String,
    /// What the reader can do about it.
    pub hint: Option<String>,
    /// The step that failed.
    pub step: Option<String>,
    /// The path it was about.
    pub path: Option<String>,
    /// The number the kernel gave.
    pub errno: Option<i32>,
}

/// What a call came to. In JavaScript: `{ value }` or `{ error: { code, message, … } }`; `ts/error.ts` unwraps it.
pub struct Outcome<T>(pub Result<T, Failure>);

impl<T: ToNapiValue> ToNapiValue for Outcome<T> {
    unsafe fn to_napi_value(env: sys::napi_env, outcome: Self) -> napi::Result<sys::napi_value> {
        let scope = Env::from_raw(env);
        let mut object = Object::new(&scope)?;
        match outcome.0 {
            Ok(value) => object.set("value", value)?,
            Err(failure) => {
                let mut error = Object::new(&scope)?;
                error.set("code", failure.code)?;
                error.set("message", failure.message)?;
                if let Some(hint) = failure.hint {
                    error.set("hint", hint)?;
                }
                if let Some(step) = failure.step {
                    error.set("step", step)?;
                }
                if let Some(path) = failure.path {
                    error.set("path", path)?;
                }
                if let Some(errno) = failure.errno {
                    error.set("errno", errno)?;
                }
                object.set("error", error)?;
            }
        }
        // SAFETY: `env` is the environment this conversion was called with, on its own thread.
        unsafe { Object::to_napi_value(env, object) }
    }
}

type Resolver<T> = Box<dyn FnOnce(Env) -> napi::Result<Outcome<T>> + Send>;

/// The right to settle one promise, once, from any thread. Dropped unused, it settles the promise as a bug, so that
/// a thread that panics leaves nobody waiting.
pub struct Settle<T: ToNapiValue + Send + 'static>(Option<JsDeferred<Outcome<T>, Resolver<T>>>);

impl<T: ToNapiValue + Send + 'static> Settle<T> {
    /// Settles the promise.
    pub fn done(mut self, result: Result<T, Failure>) {
        self.settle(result);
    }

    fn settle(&mut self, result: Result<T, Failure>) {
        if let Some(deferred) = self.0.take() {
            deferred.resolve(Box::new(move |_| Ok(Outcome(result))));
        }
    }
}

impl<T: ToNapiValue + Send + 'static> Drop for Settle<T> {
    fn drop(&mut self) {
        self.settle(Err(Failure {
            code: "ERR_BUG",
            message: "bug: a native call ended without a result".to_owned(),
            ..Failure::default()
        }));
    }
}

/// Makes a promise of an `Outcome<T>` and hands the right to settle it to `start`, which must not block.
pub fn promise<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    start: impl FnOnce(Settle<T>),
) -> napi::Result<Object<'env>> {
    let (deferred, promise) = env.create_deferred::<Outcome<T>, Resolver<T>>()?;
    start(Settle(Some(deferred)));
    Ok(promise)
}

/// A promise of what `work` comes to on one of the threads for trees.
pub fn on_pool<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    work: impl FnOnce() -> trees::Result<T> + Send + 'static,
) -> napi::Result<Object<'env>> {
    run_on(Pool::global(), env, move || work().map_err(Failure::from))
}

/// A promise of what `work` comes to on a thread where it may wait.
pub fn on_thread<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> napi::Result<Object<'env>> {
    run_on(Pool::waiting(), env, work)
}

fn run_on<'env, T: ToNapiValue + Send + 'static>(
    pool: &Pool,
    env: &'env Env,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> napi::Result<Object<'env>> {
    promise(env, |settle| pool.run(move || settle.done(work())))
}
