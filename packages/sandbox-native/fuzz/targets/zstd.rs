//! What zstd compressed, or did not.
#![no_main]

use drvkit_trees::Codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| drvkit_trees_fuzz::decompress(Codec::Zstd, input));
