//! What the code base must keep to and no compiler lint can see.
//!
//! [`rules`] has the rules; [`layers`] says which code may do what; [`source`] reads files and takes comments, strings and
//! test modules out of them. `tests/tidy` applies the rules to every Rust file of the repository, and shows with a sample of
//! each that it can fail.

pub mod checkout;
pub mod circles;
pub mod declarations;
pub mod documents;
pub mod exceptions;
pub mod figures;
pub mod layers;
pub mod paths;
pub mod purity;
pub mod rules;
pub mod source;
pub mod words;
pub mod workspace;
