use super::*;
use crate::codec::{Codec, Limits};
use crate::testing::failure;

fn compressing(codec: Codec) -> Coding {
    Coding::Compress { codec, level: codec.default_level() }
}

fn decompressing(codec: Codec) -> Coding {
    Coding::Decompress { codec, limits: Limits::default() }
}

/// Gives `text` in pieces and takes everything.
fn through(codings: &[Coding], text: &[u8], piece: usize) -> Result<Vec<u8>> {
    let mut pipe = Pipe::given(Cancel::new());
    codings.iter().for_each(|coding| pipe.push(*coding));
    let mut all = Vec::new();
    let mut pieces = text.chunks(piece);
    loop {
        let is_all = pipe.drain(|bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        if is_all {
            return Ok(all);
        }
        match pieces.next() {
            Some(piece) => pipe.give(piece.to_vec(), false),
            None => pipe.give(Vec::new(), true),
        }
    }
}

/// Counts up; remembers nothing, so that any size costs nothing.
struct Counting(u64);

impl ChunkSource for Counting {
    fn fill(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let length = usize::try_from(self.0).unwrap_or(usize::MAX).min(chunk.len());
        chunk[..length].iter_mut().zip(0_u8..=255).for_each(|(byte, value)| *byte = value);
        self.0 -= length as u64;
        Ok(length)
    }
}

#[test]
fn passes_bytes_through_any_number_of_stages() {
    let text: Vec<u8> = (0..150_000_u32).map(|at| (at / 7) as u8).collect();
    let there: Vec<Coding> = Codec::ALL.into_iter().map(compressing).collect();
    let back: Vec<Coding> = Codec::ALL.into_iter().rev().map(decompressing).collect();
    let all = [there, back].concat();
    for piece in [1000, 140_000, text.len()] {
        assert!(through(&all, &text, piece).unwrap() == text, "{piece}");
        assert!(through(&[], &text, piece).unwrap() == text, "{piece}");
    }
    assert_eq!(through(&all, b"", 1).unwrap(), b"");
}

#[test]
fn says_nothing_of_a_path_when_bytes_are_given() {
    let error = through(&[decompressing(Codec::Xz)], b"", 1).expect_err("no data");
    assert_eq!(error.message, "xz data ends early, at byte 0");
    assert!(error.path.is_empty());
}

#[test]
fn opens_its_source_when_it_is_asked_and_ends_with_it() {
    let mut pipe = Pipe::open(b"source", Cancel::new(), || Ok(Box::new(Counting(10))));
    let mut chunk = [0; 4];
    let filled: Vec<_> = (0..4).map(|_| pipe.fill(&mut chunk).unwrap()).collect();
    assert_eq!(filled, [(4, Flow::More), (4, Flow::More), (2, Flow::Ended), (0, Flow::Ended)]);
    let mut pipe = Pipe::open(b"source", Cancel::new(), || Err(crate::error::TreeError::cancelled()));
    assert!(pipe.fill(&mut chunk).is_err());
    assert_eq!(pipe.fill(&mut chunk), Ok((0, Flow::Ended)));
}

/// What becomes a gigabyte in all is refused where it is declared to be a megabyte, whatever lies between.
#[test]
fn keeps_little_of_a_bomb() {
    let mut pipe = Pipe::open(b"bomb", Cancel::new(), || Ok(Box::new(Counting(1 << 26))));
    pipe.push(compressing(Codec::Lz4));
    pipe.push(compressing(Codec::Zstd));
    pipe.push(decompressing(Codec::Zstd));
    pipe.push(Coding::Decompress { codec: Codec::Lz4, limits: Limits { size: 1 << 20, ..Limits::default() } });
    let mut length = 0;
    let error = failure(pipe.drain(|bytes| {
        length += bytes.len();
        Ok(())
    }));
    assert_eq!(error.code(), "ERR_CODEC_SIZE");
    assert_eq!(error.message, "lz4 data in 'bomb' decompresses to more than 1048576 bytes");
    assert!(length <= 1 << 20);
}

#[test]
fn ends_on_request() {
    let cancel = Cancel::new();
    let mut pipe = Pipe::open(b"source", cancel.clone(), || Ok(Box::new(Counting(u64::MAX))));
    pipe.push(compressing(Codec::Gzip));
    let mut seen = 0;
    let error = failure(pipe.drain(|_| {
        seen += 1;
        cancel.request();
        Ok(())
    }));
    assert_eq!((error.code(), seen), ("ERR_CANCELLED", 1));
}
