//! Archives: what is taken is the archive of the tree that it made, byte for byte; what is refused leaves nothing.
#![no_main]

use drvkit_trees::{ChunkSource, Dumper, Kind, Restorer, Result};
use drvkit_trees_fuzz::Scratch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece_bytes, archive) = input;
    let scratch = Scratch::new();
    match restore(archive, usize::from(piece_bytes) + 1, scratch.path()) {
        Ok(()) => assert_eq!(dump(scratch.path()), archive),
        Err(error) => {
            assert_eq!(error.kind, Kind::Archive, "{error}");
            assert!(!scratch.exists());
        }
    }
});

fn restore(archive: &[u8], piece_bytes: usize, target: &[u8]) -> Result<()> {
    let mut restorer = Restorer::open(target, false)?;
    for piece in archive.chunks(piece_bytes) {
        restorer.write(piece)?;
    }
    restorer.finish().map(drop)
}

fn dump(tree: &[u8]) -> Vec<u8> {
    let mut dumper = Dumper::open(tree).expect("it was restored");
    let mut archive = vec![0; 1 << 16];
    let length = dumper.fill(&mut archive).expect("it was restored");
    assert!(length < archive.len(), "inputs are shorter");
    archive.truncate(length);
    archive
}
