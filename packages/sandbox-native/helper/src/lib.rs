//! The operations that turn a fresh process into a builder.
#![deny(missing_docs)]
