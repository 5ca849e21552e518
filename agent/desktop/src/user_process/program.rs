//! A program that runs as a user: what is started, and its ends of the pipes.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;

/// What is started, and as whom.
#[derive(Clone, Debug)]
pub struct UserProgram {
    /// What systemd calls it.
    pub description: &'static str,
    /// Its whole path.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// All of its environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Who runs it.
    pub user: u32,
    /// Whether it may start programs that have more rights than the user (sudo, a browser's sandbox).
    pub may_gain_privileges: bool,
}

/// The program's ends.
pub(super) struct ProgramEnds {
    pub(super) input: ProgramEnd,
    pub(super) output: ProgramEnd,
    pub(super) errors: ProgramEnd,
}

/// A descriptor that becomes a child's, or is handed to systemd.
pub(super) struct ProgramEnd(pub(super) OwnedFd);

impl From<ProgramEnd> for Stdio {
    fn from(end: ProgramEnd) -> Self {
        end.0.into()
    }
}
