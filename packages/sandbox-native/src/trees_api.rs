//! JavaScript functions of the trees crate.
