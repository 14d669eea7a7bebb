use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::testing::{TempDir, bytes, failure, make_fifo, set_mode, while_disturbed};

fn dump_in_chunks(path: &Path, chunk_bytes: usize) -> Result<Vec<u8>> {
    let mut dumper = Dumper::open(bytes(path))?;
    let mut archive = Vec::new();
    let mut chunk = vec![0; chunk_bytes];
    loop {
        let length = dumper.fill(&mut chunk)?;
        archive.extend_from_slice(&chunk[..length]);
        if length < chunk.len() {
            return Ok(archive);
        }
    }
}

fn dump(path: &Path) -> Result<Vec<u8>> {
    dump_in_chunks(path, 4096)
}

/// The grammar as the specification writes it, by recursion over a description.
enum Node<'a> {
    File(&'a [u8]),
    Executable(&'a [u8]),
    Link(&'a [u8]),
    Directory(Vec<(&'a [u8], Node<'a>)>),
}

fn expected(node: &Node<'_>) -> Vec<u8> {
    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut text = (bytes.len() as u64).to_le_bytes().to_vec();
        text.extend_from_slice(bytes);
        while !text.len().is_multiple_of(8) {
            text.push(0);
        }
        text
    }
    fn body(node: &Node<'_>) -> Vec<u8> {
        let inside = match node {
            Node::File(contents) => [string(b"regular"), string(b"contents"), string(contents)].concat(),
            Node::Executable(contents) => {
                [string(b"regular"), string(b"executable"), string(b""), string(b"contents"), string(contents)].concat()
            }
            Node::Link(target) => [string(b"symlink"), string(b"target"), string(target)].concat(),
            Node::Directory(entries) => {
                let mut inside = string(b"directory");
                for (name, node) in entries {
                    inside.extend([string(b"entry"), string(b"("), string(b"name"), string(name)].concat());
                    inside.extend([string(b"node"), body(node), string(b")")].concat());
                }
                inside
            }
        };
        [string(b"("), string(b"type"), inside, string(b")")].concat()
    }
    [string(b"nix-archive-1"), body(node)].concat()
}

#[test]
fn writes_a_tree_as_the_grammar_says() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::create_dir(tree.join("d")).unwrap();
    fs::create_dir(tree.join("empty")).unwrap();
    fs::write(tree.join("d").join("eight"), "12345678").unwrap();
    fs::write(tree.join("d").join("nothing"), "").unwrap();
    fs::write(tree.join("run"), "#!/bin/sh\n").unwrap();
    set_mode(&tree.join("run"), 0o700);
    fs::write(tree.join("group"), "x").unwrap();
    set_mode(&tree.join("group"), 0o655);
    symlink("d/nowhere", tree.join("link")).unwrap();
    fs::write(tree.join(OsStr::from_bytes(b"\xffname")), "y").unwrap();

    let node = Node::Directory(vec![
        (b"d", Node::Directory(vec![(b"eight", Node::File(b"12345678")), (b"nothing", Node::File(b""))])),
        (b"empty", Node::Directory(vec![])),
        (b"group", Node::File(b"x")),
        (b"link", Node::Link(b"d/nowhere")),
        (b"run", Node::Executable(b"#!/bin/sh\n")),
        (b"\xffname", Node::File(b"y")),
    ]);
    assert_eq!(dump(&tree).unwrap(), expected(&node));
}

#[test]
fn is_the_same_in_chunks_of_every_size() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), vec![7; 1000]).unwrap();
    symlink("a", tree.join("b")).unwrap();
    let whole = dump_in_chunks(&tree, 1 << 20).unwrap();
    for chunk_bytes in [1, 3, 8, 31, 96, 97, whole.len() - 1, whole.len(), whole.len() + 1] {
        assert_eq!(dump_in_chunks(&tree, chunk_bytes).unwrap(), whole, "{chunk_bytes}");
    }
}

#[test]
fn orders_entries_by_their_bytes() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    let names: [&[u8]; 7] = [b"-x", b".x", b"A", b"a", b"a-", b"a.b", "é".as_bytes()];
    for name in names.iter().rev() {
        fs::write(tree.join(OsStr::from_bytes(name)), "").unwrap();
    }
    let node = Node::Directory(names.iter().map(|name| (*name, Node::File(b""))).collect());
    assert_eq!(dump(&tree).unwrap(), expected(&node));
}

#[test]
fn writes_a_directory_of_many_entries() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    let names: Vec<String> = (0..3000).map(|number| format!("{number:05}-{}", "n".repeat(60))).collect();
    for name in &names {
        fs::write(tree.join(name), "").unwrap();
    }
    let node = Node::Directory(names.iter().map(|name| (name.as_bytes(), Node::File(b""))).collect());
    assert!(dump(&tree).unwrap() == expected(&node));
}

#[test]
fn does_not_follow_a_link_at_the_top() {
    let temp = TempDir::new();
    symlink("/etc", temp.join("link")).unwrap();
    assert_eq!(dump(&temp.join("link")).unwrap(), expected(&Node::Link(b"/etc")));
}

#[test]
fn refuses_a_fifo_without_waiting_for_a_writer() {
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    make_fifo(&tree.join("pipe"));
    let error = failure(dump(&tree));
    let path = tree.join("pipe");
    assert_eq!(error.code(), "ERR_TREE_TYPE");
    assert_eq!(error.message, format!("file '{}' has an unsupported type", path.display()));
    assert_eq!(error.path, bytes(&path));
}

fn nest(top: &Path, directories: usize) -> std::path::PathBuf {
    let mut path = top.to_path_buf();
    for _ in 1..directories {
        path.push("d");
    }
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn takes_64_levels_and_refuses_65() {
    let temp = TempDir::new();
    let deepest = nest(&temp.join("tree"), DEPTH_LIMIT);
    dump(&temp.join("tree")).expect("64 levels");
    fs::write(deepest.join("file"), "").unwrap();
    let error = failure(dump(&temp.join("tree")));
    assert_eq!(error.code(), "ERR_TREE_DEPTH");
    assert_eq!(error.path, bytes(&deepest.join("file")));
}

#[test]
fn notices_a_file_that_gets_shorter() {
    let temp = TempDir::new();
    let file = temp.join("file");
    fs::write(&file, vec![0; 10_000]).unwrap();
    let mut dumper = Dumper::open(bytes(&file)).unwrap();
    let mut chunk = [0; 1000];
    dumper.fill(&mut chunk).unwrap();
    fs::write(&file, "short").unwrap();
    let error = dumper.fill(&mut [0; 100_000]).expect_err("its size was announced");
    assert_eq!((error.code(), error.path.as_slice()), ("ERR_TREE_CHANGED", bytes(&file)));
}

#[test]
fn does_not_take_more_of_a_file_than_was_announced() {
    let temp = TempDir::new();
    let file = temp.join("file");
    fs::write(&file, vec![1; 1000]).unwrap();
    let mut dumper = Dumper::open(bytes(&file)).unwrap();
    let mut archive = vec![0; 200];
    dumper.fill(&mut archive).unwrap();
    fs::write(&file, vec![1; 5000]).unwrap();
    let mut rest = vec![0; 100_000];
    let length = dumper.fill(&mut rest).unwrap();
    archive.extend_from_slice(&rest[..length]);
    assert_eq!(archive, expected(&Node::File(&[1; 1000])));
}

#[test]
fn says_which_path_is_absent() {
    let temp = TempDir::new();
    let error = failure(dump(&temp.join("absent")));
    assert_eq!((error.code(), error.errno), ("ERR_TREE_IO", Some(libc::ENOENT)));
    assert_eq!(error.message, format!("cannot stat '{}': No such file or directory", temp.join("absent").display()));
}

/// A file is exchanged for a link to a secret, and back, while the tree is dumped.
#[test]
fn never_shows_what_a_link_points_to() {
    const SECRET: &[u8] = b"a secret outside of the tree";
    let temp = TempDir::new();
    let tree = temp.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(temp.join("secret"), SECRET).unwrap();
    fs::write(tree.join("x"), "plain").unwrap();
    let new = temp.join("new");
    let exchange = || {
        symlink("../secret", &new).unwrap();
        fs::rename(&new, tree.join("x")).unwrap();
        fs::write(&new, "plain").unwrap();
        fs::rename(&new, tree.join("x")).unwrap();
    };
    while_disturbed(exchange, || {
        for _ in 0..5000 {
            match dump(&tree) {
                Ok(archive) => {
                    assert!(!archive.windows(SECRET.len()).any(|window| window == SECRET))
                }
                Err(error) => assert_eq!(error.code(), "ERR_TREE_IO"),
            }
        }
    });
}
