//! The report: what a diagnostics run found, as a versioned model and its renderings.
//!
//! Lives here: the model ([`model`]) that the agent fills, the technician reads and other people's programs
//! parse as JSON; what is derived from it alone. Must not live here: how facts are collected and how they are
//! judged (the agent's diagnostics).

pub mod model;
