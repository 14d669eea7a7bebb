//! Archives that come in pieces, read strictly.

use crate::dump::{DEPTH_LIMIT, padding};

/// What an archive says next. Names are empty at the root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A directory begins; its entries follow.
    Directory { name: &'a [u8] },
    /// The directory at hand ends.
    DirectoryEnd,
    /// A file begins; `size` bytes of contents follow.
    Regular { name: &'a [u8], executable: bool, size: u64 },
    /// A piece of the contents of the file at hand, never empty.
    Contents(&'a [u8]),
    /// A symbolic link.
    Symlink { name: &'a [u8], target: &'a [u8] },
}

/// Why reading stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop<E> {
    /// The bytes are no archive: what was expected where, and what was found.
    Refused(String),
    /// Whoever takes the events could not.
    Taker(E),
}

const NAME_BYTES: u64 = 255;
const TARGET_BYTES: u64 = 4095;
/// Longer than every word of the format; more is not even waited for.
const WORD_BYTES: u64 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begin,
    Node,
    Contents { left: u64, padding: usize },
    AfterContents { padding: usize },
    AfterNode,
    Entries,
    Ended,
}

impl State {
    /// With `left` bytes of contents to come.
    fn of_contents(left: u64, padding: usize) -> Self {
        if left == 0 { Self::AfterContents { padding } } else { Self::Contents { left, padding } }
    }
}

/// Reads one archive. Holds what of the pieces was not read yet, which is little, and one name for each open directory.
pub(crate) struct Reader {
    state: State,
    pending: Vec<u8>,
    /// Where in the archive the pending bytes begin.
    offset: u64,
    /// For each open directory the last name in it.
    last_names: Vec<Vec<u8>>,
    /// Name of the node that comes.
    name: Vec<u8>,
}

impl Reader {
    pub fn new() -> Self {
        Self { state: State::Begin, pending: Vec::new(), offset: 0, last_names: Vec::new(), name: Vec::new() }
    }

    /// Reads on, and hands each event to `take`.
    pub fn feed<E>(&mut self, bytes: &[u8], take: &mut impl FnMut(Event<'_>) -> Result<(), E>) -> Result<(), Stop<E>> {
        let mut pending = std::mem::take(&mut self.pending);
        let input = if pending.is_empty() {
            bytes
        } else {
            pending.extend_from_slice(bytes);
            &pending
        };
        let mut at = 0;
        while self.state != State::Ended {
            let mut tokens = Tokens { input: &input[at..], at: 0 };
            match self.step(&mut tokens, take) {
                Ok(()) => {
                    at += tokens.at;
                    self.offset += tokens.at as u64;
                }
                Err(Broken::Starved) => break,
                Err(Broken::Refused { at, expected, found }) => {
                    let offset = self.offset + at as u64;
                    return Err(Stop::Refused(format!(
                        "bad archive: expected {expected} at offset {offset}, found {found}"
                    )));
                }
                Err(Broken::Taker(error)) => return Err(Stop::Taker(error)),
            }
        }
        self.pending = input[at..].to_vec();
        if self.state == State::Ended && !self.pending.is_empty() {
            return Err(Stop::Refused(format!(
                "bad archive: expected the end at offset {}, found more bytes",
                self.offset
            )));
        }
        Ok(())
    }

    /// Says that there are no more bytes.
    pub fn finish(&self) -> Result<(), String> {
        if self.state == State::Ended {
            return Ok(());
        }
        Err(format!("bad archive: unexpected end-of-file at offset {}", self.offset + self.pending.len() as u64))
    }

    /// Changes the state behind everything that could starve: a step that starves is taken again from its start.
    fn step<E>(
        &mut self,
        tokens: &mut Tokens<'_>,
        take: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), Broken<E>> {
        match self.state {
            State::Begin => {
                tokens.word(&["nix-archive-1"])?;
                self.state = State::Node;
            }
            State::Node => self.node(tokens, take)?,
            State::Contents { left, padding } => {
                let piece = tokens.some(left)?;
                take(Event::Contents(piece)).map_err(Broken::Taker)?;
                self.state = State::of_contents(left - piece.len() as u64, padding);
            }
            State::AfterContents { padding } => {
                tokens.zeros(padding)?;
                tokens.word(&[")"])?;
                self.state = State::AfterNode;
            }
            State::AfterNode if self.last_names.is_empty() => self.state = State::Ended,
            State::AfterNode => {
                tokens.word(&[")"])?;
                self.state = State::Entries;
            }
            State::Entries => self.entry(tokens, take)?,
            State::Ended => {}
        }
        Ok(())
    }

    fn node<E>(
        &mut self,
        tokens: &mut Tokens<'_>,
        take: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), Broken<E>> {
        if self.last_names.len() >= DEPTH_LIMIT {
            return Err(tokens.refused(0, format!("at most {DEPTH_LIMIT} levels"), "one more".to_owned()));
        }
        tokens.word(&["("])?;
        tokens.word(&["type"])?;
        match tokens.word(&["regular", "symlink", "directory"])? {
            0 => {
                let executable = tokens.word(&["executable", "contents"])? == 0;
                if executable {
                    tokens.word(&[""])?;
                    tokens.word(&["contents"])?;
                }
                // Offsets are passed to functions that take them signed.
                let size = tokens.length("the contents", i64::MAX as u64)?;
                take(Event::Regular { name: &self.name, executable, size }).map_err(Broken::Taker)?;
                self.state = State::of_contents(size, padding(size));
            }
            1 => {
                tokens.word(&["target"])?;
                let start = tokens.at;
                let target = tokens.string("a target", TARGET_BYTES)?;
                if target.is_empty() || target.contains(&0) {
                    return Err(tokens.refused(start, "a target without NUL".to_owned(), quoted(target)));
                }
                tokens.word(&[")"])?;
                take(Event::Symlink { name: &self.name, target }).map_err(Broken::Taker)?;
                self.state = State::AfterNode;
            }
            _ => {
                take(Event::Directory { name: &self.name }).map_err(Broken::Taker)?;
                self.last_names.push(Vec::new());
                self.state = State::Entries;
            }
        }
        Ok(())
    }

    fn entry<E>(
        &mut self,
        tokens: &mut Tokens<'_>,
        take: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), Broken<E>> {
        if tokens.word(&["entry", ")"])? == 1 {
            take(Event::DirectoryEnd).map_err(Broken::Taker)?;
            self.last_names.pop();
            self.state = State::AfterNode;
            return Ok(());
        }
        tokens.word(&["("])?;
        tokens.word(&["name"])?;
        let start = tokens.at;
        let name = tokens.string("a name", NAME_BYTES)?;
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
            return Err(tokens.refused(start, "a file name".to_owned(), quoted(name)));
        }
        tokens.word(&["node"])?;
        if let Some(last) = self.last_names.last_mut() {
            // The empty name, before all others, stands for none.
            if last.as_slice() >= name {
                let expected = format!("a name behind {}", quoted(last));
                return Err(tokens.refused(start, expected, quoted(name)));
            }
            name.clone_into(last);
        }
        name.clone_into(&mut self.name);
        self.state = State::Node;
        Ok(())
    }
}

/// Why a step did not come to its end.
enum Broken<E> {
    /// It needs more bytes than there are.
    Starved,
    Refused {
        at: usize,
        expected: String,
        found: String,
    },
    Taker(E),
}

/// The strings and numbers of what has come.
struct Tokens<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    /// Which of `allowed` stands here.
    fn word<E>(&mut self, allowed: &[&str]) -> Result<usize, Broken<E>> {
        let start = self.at;
        let length = self.number()?;
        if length <= WORD_BYTES {
            let found = self.take(length as usize)?;
            if let Some(index) = allowed.iter().position(|word| word.as_bytes() == found) {
                self.zeros(padding(length))?;
                return Ok(index);
            }
            return Err(self.refused(start, alternatives(allowed), quoted(found)));
        }
        Err(self.refused(start, alternatives(allowed), format!("a string of {length} bytes")))
    }

    fn string<E>(&mut self, what: &str, most: u64) -> Result<&'a [u8], Broken<E>> {
        let length = self.length(what, most)?;
        let bytes = self.take(length as usize)?;
        self.zeros(padding(length))?;
        Ok(bytes)
    }

    /// Checked before anything that long is waited for.
    fn length<E>(&mut self, what: &str, most: u64) -> Result<u64, Broken<E>> {
        let start = self.at;
        let length = self.number()?;
        if length <= most {
            return Ok(length);
        }
        Err(self.refused(start, format!("at most {most} bytes for {what}"), format!("{length}")))
    }

    fn number<E>(&mut self) -> Result<u64, Broken<E>> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// At least one and at most `most` bytes.
    fn some<E>(&mut self, most: u64) -> Result<&'a [u8], Broken<E>> {
        let there = (self.input.len() - self.at) as u64;
        if there == 0 {
            return Err(Broken::Starved);
        }
        self.take(there.min(most) as usize)
    }

    fn zeros<E>(&mut self, length: usize) -> Result<(), Broken<E>> {
        let start = self.at;
        let padding = self.take(length)?;
        match padding.iter().position(|&byte| byte != 0) {
            Some(index) => {
                Err(self.refused(start + index, "a zero byte".to_owned(), format!("byte {}", padding[index])))
            }
            None => Ok(()),
        }
    }

    fn take<E>(&mut self, length: usize) -> Result<&'a [u8], Broken<E>> {
        let bytes = self.input.get(self.at..self.at + length).ok_or(Broken::Starved)?;
        self.at += length;
        Ok(bytes)
    }

    fn refused<E>(&self, at: usize, expected: String, found: String) -> Broken<E> {
        Broken::Refused { at, expected, found }
    }
}

fn alternatives(allowed: &[&str]) -> String {
    let quoted: Vec<String> = allowed.iter().map(|word| format!("'{word}'")).collect();
    quoted.join(" or ")
}

fn quoted(bytes: &[u8]) -> String {
    format!("'{}'", String::from_utf8_lossy(bytes).escape_debug())
}

#[cfg(test)]
mod tests;
