//! Threads of our own for work on trees: those of Node serve its own files and DNS.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    work_came: Condvar,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

/// Threads as many as the machine has processors, started when they are first needed and kept.
pub struct Pool {
    shared: Arc<Shared>,
    width: usize,
}

impl Pool {
    /// A pool of at most `width` threads.
    pub fn new(width: usize) -> Self {
        Self { shared: Arc::default(), width: width.max(1) }
    }

    /// The one of this process.
    pub fn global() -> &'static Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Self::new(thread::available_parallelism().map_or(1, usize::from)))
    }

    /// Runs `work` on one of the threads, after all that was given before. A panic in it ends nothing but itself.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        let mut queue = lock(&self.shared);
        queue.work.push_back(Box::new(work));
        if queue.idle < queue.work.len() && queue.threads < self.width {
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new().name("drvkit-trees".into()).spawn(move || serve(&shared));
            queue.threads += usize::from(started.is_ok());
        }
        if queue.threads == 0 {
            // The machine gives no thread at all. Late is better than never.
            let work = queue.work.pop_front();
            drop(queue);
            work.into_iter().for_each(run_one);
            return;
        }
        drop(queue);
        self.shared.work_came.notify_one();
    }
}

fn serve(shared: &Shared) {
    let mut queue = lock(shared);
    loop {
        match queue.work.pop_front() {
            Some(work) => {
                drop(queue);
                run_one(work);
                queue = lock(shared);
            }
            None => {
                queue.idle += 1;
                queue = shared.work_came.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }
}

fn run_one(work: Work) {
    // Whoever waits for a result notices that none comes; the thread goes on.
    let _ = catch_unwind(AssertUnwindSafe(work));
}

/// Nothing can panic while the lock is held, so a poisoned one is as good as any.
fn lock(shared: &Shared) -> MutexGuard<'_, Queue> {
    shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
