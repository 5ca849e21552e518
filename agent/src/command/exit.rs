//! How commands end: exit codes, and the line that says what went wrong.

/// What `--help` says of them.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done; 1 it failed (the message says why); 2 wrong usage; \
3 not enrolled; 4 no agent is running here; 10 doctor: something needs attention, rules check: there are mistakes; 19 the audit log is broken.";

/// Exit code of a command that could not do its work.
pub(super) const FAILED: u8 = 1;
/// Exit code: not enrolled.
pub(super) const NOT_ENROLLED: u8 = 3;
/// Exit code: no agent is running.
pub(super) const NOT_RUNNING: u8 = 4;
/// Exit code: the rules file has mistakes.
pub(super) const MISTAKES: u8 = 10;
/// Exit code: the audit log is broken.
pub(super) const AUDIT_BROKEN: u8 = 19;

/// Says on the standard error what went wrong.
pub(super) fn complain(what: &str) {
    eprintln!("nearhand-agent: {what}");
}
