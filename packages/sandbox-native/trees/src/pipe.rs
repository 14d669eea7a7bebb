//! Bytes on their way: from a tree, a file or whoever gives them, through compression or decompression.

use crate::cancel::Cancel;
use crate::codec::{Coder, Coding};
use crate::error::Result;
use crate::source::ChunkSource;

/// How it goes on behind a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// There is more.
    More,
    /// There is more when more is given.
    Hungry,
    /// That was all.
    Ended,
}

type Opener = Box<dyn FnOnce() -> Result<Box<dyn ChunkSource>> + Send>;

/// Where the bytes come from.
enum Origin {
    Unopened(Opener),
    Open(Box<dyn ChunkSource>),
    Given { bytes: Vec<u8>, at: usize, is_last: bool },
    Ended,
}

/// A way for bytes. It moves only when it is asked to, keeps little more than one chunk for each stage, and holds no thread between.
pub struct Pipe {
    origin: Origin,
    stages: Vec<Stage>,
    /// What the bytes are read from, for messages; empty when they are given.
    path: Vec<u8>,
    cancel: Cancel,
}

/// How much waits between two stages.
const BUFFER_BYTES: usize = 128 * 1024;

impl Pipe {
    /// From a source that is opened when the first bytes are asked for.
    pub fn open(
        path: &[u8],
        cancel: Cancel,
        open: impl FnOnce() -> Result<Box<dyn ChunkSource>> + Send + 'static,
    ) -> Self {
        Self { origin: Origin::Unopened(Box::new(open)), stages: Vec::new(), path: path.to_vec(), cancel }
    }

    /// From what is given by `give`.
    pub fn given(cancel: Cancel) -> Self {
        let origin = Origin::Given { bytes: Vec::new(), at: 0, is_last: false };
        Self { origin, stages: Vec::new(), path: Vec::new(), cancel }
    }

    /// One more thing that is done to the bytes, behind all others.
    pub fn push(&mut self, coding: Coding) {
        self.stages.push(Stage::new(coding));
    }

    /// The next bytes, of which no more follow if they are the last. The ones before were all taken: the pipe is hungry.
    pub fn give(&mut self, next: Vec<u8>, last: bool) {
        if let Origin::Given { bytes, at, is_last } = &mut self.origin {
            (*bytes, *at, *is_last) = (next, 0, last);
        }
    }

    /// Fills `chunk` from its start and returns how much; less than `chunk.len()` only when hungry or at the end.
    pub fn fill(&mut self, chunk: &mut [u8]) -> Result<(usize, Flow)> {
        let Self { origin, stages, path, cancel } = self;
        fill_from(origin, stages, &Context { path, cancel }, chunk)
    }

    /// Hands all there is to `take`, a chunk at a time; returns whether that was all, else it is hungry.
    pub fn drain(&mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        if let (Origin::Given { bytes, at, is_last }, []) = (&mut self.origin, self.stages.as_slice()) {
            self.cancel.check()?;
            take(&std::mem::take(bytes)[*at..])?;
            *at = 0;
            return Ok(*is_last);
        }
        let mut chunk = vec![0; 2 * BUFFER_BYTES];
        loop {
            let (length, flow) = self.fill(&mut chunk)?;
            take(&chunk[..length])?;
            match flow {
                Flow::More => {}
                Flow::Hungry => return Ok(false),
                Flow::Ended => return Ok(true),
            }
        }
    }
}

struct Context<'a> {
    path: &'a [u8],
    cancel: &'a Cancel,
}

fn fill_from(origin: &mut Origin, stages: &mut [Stage], cx: &Context<'_>, chunk: &mut [u8]) -> Result<(usize, Flow)> {
    let Some((stage, before)) = stages.split_last_mut() else {
        return origin.fill(cx, chunk);
    };
    let mut filled = 0;
    while filled < chunk.len() && !stage.is_ended {
        if stage.is_starved() {
            let (length, flow) = fill_from(origin, before, cx, &mut stage.input)?;
            (stage.from, stage.until, stage.is_last) = (0, length, flow == Flow::Ended);
            if length == 0 && flow == Flow::Hungry {
                return Ok((filled, Flow::Hungry));
            }
        }
        cx.cancel.check()?;
        filled += stage.step(cx, &mut chunk[filled..])?;
    }
    Ok((filled, if stage.is_ended { Flow::Ended } else { Flow::More }))
}

impl Origin {
    fn fill(&mut self, cx: &Context<'_>, chunk: &mut [u8]) -> Result<(usize, Flow)> {
        cx.cancel.check()?;
        if let Self::Given { bytes, at, is_last } = self {
            let length = chunk.len().min(bytes.len() - *at);
            chunk[..length].copy_from_slice(&bytes[*at..*at + length]);
            *at += length;
            let flow = match (*at < bytes.len(), *is_last) {
                (true, _) => Flow::More,
                (false, true) => Flow::Ended,
                (false, false) => Flow::Hungry,
            };
            return Ok((length, flow));
        }
        // Put back only if there may be more: what failed is not asked again.
        let mut source = match std::mem::replace(self, Self::Ended) {
            Self::Unopened(open) => open()?,
            Self::Open(source) => source,
            Self::Given { .. } | Self::Ended => return Ok((0, Flow::Ended)),
        };
        let length = source.fill(chunk)?;
        if length < chunk.len() {
            return Ok((length, Flow::Ended));
        }
        *self = Self::Open(source);
        Ok((length, Flow::More))
    }
}

/// Something that is done to bytes, and those that wait for it.
struct Stage {
    coding: Coding,
    /// Made when it is first needed: some take a while, and much memory.
    coder: Option<Box<dyn Coder>>,
    input: Vec<u8>,
    from: usize,
    until: usize,
    is_last: bool,
    /// The coder filled all it was given, so that it may have more.
    is_full: bool,
    is_ended: bool,
}

impl Stage {
    fn new(coding: Coding) -> Self {
        Self {
            coding,
            coder: None,
            input: Vec::new(),
            from: 0,
            until: 0,
            is_last: false,
            is_full: false,
            is_ended: false,
        }
    }

    /// Whether nothing can come without more input. Makes room for it.
    fn is_starved(&mut self) -> bool {
        self.input.resize(BUFFER_BYTES, 0);
        self.from == self.until && !self.is_last && !self.is_full
    }

    fn step(&mut self, cx: &Context<'_>, output: &mut [u8]) -> Result<usize> {
        let coder = self.coder.get_or_insert_with(|| self.coding.start());
        let input = &self.input[self.from..self.until];
        let step = coder.step(input, self.is_last, output).map_err(|broken| self.coding.error(broken, cx.path))?;
        self.from += step.taken;
        self.is_full = step.made == output.len();
        self.is_ended = step.ended;
        Ok(step.made)
    }
}

#[cfg(test)]
mod tests;
