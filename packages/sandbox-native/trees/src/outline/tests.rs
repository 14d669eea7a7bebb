use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::dump::Dumper;
use crate::source::ChunkSource;
use crate::testing::{TempDir, bytes, failure, make_fifo, set_mode};

#[test]
fn says_where_the_contents_are_in_the_archive() {
    let temp = TempDir::new();
    let top = temp.join("tree");
    fs::create_dir_all(top.join("b/empty")).unwrap();
    fs::write(top.join("a"), "contents of a").unwrap();
    fs::write(top.join("b/run"), "#!contents of run").unwrap();
    set_mode(&top.join("b/run"), 0o755);
    symlink("a", top.join("c")).unwrap();
    fs::write(top.join("d"), "").unwrap();
    let mut archive = vec![0; 1 << 16];
    let length = Dumper::open(bytes(&top)).unwrap().fill(&mut archive).unwrap();
    let nodes = outline_tree(bytes(&top), &Cancel::new()).unwrap();
    let names: Vec<_> = nodes.iter().map(|node| (node.depth, String::from_utf8_lossy(&node.name))).collect();
    let expected = [(0, ""), (1, "a"), (1, "b"), (2, "empty"), (2, "run"), (1, "c"), (1, "d")];
    assert_eq!(names, expected.map(|(depth, name)| (depth, name.into())));
    let mut files = Vec::new();
    for node in &nodes {
        if let What::Regular { executable, size, nar_offset } = node.what {
            files.push((executable, String::from_utf8_lossy(&archive[nar_offset as usize..][..size as usize])));
        }
    }
    assert_eq!(files, [(false, "contents of a".into()), (true, "#!contents of run".into()), (false, "".into())]);
    assert_eq!(nodes[5].what, What::Symlink { target: b"a".to_vec() });
    assert!(length < archive.len());
}

#[test]
fn refuses_what_no_archive_holds() {
    let temp = TempDir::new();
    fs::create_dir(temp.join("tree")).unwrap();
    make_fifo(&temp.join("tree/pipe"));
    let error = failure(outline_tree(bytes(&temp.join("tree")), &Cancel::new()));
    assert_eq!((error.code(), error.path.as_slice()), ("ERR_TREE_TYPE", bytes(&temp.join("tree/pipe"))));
    fs::create_dir_all(temp.join("deep").join(["d"; DEPTH_LIMIT].join("/"))).unwrap();
    assert_eq!(failure(outline_tree(bytes(&temp.join("deep")), &Cancel::new())).code(), "ERR_TREE_DEPTH");
    let cancel = Cancel::new();
    cancel.request();
    assert_eq!(failure(outline_tree(bytes(&temp.join("tree")), &cancel)).code(), "ERR_CANCELLED");
}
