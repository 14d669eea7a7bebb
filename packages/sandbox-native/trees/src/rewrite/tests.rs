use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::testing::{TempDir, bytes, failure, numbers};
use crate::{hash_file, hash_tree};

struct Given<'a>(&'a [u8]);

impl ChunkSource for Given<'_> {
    fn fill(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let length = self.0.len().min(chunk.len());
        chunk[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

fn rewrites(pairs: &[(&str, &str)]) -> Rewrites {
    let owned = pairs.iter().map(|(from, to)| (from.as_bytes().to_vec(), to.as_bytes().to_vec())).collect();
    Rewrites::new(owned).expect("texts of one length")
}

/// The text as it comes out when the buffer holds `size` bytes beside a text, and where something was replaced.
fn replaced(text: &str, pairs: &[(&str, &str)], size: usize) -> (String, Vec<u64>) {
    let mut rewritten = Rewritten::new(Given(text.as_bytes()), rewrites(pairs));
    rewritten.buffer.truncate(size + rewritten.rewrites.length);
    let mut out = Vec::new();
    let mut chunk = [0; 5];
    loop {
        let length = rewritten.fill(&mut chunk).unwrap();
        out.extend_from_slice(&chunk[..length]);
        if length < chunk.len() {
            return (String::from_utf8(out).unwrap(), rewritten.found);
        }
    }
}

#[test]
fn replaces_as_a_plain_search_does_wherever_the_pieces_end() {
    let mut next = numbers();
    for _ in 0..2000 {
        let text: String = (0..next() % 40).map(|_| ["ab", "a", "b", "c", "abc"][next() % 5]).collect();
        let places: Vec<u64> = text.match_indices("abc").map(|(at, _)| at as u64).collect();
        let expected = (text.replace("abc", "xyz"), places);
        assert_eq!(replaced(&text, &[("abc", "xyz")], 1 + next() % 9), expected, "{text}");
    }
}

#[test]
fn what_was_put_in_a_place_is_not_replaced_again() {
    for size in 1..4 {
        assert_eq!(replaced("abb", &[("ab", "xa")], size).0, "xab");
    }
}

#[test]
fn of_places_that_overlap_the_first_is_replaced() {
    let (one, other) = (("bcd", "bcx"), ("abc", "xbc"));
    for size in 1..10 {
        for pairs in [[one, other], [other, one]] {
            assert_eq!(replaced("abcd bcd", &pairs, size).0, "xbcd bcx");
        }
    }
}

#[test]
fn without_texts_everything_stays() {
    assert_eq!(replaced("abcdefgh", &[], 3), ("abcdefgh".to_owned(), Vec::new()));
}

#[test]
fn texts_of_several_lengths_are_refused() {
    let pair = |from: &str, to: &str| (from.as_bytes().to_vec(), to.as_bytes().to_vec());
    assert!(Rewrites::new(vec![pair("ab", "abc")]).is_none());
    assert!(Rewrites::new(vec![pair("ab", "cd"), pair("abc", "def")]).is_none());
    assert!(Rewrites::new(vec![pair("", "")]).is_none());
}

#[test]
fn a_tree_is_copied_with_other_texts_in_files_names_and_links() {
    let temp = TempDir::new();
    let make = |name: &str, text: &str| {
        let top = temp.join(name);
        fs::create_dir_all(top.join(text)).unwrap();
        // Across the border of two chunks.
        let contents = format!("{}{text}{text}", "x".repeat(CHUNK_BYTES - 40));
        fs::write(top.join(text).join("file"), contents).unwrap();
        symlink(format!("../{text}/file"), top.join("link")).unwrap();
        top
    };
    let (one, other) = (make("one", "0c41ecb4"), make("other", "1d52ydca"));
    let copy = temp.join("copy");
    let cancel = Cancel::new();
    let digest = rewrite_tree(bytes(&one), bytes(&copy), rewrites(&[("0c41ecb4", "1d52ydca")]), &cancel).unwrap();
    let hash = |path| hash_tree(bytes(path), Algorithm::Sha256, &cancel).unwrap();
    assert_eq!(hash(&copy), hash(&other));
    assert_eq!(digest, hash(&copy));

    let modulo = |path, text| {
        let zeros = "\0".repeat(8);
        hash_tree_modulo(bytes(path), rewrites(&[(text, &zeros)]), &cancel).unwrap()
    };
    assert_eq!(modulo(&one, "0c41ecb4"), modulo(&other, "1d52ydca"));
    assert_ne!(modulo(&one, "0c41ecb4"), hash(&one));
    assert_eq!(modulo(&other, "0c41ecb4"), hash(&other));
}

#[test]
fn a_copy_that_is_cancelled_or_not_possible_leaves_nothing() {
    let temp = TempDir::new();
    fs::create_dir(temp.join("tree")).unwrap();
    fs::write(temp.join("tree/a"), "1").unwrap();
    fs::write(temp.join("tree/b"), "2").unwrap();
    let (tree, copy) = (temp.join("tree"), temp.join("copy"));
    let cancel = Cancel::new();
    // The names come to be the same: no archive has two entries of one name.
    let same = rewrite_tree(bytes(&tree), bytes(&copy), rewrites(&[("a", "b")]), &cancel);
    assert_eq!(failure(same).code(), "ERR_TREE_ARCHIVE");
    cancel.request();
    let cancelled = rewrite_tree(bytes(&tree), bytes(&copy), rewrites(&[("a", "c")]), &cancel);
    assert_eq!(failure(cancelled).code(), "ERR_CANCELLED");
    assert_eq!(fs::read_dir(temp.join("tree").parent().unwrap()).unwrap().count(), 1);
    assert!(hash_file(bytes(&copy), Algorithm::Sha256, &Cancel::new()).is_err());
}
