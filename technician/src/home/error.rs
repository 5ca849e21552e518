//! Why something in the technician's directory can't be used, and the changes of identity that may be unsettled there.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why something in the directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientHomeError {
    /// Nobody has claimed or joined from this directory.
    #[error(
        "no profile in {dir}: join with the string you were given (`nearhand join STRING`), \
         or claim a new relay (`nearhand claim STRING`)"
    )]
    NotSetUp {
        /// The technician's directory.
        dir: PathBuf,
    },
    /// The organisation's key isn't here.
    #[error(
        "the organisation key is not in {dir}: run this where the relay was claimed, \
         or restore the key (`nearhand organisation restore FILE`)"
    )]
    NoOrganisationKey {
        /// The technician's directory.
        dir: PathBuf,
    },
    /// There is an organisation key here, but another organisation's.
    #[error("{path} is the key of another organisation than the one this profile belongs to: {remedy}")]
    OtherOrganisationKey {
        /// The file with the key.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// There is an organisation key already, and it is never overwritten.
    #[error(
        "{path} holds an organisation key already, and it is never overwritten: \
         use another directory (--home DIR), or move it away if you are sure"
    )]
    OrganisationKeyExists {
        /// The file with the key.
        path: PathBuf,
    },
    /// There is a profile already.
    #[error(
        "{dir} belongs to {name} at {organisation} already: use another directory (--home DIR) for another one"
    )]
    AlreadySetUp {
        /// The technician's directory.
        dir: PathBuf,
        /// The name in the profile.
        name: String,
        /// The organisation in the profile.
        organisation: String,
    },
    /// A claim, a join or a rotation of the key began and its end isn't known.
    #[error(
        "a {0} that was begun here is not settled yet: run `nearhand status` when the relay can be reached"
    )]
    Unsettled(IdentityChange),
    /// Others than the owner can get at it.
    #[error(
        "others can get at {path}: run `chmod {mode} {path}`, and if they may have read it, `nearhand rotate`"
    )]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// The rights it should have.
        mode: &'static str,
    },
    /// It can't be read as what it should be.
    #[error("{path} is damaged ({why}): {remedy}")]
    Damaged {
        /// The damaged file or directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The system refuses.
    #[error("can't {act} {path}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// The file or directory that it was tried with.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no place for it.
    #[error("there is no home directory to keep keys in: say where with --home DIR")]
    NoPlace,
}

impl ClientHomeError {
    pub(crate) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { act, path: path.to_owned(), source }
    }
}

/// What was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdentityChange {
    /// The relay is claimed for a new organisation.
    Claim,
    /// An invitation is used.
    Join,
    /// The technician's key is replaced.
    Rotation,
}

impl IdentityChange {
    pub(super) const ALL: [Self; 3] = [Self::Claim, Self::Join, Self::Rotation];
}

impl fmt::Display for IdentityChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "claim",
            Self::Join => "join",
            Self::Rotation => "rotation",
        })
    }
}
