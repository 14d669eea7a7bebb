//! The executable that becomes the builder.
#![deny(missing_docs)]
fn main() {}
