//! `trees` of `@drvkit/sandbox-native`.
#![deny(missing_docs)]
