//! Compression.

use compression_codecs::brotli::params::EncoderParams as BrotliParams;
use compression_codecs::lz4::params::EncoderParams as Lz4Params;
use compression_codecs::zstd::params::CParameter;
use compression_codecs::{BrotliEncoder, BzEncoder, EncodeV2, GzipEncoder, Lz4Encoder, XzEncoder, ZstdEncoder};
use compression_core::Level;
use compression_core::util::{PartialBuffer, WriteBuffer};

use super::{Broken, Codec, Coder, Step};

/// Makes one stream, frame or member.
pub(crate) struct Encoder(Box<dyn EncodeV2 + Send>);

impl Encoder {
    pub fn new(codec: Codec, level: i32) -> Self {
        let precise = Level::Precise(level);
        // A checksum is asked for where it is a choice: without one most damage would decompress to something else.
        Self(match codec {
            Codec::Xz => Box::new(XzEncoder::new(precise)),
            Codec::Zstd => Box::new(ZstdEncoder::new_with_params(level, &[CParameter::checksum_flag(true)])),
            Codec::Bzip2 => Box::new(BzEncoder::new(precise.into(), 0)),
            Codec::Gzip => Box::new(GzipEncoder::new(precise.into())),
            Codec::Brotli => Box::new(BrotliEncoder::new(BrotliParams::default().quality(precise))),
            Codec::Lz4 => Box::new(Lz4Encoder::new(Lz4Params::default().level(precise).content_checksum(true))),
        })
    }
}

impl Coder for Encoder {
    fn step(&mut self, input: &[u8], is_last: bool, output: &mut [u8]) -> Result<Step, Broken> {
        let mut input = PartialBuffer::new(input);
        let mut output = WriteBuffer::new_initialized(output);
        let mut ended = false;
        if !input.unwritten().is_empty() {
            self.0.encode(&mut input, &mut output).map_err(|_| Broken::Damaged(0))?;
        }
        if is_last && input.unwritten().is_empty() && !output.has_no_spare_space() {
            ended = self.0.finish(&mut output).map_err(|_| Broken::Damaged(0))?;
        }
        Ok(Step { taken: input.written_len(), made: output.written_len(), ended })
    }
}
