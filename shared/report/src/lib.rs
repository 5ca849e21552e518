//! The report: what a diagnostics run found, as a versioned model and its renderings.
//!
//! Lives here: the model ([`model`]) that the agent fills, the technician reads and other people's programs
//! parse as JSON; what is derived from it alone: reading it from a stranger ([`parse`]), taking secrets and
//! names out of it ([`redact`], [`pseudonymise`]), comparing two of them ([`compare`]) and showing it
//! ([`html`], [`markdown`], [`text_view`]), and the picture that may go with it ([`screenshot`]). Must not live here: how facts are collected and how they are
//! judged (the agent's diagnostics), a clock, a file or a socket.
//!
//! The order for a report that leaves the device is [`redact::redact`], then [`pseudonymise`] if it was asked
//! for, then JSON or a rendering: [`shareable`] keeps to it. One that arrives goes through [`parse::parse`] (or [`parse::admit`] when it
//! came in a message) before anything else looks at it.

pub mod compare;
pub mod html;
pub mod markdown;
pub mod model;
pub mod parse;
pub mod pseudonymise;
pub mod redact;
pub mod screenshot;
pub mod shareable;
pub mod text_view;
mod view;
mod visit;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod schema_tests;
