//! Subcommands, one file each: arguments in, output and an exit code out. Nothing else prints.

#![allow(clippy::print_stderr, reason = "the command line's own output")]

pub(crate) mod doctor;

/// Exit code of a command that could not do its work.
pub(crate) const FAILED: u8 = 1;

/// Says on the standard error what went wrong.
pub(crate) fn complain(what: &str) {
    eprintln!("nearhand-agent: {what}");
}
