//! The one thread that starts helpers and listens to builders, and to programs outside of the sandbox. It lives as long
//! as the process, because the death signal of a child follows the thread that started it, and it never waits for
//! anything but events.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use crate::network::Connection;
use crate::program::Program;
use crate::sys::{self, Errno, ExitStatus};
use crate::template::{CopyRequest, Template};

/// What a builder does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes that it wrote.
    Output(Vec<u8>),
    /// Nobody can write any more.
    EndOfOutput,
    /// It ended; the last event.
    Exit(ExitStatus),
}

/// Who waits for the next events, all that there are; there are none after the last one.
pub type Waiter = Box<dyn FnOnce(Vec<Event>) + Send>;

/// Output that is held for a reader who does not come; beyond it the builder waits in its write.
const BUFFER_LIMIT: usize = 256 * 1024;
/// What may still lie in a terminal when its last writer has ended; a writer that got away writes for ever.
const DRAIN_LIMIT: usize = 1024 * 1024;
/// While no builder runs, helpers stay easy to start for this long: then the process they are copies of ends.
const PAUSE: Duration = Duration::from_secs(1);
const WAKE: u64 = u64::MAX;

/// Identity of a builder in the reactor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Id(u64);

enum Command {
    Run(Box<dyn FnOnce() + Send>),
    Watch(Id, Watched),
    Next(Id, Waiter),
    Signal(Id, i32),
    Kill(Id),
    Forget(Id),
}

/// A builder, or a program, whose set-up is over.
pub(crate) struct Watched {
    /// Where its output is read; without one there are no events of output.
    pub(crate) terminal: Option<OwnedFd>,
    pub(crate) process: OwnedFd,
    /// Process group that it leads and that its signals go to.
    pub(crate) group: Option<i32>,
    /// The signal that ends it and all that it has started.
    pub(crate) kill: i32,
    /// What connects it to others, as long as it lives.
    pub(crate) connection: Option<Connection>,
    /// What ends it with this process, where its death signal does not.
    pub(crate) guard: Option<Program>,
}

/// The right to the events of one that is watched. Dropped, it is killed and its end awaited quietly.
pub(crate) struct Watch {
    id: Id,
    reactor: &'static Reactor,
}

impl Watch {
    /// Calls `waiter` with the next events.
    pub(crate) fn next(&self, waiter: Waiter) {
        self.reactor.send(Command::Next(self.id, waiter));
    }

    /// Ends it and all that it has started, unless it was reaped.
    pub(crate) fn kill(&self) {
        self.reactor.send(Command::Kill(self.id));
    }

    /// Unless it was reaped. The descriptor of the process is the reactor's alone, so that it closes with the end and not
    /// when JavaScript collects an object.
    pub(crate) fn signal(&self, signal: i32) {
        self.reactor.send(Command::Signal(self.id, signal));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.reactor.send(Command::Forget(self.id));
    }
}

struct Queue {
    commands: VecDeque<Command>,
    next_id: u64,
}

/// The way to the thread.
pub(crate) struct Reactor {
    queue: Mutex<Queue>,
    wake: OwnedFd,
    template: Mutex<Option<Template>>,
}

/// The reactor of this process, started at the first use.
pub(crate) fn reactor() -> Result<&'static Reactor, Errno> {
    static REACTOR: OnceLock<Result<Reactor, Errno>> = OnceLock::new();
    static THREAD: OnceLock<Result<(), Errno>> = OnceLock::new();
    let make = || {
        sys::stay_loaded();
        Ok(Reactor {
            queue: Mutex::new(Queue { commands: VecDeque::new(), next_id: 0 }),
            wake: sys::new_event()?,
            template: Mutex::new(None),
        })
    };
    let reactor = REACTOR.get_or_init(make).as_ref().map_err(|errno| *errno)?;
    let start = || {
        let epoll = sys::new_epoll()?;
        sys::watch(epoll.as_fd(), reactor.wake.as_fd(), WAKE)?;
        let state = State { reactor, epoll, builders: HashMap::new() };
        let thread = std::thread::Builder::new().name("drvkit-sandbox".into()).spawn(move || state.run());
        thread.map(drop).map_err(|error| error.raw_os_error().unwrap_or(libc::EAGAIN))
    };
    (*THREAD.get_or_init(start)).map(|()| reactor)
}

impl Reactor {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two statements.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, command: Command) {
        self.lock().commands.push_back(command);
        // The counter cannot overflow, and if it is full the thread is awake.
        let _ = sys::write_all(self.wake.as_raw_fd(), &1_u64.to_ne_bytes());
    }

    /// A helper; its pid. Whoever asks, it is a child of the thread that lives, because the process it is a copy of was
    /// started there.
    pub(crate) fn spawn(&self, request: &CopyRequest) -> Result<i32, Errno> {
        // There is one or none, between any two statements.
        let mut template = self.template.lock().unwrap_or_else(PoisonError::into_inner);
        Template::copy(&mut template, request, || {
            let directory = request.directory.clone();
            self.on_thread(move || Template::start(&directory))
        })
    }

    /// What `work` starts there is a child of the thread that lives. It may take as long as starting a helper does.
    pub(crate) fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Errno> + Send + 'static,
    ) -> Result<T, Errno> {
        let (sender, receiver) = mpsc::channel();
        self.send(Command::Run(Box::new(move || drop(sender.send(work())))));
        receiver.recv().unwrap_or(Err(libc::ECHILD))
    }

    /// Listens to a builder or a program.
    pub(crate) fn watch(&'static self, watched: Watched) -> Watch {
        let id = {
            let mut queue = self.lock();
            queue.next_id += 1;
            Id(queue.next_id)
        };
        self.send(Command::Watch(id, watched));
        Watch { id, reactor: self }
    }
}

struct State {
    reactor: &'static Reactor,
    epoll: OwnedFd,
    builders: HashMap<Id, Builder>,
}

struct Builder {
    watched: Watched,
    /// The terminal is in the epoll set.
    listening: bool,
    output: Vec<u8>,
    end_of_output: Progress,
    exit: Exit,
    waiters: VecDeque<Waiter>,
}

/// Of the process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exit {
    Runs,
    Ended(ExitStatus),
    /// Told, or nobody is to be told.
    Told,
}

/// Of the end of output, which is told once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Open,
    Ended,
    Told,
}

impl State {
    fn run(mut self) {
        loop {
            let unused = self.builders.is_empty() && self.has_template();
            let tokens = sys::wait_events(self.epoll.as_fd(), unused.then_some(PAUSE));
            if tokens.is_empty() && unused {
                self.end_template();
            }
            for token in tokens {
                match token {
                    WAKE => self.obey(),
                    token => self.notice(Id(token >> 1), token & 1 == 1),
                }
            }
        }
    }

    /// Who uses it at this moment is not waited for: then it exists.
    fn has_template(&self) -> bool {
        self.reactor.template.try_lock().map_or(true, |template| template.is_some())
    }

    fn end_template(&self) {
        if let Ok(mut template) = self.reactor.template.try_lock() {
            *template = None;
        }
    }

    fn obey(&mut self) {
        let mut counter = [0; 8];
        let _ = sys::read_some(self.reactor.wake.as_fd(), &mut counter);
        let commands = mem::take(&mut self.reactor.lock().commands);
        for command in commands {
            match command {
                Command::Run(work) => work(),
                Command::Watch(id, watched) => self.add(id, watched),
                Command::Next(id, waiter) => match self.builders.get_mut(&id) {
                    Some(builder) => {
                        builder.waiters.push_back(waiter);
                        self.serve(id);
                    }
                    None => waiter(Vec::new()),
                },
                Command::Signal(id, signal) => {
                    if let Some(builder) = self.builders.get(&id) {
                        builder.signal(signal);
                    }
                }
                Command::Kill(id) => {
                    if let Some(builder) = self.builders.get(&id) {
                        builder.kill();
                    }
                }
                Command::Forget(id) => self.drop_interest(id),
            }
        }
    }

    fn add(&mut self, id: Id, watched: Watched) {
        let watching = sys::watch(self.epoll.as_fd(), watched.process.as_fd(), id.0 << 1 | 1);
        if watching.is_err() {
            // Without memory for it the builder could not be followed: it ends, and so does the wait below.
            sys::send_signal(watched.process.as_fd(), libc::SIGKILL);
        }
        let end_of_output = if watched.terminal.is_some() { Progress::Open } else { Progress::Told };
        let mut builder = Builder {
            watched,
            listening: false,
            output: Vec::new(),
            end_of_output,
            exit: Exit::Runs,
            waiters: VecDeque::new(),
        };
        if watching.is_err() {
            builder.ended();
        }
        builder.listen(&self.epoll, id);
        self.builders.insert(id, builder);
    }

    fn notice(&mut self, id: Id, process: bool) {
        let Some(builder) = self.builders.get_mut(&id) else { return };
        if process {
            sys::unwatch(self.epoll.as_fd(), builder.watched.process.as_fd());
            builder.mute(&self.epoll);
            builder.ended();
        } else {
            builder.read(BUFFER_LIMIT);
        }
        self.serve(id);
    }

    /// Gives events to those who wait, and listens again if there is room.
    fn serve(&mut self, id: Id) {
        let Some(builder) = self.builders.get_mut(&id) else { return };
        while let Some(waiter) = builder.waiters.pop_front() {
            let events: Vec<Event> = std::iter::from_fn(|| builder.take()).collect();
            if events.is_empty() {
                builder.waiters.push_front(waiter);
                break;
            }
            waiter(events);
        }
        if builder.exit == Exit::Told {
            let builder = self.builders.remove(&id);
            builder.into_iter().flat_map(|builder| builder.waiters).for_each(|waiter| waiter(Vec::new()));
        } else if builder.output.len() >= BUFFER_LIMIT || builder.end_of_output != Progress::Open {
            builder.mute(&self.epoll);
        } else {
            builder.listen(&self.epoll, id);
        }
    }

    fn drop_interest(&mut self, id: Id) {
        if let Some(builder) = self.builders.get_mut(&id) {
            builder.kill();
            builder.mute(&self.epoll);
            builder.output = Vec::new();
            builder.end_of_output = Progress::Told;
            // With a waiter of its own the end is reaped as any other, and then the builder is removed.
            builder.waiters.push_back(Box::new(|_| ()));
            self.serve(id);
        }
    }
}

impl Builder {
    /// Once it is reaped, its numbers may be those of others.
    fn signal(&self, signal: i32) {
        match self.watched.group {
            _ if self.exit != Exit::Runs => {}
            Some(group) => sys::send_signal_to_group(group, signal),
            None => sys::send_signal(self.watched.process.as_fd(), signal),
        }
    }

    /// Ends it and all that it has started.
    fn kill(&self) {
        self.signal(self.watched.kill);
        // Who is stopped takes no signal but SIGKILL: a builder may stop what runs as the same user.
        self.signal(libc::SIGCONT);
    }

    fn listen(&mut self, epoll: &OwnedFd, id: Id) {
        if let (Some(terminal), Progress::Open, false) = (&self.watched.terminal, self.end_of_output, self.listening) {
            self.listening = sys::watch(epoll.as_fd(), terminal.as_fd(), id.0 << 1).is_ok();
        }
    }

    fn mute(&mut self, epoll: &OwnedFd) {
        if let Some(terminal) = &self.watched.terminal
            && mem::take(&mut self.listening)
        {
            sys::unwatch(epoll.as_fd(), terminal.as_fd());
        }
    }

    /// Reads what is there, up to `limit` bytes held.
    fn read(&mut self, limit: usize) {
        let Some(terminal) = &self.watched.terminal else { return };
        let mut buffer = [0; 16 * 1024];
        while self.output.len() < limit && self.end_of_output == Progress::Open {
            match sys::read_some(terminal.as_fd(), &mut buffer) {
                Ok(count) if count > 0 => self.output.extend_from_slice(&buffer[..count]),
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN) => return,
                // EIO: the last writer is gone.
                Ok(_) | Err(_) => self.end_of_output = Progress::Ended,
            }
        }
    }

    /// The builder is gone and with it its whole process namespace: what it wrote is in the terminal already, and who
    /// still holds the other end does not belong to it.
    fn ended(&mut self) {
        self.watched.connection = None;
        self.watched.guard = None;
        // What it has left in its group ends with it: until it is reaped the number of the group is nobody else's.
        if let Some(group) = self.watched.group {
            sys::send_signal_to_group(group, libc::SIGKILL);
        }
        self.exit =
            Exit::Ended(sys::wait(self.watched.process.as_fd()).unwrap_or(ExitStatus::Signalled(libc::SIGKILL)));
        self.read(self.output.len() + DRAIN_LIMIT);
        if self.end_of_output == Progress::Open {
            self.end_of_output = Progress::Ended;
        }
    }

    fn take(&mut self) -> Option<Event> {
        if !self.output.is_empty() {
            return Some(Event::Output(mem::take(&mut self.output)));
        }
        match (self.end_of_output, self.exit) {
            (Progress::Ended, _) => {
                self.end_of_output = Progress::Told;
                Some(Event::EndOfOutput)
            }
            (Progress::Told, Exit::Ended(status)) => {
                self.exit = Exit::Told;
                Some(Event::Exit(status))
            }
            _ => None,
        }
    }
}
