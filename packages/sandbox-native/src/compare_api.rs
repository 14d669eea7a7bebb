//! JavaScript function that compares trees.

use drvkit_trees::{self as trees, Change, Difference, Side, TopType};
use napi::Env;
use napi::bindgen_prelude::{Either, Object, Uint8Array};
use napi_derive::napi;

use crate::task::on_pool;
use crate::trees_api::{CancelFlag, type_name};

/// See `TreeComparison` in `ts/compare.ts`.
#[napi(object, object_from_js = false)]
pub struct TreeComparison {
    /// Those that are described.
    pub differences: Vec<TreeDifference>,
    /// All of them.
    pub count: i64,
}

/// See `TreeDifference` in `ts/compare.ts`, as for its fields.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct TreeDifference {
    /// Below the top.
    pub path: Option<Uint8Array>,
    /// Which of the others there are.
    pub kind: &'static str,
    /// `one` or `other`.
    pub only_in: Option<&'static str>,
    /// A target, a type, or bytes.
    pub one: Option<Either<Uint8Array, &'static str>>,
    /// As `one`.
    pub other: Option<Either<Uint8Array, &'static str>>,
    /// Length.
    pub one_size_bytes: Option<i64>,
    /// Length.
    pub other_size_bytes: Option<i64>,
    /// First byte that differs.
    pub offset: Option<i64>,
    /// Where `one` and `other` begin.
    pub around_offset: Option<i64>,
    /// In another order.
    pub same_lines: Option<bool>,
}

/// What differs between two trees.
#[napi]
pub fn compare_trees<'env>(
    env: &'env Env,
    one: String,
    other: String,
    limit: u32,
    cancel: &CancelFlag,
) -> napi::Result<Object<'env>> {
    let cancel = cancel.0.clone();
    on_pool(env, move || {
        let found = trees::compare_trees(one.as_bytes(), other.as_bytes(), limit as usize, &cancel)?;
        let differences = found.differences.into_iter().map(difference).collect();
        Ok(TreeComparison { differences, count: found.count as i64 })
    })
}

fn difference(Difference { path, change }: Difference) -> TreeDifference {
    TreeDifference { path: Some(path.into()), ..changed(change) }
}

fn changed(change: Change) -> TreeDifference {
    let nothing = TreeDifference::default();
    match change {
        Change::Only(side) => TreeDifference { kind: "only", only_in: Some(side_name(side)), ..nothing },
        Change::Executable(side) => TreeDifference { kind: "executable", only_in: Some(side_name(side)), ..nothing },
        Change::Type(one, other) => TreeDifference { kind: "type", one: name(one), other: name(other), ..nothing },
        Change::Target(one, other) => {
            TreeDifference { kind: "target", one: bytes(one), other: bytes(other), ..nothing }
        }
        Change::Contents(differ) => TreeDifference {
            kind: "contents",
            one: bytes(differ.around.0),
            other: bytes(differ.around.1),
            one_size_bytes: Some(differ.sizes.0 as i64),
            other_size_bytes: Some(differ.sizes.1 as i64),
            offset: Some(differ.offset as i64),
            around_offset: Some(differ.around_offset as i64),
            same_lines: Some(differ.same_lines),
            ..nothing
        },
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::One => "one",
        Side::Other => "other",
    }
}

fn name(file_type: TopType) -> Option<Either<Uint8Array, &'static str>> {
    Some(Either::B(type_name(file_type)))
}

fn bytes(bytes: Vec<u8>) -> Option<Either<Uint8Array, &'static str>> {
    Some(Either::A(bytes.into()))
}
