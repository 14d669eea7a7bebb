//! A process above the builder, where no namespace keeps together what the builder starts.

use std::time::Duration;

use drvkit_helper::{ENGINE_FD, PROGRAM_FD, Report};

use crate::sys::{self, Ended, Errno, Reaped};

/// Returns in the child, which performs the rest. Orphans of the child become children of this process.
pub fn supervise(uid: Option<u32>) -> Result<(), Errno> {
    sys::adopt_orphans()?;
    // Without the list of them nothing could be ended: better no build than one that leaves something.
    sys::children()?;
    let signals = sys::signals_as_descriptor()?;
    let supervisor = sys::own_pid();
    let builder = sys::clone(libc::SIGCHLD as u64)?;
    if builder == 0 {
        sys::arm_death_signal()?;
        // The signal alone is not enough: the process above may have ended before it was armed.
        return if sys::parent_pid() == supervisor { Ok(()) } else { sys::exit(1) };
    }
    sys::report(Report::Cloned { pid: builder, joined: false });
    // The end of the output is the end of those who write it, and this process is none of them.
    let closed = sys::close_all_but([ENGINE_FD, signals], PROGRAM_FD);
    let seen = closed.and_then(|()| wait_for(builder, signals));
    // Who wants its end may have seen that of its output, and then it has ended by itself: that counts.
    // With the engine the ids went, perhaps to another build already.
    let held = uid.filter(|_| sys::is_readable(ENGINE_FD) == Ok(false));
    let swept = sweep(held, builder);
    let ended = seen.ok().flatten().or(swept);
    sys::end_as(ended.unwrap_or(Ended::Signalled(libc::SIGKILL)))
}

/// How the builder ended; `None` when somebody wants its end.
fn wait_for(builder: i32, signals: i32) -> Result<Option<Ended>, Errno> {
    loop {
        if sys::wait_for_either(signals, ENGINE_FD)? || sys::take_signal(signals)? == libc::SIGTERM {
            return Ok(None);
        }
        while let Reaped::Ended(pid, ended) = sys::reap()? {
            if pid == builder {
                return Ok(Some(ended));
            }
        }
    }
}

/// Ends all that is left. What a child leaves when it ends becomes a child, so a round is not the last one until there is
/// none. How the builder ended, if it is among them: its end is not to be seen as long as one of the others traces it, and
/// that one may become a child only after a look at them. So nothing here waits for an end: there is another round soon.
fn sweep(uid: Option<u32>, builder: i32) -> Option<Ended> {
    let mut found = None;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(uid) = uid {
            let _ = sys::as_user_for_signals(uid, sys::kill_all);
        }
        for pid in sys::children().unwrap_or_default() {
            sys::kill(pid);
        }
        match sys::reap() {
            Ok(Reaped::Ended(pid, ended)) if pid == builder => found = Some(ended),
            Ok(Reaped::Ended(..)) => {}
            Ok(Reaped::NoneYet) => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Ok(Reaped::NoChildren) | Err(_) => return found,
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LAST_PAUSE: Duration = Duration::from_millis(50);
