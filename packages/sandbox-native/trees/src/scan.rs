//! Search for store path hash parts in a stream of chunks.

use std::collections::HashSet;

/// The length of a hash part.
pub const HASH_PART_BYTES: usize = 32;

const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

const IN_ALPHABET: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index < ALPHABET.len() {
        table[ALPHABET[index] as usize] = true;
        index += 1;
    }
    table
};

/// A store path hash part: 32 characters of the alphabet of base 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HashPart([u8; HASH_PART_BYTES]);

impl HashPart {
    /// `None` when `bytes` is no hash part.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let part = <[u8; HASH_PART_BYTES]>::try_from(bytes).ok()?;
        part.iter().all(|byte| IN_ALPHABET[usize::from(*byte)]).then_some(Self(part))
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8; HASH_PART_BYTES] {
        &self.0
    }
}

/// Finds which of a set of hash parts occur in a stream, also across the borders of its chunks.
pub struct Scanner {
    wanted: HashSet<HashPart>,
    found: Vec<HashPart>,
    /// One bit for each value of `filter_key` that a wanted part has: windows of running text rarely reach the set.
    filter: Vec<u64>,
    /// The last bytes seen, fewer than a hash part.
    tail: Vec<u8>,
}

const FILTER_BITS: u32 = 16;

const BLOCK_BYTES: usize = HASH_PART_BYTES / 2;

impl Scanner {
    /// A scanner for `parts`.
    pub fn new(parts: impl IntoIterator<Item = HashPart>) -> Self {
        let wanted: HashSet<HashPart> = parts.into_iter().collect();
        let mut filter = vec![0; 1 << (FILTER_BITS - u64::BITS.ilog2())];
        for part in &wanted {
            let key = filter_key(&part.0);
            filter[key / 64] |= 1 << (key % 64);
        }
        Self { wanted, found: Vec::new(), filter, tail: Vec::with_capacity(2 * HASH_PART_BYTES) }
    }

    /// Looks at the next bytes of the stream.
    pub fn update(&mut self, chunk: &[u8]) {
        if self.wanted.is_empty() {
            return;
        }
        let head = &chunk[..chunk.len().min(HASH_PART_BYTES - 1)];
        let mut border = std::mem::take(&mut self.tail);
        border.extend_from_slice(head);
        self.search(&border);
        if chunk.len() >= HASH_PART_BYTES {
            self.search(chunk);
            border.clear();
            border.extend_from_slice(&chunk[chunk.len() - (HASH_PART_BYTES - 1)..]);
        } else {
            border.drain(..border.len().saturating_sub(HASH_PART_BYTES - 1));
        }
        self.tail = border;
    }

    /// The parts that occurred, in byte order.
    pub fn finish(mut self) -> Vec<HashPart> {
        self.found.sort_unstable();
        self.found
    }

    /// Looks at every window of `bytes` that could be a hash part. Wherever one begins, it covers a whole block of a grid of half its
    /// length: only around blocks that are inside the alphabet are windows looked at, each once.
    fn search(&mut self, bytes: &[u8]) {
        let mut searched = 0;
        for (index, block) in bytes.as_chunks::<BLOCK_BYTES>().0.iter().enumerate() {
            let at = index * BLOCK_BYTES;
            if !is_in_alphabet(block) || at < searched {
                continue;
            }
            let before = bytes[searched..at].iter().rposition(|byte| !IN_ALPHABET[usize::from(*byte)]);
            let start = before.map_or(searched, |position| searched + position + 1);
            let rest = bytes[at..].iter().position(|byte| !IN_ALPHABET[usize::from(*byte)]);
            searched = rest.map_or(bytes.len(), |position| at + position);
            for window in bytes[start..searched].windows(HASH_PART_BYTES) {
                self.check(window.try_into().expect("bug: a window of this length"));
            }
        }
    }

    fn check(&mut self, window: &[u8; HASH_PART_BYTES]) {
        let key = filter_key(window);
        if self.filter[key / 64] & (1 << (key % 64)) == 0 {
            return;
        }
        if let Some(part) = self.wanted.take(&HashPart(*window)) {
            self.found.push(part);
        }
    }
}

/// Compares instead of looking up and never leaves early: so the compiler takes the block at once, in a vector.
fn is_in_alphabet(block: &[u8; BLOCK_BYTES]) -> bool {
    let is_inside = |byte: u8| {
        let is_digit = byte.wrapping_sub(b'0') < 10;
        let is_letter = byte.wrapping_sub(b'a') < 26;
        is_digit | (is_letter & (byte != b'e') & (byte != b'o') & (byte != b't') & (byte != b'u'))
    };
    block.iter().fold(true, |all, &byte| all & is_inside(byte))
}

fn filter_key(part: &[u8; HASH_PART_BYTES]) -> usize {
    let [a, b, c, d, e, f, g, h, ..] = *part;
    let head = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    // Fibonacci hashing: the high bits depend on all eight characters.
    (head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - FILTER_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;

    const A: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    const B: &[u8; 32] = b"zyxwvsrqpnmlkjihgfdcba9876543210";
    const ABSENT: &[u8; 32] = b"00000000000000000000000000000000";

    fn scan(chunks: &[&[u8]]) -> Vec<HashPart> {
        let mut scanner = Scanner::new([A, B, ABSENT].map(|part| HashPart::new(part).expect("a hash part")));
        for chunk in chunks {
            scanner.update(chunk);
        }
        scanner.finish()
    }

    fn parts(of: &[&[u8; 32]]) -> Vec<HashPart> {
        of.iter().map(|part| HashPart(**part)).collect()
    }

    #[test]
    fn finds_a_part_at_every_border() {
        let text = [b"before ".as_slice(), B, b"-name; aaaa", A, b"bbb"].concat();
        for first in 0..text.len() {
            for second in first..text.len() {
                let (head, rest) = text.split_at(first);
                let (middle, end) = rest.split_at(second - first);
                assert_eq!(scan(&[head, middle, end]), parts(&[A, B]), "{first} {second}");
            }
        }
    }

    #[test]
    fn finds_a_part_given_byte_by_byte() {
        let text = [b"/nix/store/".as_slice(), A, b"-x"].concat();
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(scan(&bytes), parts(&[A]));
    }

    #[test]
    fn finds_a_part_inside_a_longer_run_of_its_alphabet() {
        for before in 0..40 {
            let text = [&vec![b'a'; before], A.as_slice(), b"00000"].concat();
            assert_eq!(scan(&[&text]), parts(&[A]), "{before}");
        }
    }

    #[test]
    fn does_not_find_a_part_with_one_character_changed() {
        for position in 0..HASH_PART_BYTES {
            for other in [b'e', b'1', 0] {
                let mut text = B.to_vec();
                text[position] = if text[position] == other { b'2' } else { other };
                assert_eq!(scan(&[&text]), parts(&[]), "{position}");
            }
        }
    }

    #[test]
    fn agrees_with_a_search_at_every_position() {
        let mut next = numbers();
        for _ in 0..300 {
            let mut text = Vec::new();
            for _ in 0..40 {
                match next() % 4 {
                    0 => text.extend_from_slice(A),
                    1 => text.extend_from_slice(&B[..next() % 32]),
                    2 => text.extend((0..next() % 50).map(|at| ALPHABET[at % 32])),
                    _ => text.extend((0..next() % 5).map(|at| b" eot\xff"[at % 5])),
                }
            }
            let expected: Vec<HashPart> =
                [A, B].into_iter().filter(|part| text.windows(32).any(|w| w == *part)).map(|p| HashPart(*p)).collect();
            let cut = next() % (text.len() + 1);
            let mut expected = expected;
            expected.extend(text.windows(32).any(|w| w == ABSENT).then_some(HashPart(*ABSENT)));
            expected.sort_unstable();
            assert_eq!(scan(&[&text[..cut], &text[cut..]]), expected);
        }
    }

    #[test]
    fn a_block_is_inside_the_alphabet_when_each_of_its_bytes_is() {
        for byte in 0..=u8::MAX {
            for position in [0, BLOCK_BYTES - 1] {
                let mut block = [b'a'; BLOCK_BYTES];
                block[position] = byte;
                assert_eq!(is_in_alphabet(&block), ALPHABET.contains(&byte), "{byte}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_hash_part() {
        assert_eq!(HashPart::new(&A[..31]), None);
        assert_eq!(HashPart::new(b"e123456789abcdfghijklmnpqrsvwxyz"), None);
        assert_eq!(HashPart::new(&[A.as_slice(), b"0"].concat()), None);
    }
}
