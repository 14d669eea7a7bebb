//! The search for references: finds what a search at every position finds, however the bytes are cut.
#![no_main]

use drvkit_trees::{HASH_PART_BYTES, HashPart, Scanner};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (piece_bytes, seed, bytes) = input;
    // Some windows of the input, and whatever else is a hash part.
    let wanted: Vec<HashPart> = bytes
        .windows(HASH_PART_BYTES)
        .skip(usize::from(seed & 0xff))
        .step_by(usize::from(seed >> 8) + 1)
        .filter_map(HashPart::new)
        .chain(HashPart::new(&[b'0'; HASH_PART_BYTES]))
        .collect();
    let mut scanner = Scanner::new(wanted.iter().copied());
    for piece in bytes.chunks(usize::from(piece_bytes) + 1) {
        scanner.update(piece);
    }
    let mut expected: Vec<HashPart> =
        bytes.windows(HASH_PART_BYTES).filter_map(HashPart::new).filter(|part| wanted.contains(part)).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(scanner.finish(), expected);
});
