//! Decompression.

use std::io;

use compression_codecs::lzma::params::LzmaDecoderParams;
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{BrotliDecoder, BzDecoder, DecodeV2, GzipDecoder, Lz4Decoder, Xz2Decoder, ZstdDecoder};
use compression_core::util::{PartialBuffer, WriteBuffer};

use super::{Broken, Codec, Coder, Limits, Step};

/// Reads one stream, frame or member after the other, where the format has several, up to the end of the input.
pub(crate) struct Decoder {
    codec: Codec,
    limits: Limits,
    decoder: Box<dyn DecodeV2 + Send>,
    place: Place,
    /// How much was taken and made, of all.
    taken: u64,
    made: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Begin,
    First,
    /// A stream has ended; of the zeros that may follow one in the xz format, so many came.
    Between {
        zeros: u64,
    },
    /// In a stream that began here.
    Later {
        began: u64,
    },
}

/// The zeros between two streams of the xz format come in fours.
const XZ_PADDING: u64 = 4;

impl Decoder {
    pub fn new(codec: Codec, limits: Limits) -> Self {
        Self { codec, limits, decoder: make(codec, limits), place: Place::Begin, taken: 0, made: 0 }
    }

    /// Begins a stream if one can begin here; says whether one is at hand.
    fn begin(&mut self, input: &mut PartialBuffer<&[u8]>) -> Result<bool, Broken> {
        if let Place::Between { zeros } = &mut self.place
            && self.codec == Codec::Xz
        {
            let padding = input.unwritten().iter().take_while(|byte| **byte == 0).count();
            *zeros += padding as u64;
            input.advance(padding);
            self.taken += padding as u64;
        }
        let Some(first) = input.unwritten().first() else {
            return Ok(matches!(self.place, Place::First | Place::Later { .. }));
        };
        match self.place {
            Place::Begin if self.codec == Codec::Brotli && is_large_window(*first) => return Err(Broken::Memory),
            Place::Begin => self.place = Place::First,
            Place::Between { zeros } if self.codec.repeats() && zeros % XZ_PADDING == 0 => {
                self.decoder.reinit().map_err(|_| Broken::Followed(self.taken))?;
                self.place = Place::Later { began: self.taken };
            }
            Place::Between { .. } => return Err(Broken::Followed(self.taken)),
            Place::First | Place::Later { .. } => {}
        }
        Ok(true)
    }

    fn decode(&mut self, input: &mut PartialBuffer<&[u8]>, output: &mut WriteBuffer<'_>) -> Result<(), Broken> {
        let (before, made) = (input.written_len(), output.written_len());
        let decoded = self.decoder.decode(input, output);
        let taken = input.written_len() - before;
        self.taken += taken as u64;
        let is_idle = taken == 0 && output.written_len() == made;
        match decoded {
            Ok(true) => self.place = Place::Between { zeros: 0 },
            Ok(false) if is_idle && !input.unwritten().is_empty() => return Err(self.broken()),
            Ok(false) => {}
            Err(error) if is_memory_limit(&error) => return Err(Broken::Memory),
            // Some call it an error that there is nothing to do.
            Err(_) if is_idle && input.unwritten().is_empty() => {}
            Err(_) => return Err(self.broken()),
        }
        Ok(())
    }

    /// There is no more input: says whether there is no more output either.
    fn end(&mut self, output: &mut WriteBuffer<'_>) -> Result<bool, Broken> {
        match self.place {
            Place::Begin => Err(Broken::Early(self.taken)),
            Place::Between { zeros } if zeros % XZ_PADDING == 0 => Ok(true),
            Place::Between { zeros } => Err(Broken::Followed(self.taken - zeros)),
            Place::First | Place::Later { .. } => self.finish(output),
        }
    }

    fn finish(&mut self, output: &mut WriteBuffer<'_>) -> Result<bool, Broken> {
        let made = output.written_len();
        match self.decoder.finish(output) {
            Ok(true) => Ok(true),
            _ if output.written_len() > made => Ok(false),
            _ => Err(self.follows().unwrap_or(Broken::Early(self.taken))),
        }
    }

    /// What breaks so early is not taken for one more stream.
    fn follows(&self) -> Option<Broken> {
        match self.place {
            Place::Later { began } if self.taken - began < HEADER_BYTES => Some(Broken::Followed(began)),
            _ => None,
        }
    }

    fn broken(&self) -> Broken {
        self.follows().unwrap_or(Broken::Damaged(self.taken))
    }
}

/// What begins a stream is no longer, in any of the formats that have several.
const HEADER_BYTES: u64 = 12;

impl Coder for Decoder {
    fn step(&mut self, input: &[u8], is_last: bool, output: &mut [u8]) -> Result<Step, Broken> {
        let mut input = PartialBuffer::new(input);
        let mut output = WriteBuffer::new_initialized(output);
        while self.begin(&mut input)? && !output.has_no_spare_space() {
            self.decode(&mut input, &mut output)?;
            if input.unwritten().is_empty() {
                break;
            }
        }
        let is_at_end = is_last && input.unwritten().is_empty() && !output.has_no_spare_space();
        let ended = is_at_end && self.end(&mut output)?;
        let (taken, made) = (input.written_len(), output.written_len());
        self.made += made as u64;
        if self.made > self.limits.size {
            return Err(Broken::Size);
        }
        Ok(Step { taken, made, ended })
    }
}

fn make(codec: Codec, limits: Limits) -> Box<dyn DecodeV2 + Send> {
    match codec {
        Codec::Xz => Box::new(xz(limits.memory)),
        Codec::Zstd => {
            let log = limits.memory.max(1).ilog2().clamp(WINDOW_LOGS.0, WINDOW_LOGS.1);
            Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(log)]))
        }
        Codec::Bzip2 => Box::new(BzDecoder::new()),
        Codec::Gzip => Box::new(GzipDecoder::new()),
        Codec::Brotli => Box::new(BrotliDecoder::new()),
        Codec::Lz4 => Box::new(Lz4Decoder::new()),
    }
}

/// What the library takes for `window_log_max`.
const WINDOW_LOGS: (u32, u32) = (10, 31);

/// Of this format alone: the one that tells formats apart would take older ones.
fn xz(memory: u64) -> Xz2Decoder {
    let params = LzmaDecoderParams::Stream { mem_limit: memory, flags: 0 };
    Xz2Decoder::try_from(params).expect("no flags, and as much memory as a decoder takes")
}

/// RFC 7932 has no streams that begin so; brotli beyond the RFC has, with windows of up to 1 GiB.
fn is_large_window(first: u8) -> bool {
    first & 0x7f == 0x11
}

fn is_memory_limit(error: &io::Error) -> bool {
    let cause = error.get_ref();
    let is_xz = cause.and_then(|cause| cause.downcast_ref::<liblzma::stream::Error>())
        == Some(&liblzma::stream::Error::MemLimit);
    is_xz || cause.is_some_and(|cause| cause.to_string() == zstd_safe::get_error_name(ZSTD_WINDOW_TOO_LARGE))
}

/// `ZSTD_error_frameParameter_windowTooLarge` as the library returns it.
const ZSTD_WINDOW_TOO_LARGE: usize = 0_usize.wrapping_sub(16);
