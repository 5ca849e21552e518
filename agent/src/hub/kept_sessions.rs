//! Sessions over a restart of the agent: a private file in memory, written whenever what stands changes, read once at the
//! start.
//!
//! It is in memory, so that Stop, which takes a session out of it, waits for no disk, and so that it is gone after a reboot;
//! it names the boot as well. It counts for as long as a technician's end tries to resume. Where there is no directory in
//! memory, or on a machine that only asks for help, sessions end with the agent.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use nearhand_agent_core::sessions::KeptSession;
use nearhand_proto::chat::KeptChat;
use nearhand_proto::credential::Credential;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::session::RESUME_WITHIN;
use nearhand_proto::pake::ResumeSecret;
use nearhand_proto::wire;
use nearhand_transport::lock::locked;
use nearhand_transport::platform::{read_private, write_private};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::platform;

/// How old the file of a session that stands gets. A process that is killed writes no last word: the age of its file says
/// when it went, and must say that well within [`RESUME_WITHIN`].
pub(super) const KEEP_FRESH: Duration = Duration::from_secs(15);

/// By what a technician proves on a new connection that a session is theirs.
#[derive(Clone)]
pub(crate) struct SessionKeys {
    /// Who they are, as they proved it first.
    pub(crate) credential: Credential,
    /// The key of their connections.
    pub(crate) key: PublicKey,
    /// What both ends have from the first connection.
    pub(crate) resume: ResumeSecret,
}

#[derive(Serialize, Deserialize)]
struct KeptFile {
    boot: String,
    /// On the clock that runs since the boot.
    at_ms: u64,
    sessions: Vec<StoredSession>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredSession {
    pub(super) kept: KeptSession,
    pub(super) credential: Credential,
    pub(super) key: PublicKey,
    pub(super) resume: [u8; 32],
    pub(super) chat: KeptChat,
}

/// Where sessions are kept.
#[derive(Debug, Default)]
pub(super) struct SessionsFile {
    path: Option<PathBuf>,
    state: Mutex<FileState>,
}

#[derive(Debug, Default)]
struct FileState {
    /// There is a file.
    is_written: bool,
}

impl SessionsFile {
    /// For a device of this name; `None`: sessions are not kept.
    pub(super) fn new(device: Option<String>) -> Self {
        let directory = device.as_ref().and_then(|_| platform::memory_directory());
        let path =
            directory.zip(device).map(|(directory, device)| directory.join(format!("{device}.sessions")));
        Self { path, state: Mutex::default() }
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> Option<&std::path::Path> {
        self.path.as_deref()
    }

    pub(super) fn is_written(&self) -> bool {
        locked(&self.state).is_written
    }

    pub(super) fn is_possible(&self) -> bool {
        self.path.is_some()
    }

    pub(super) fn save(&self, sessions: Vec<StoredSession>) {
        let Some(path) = &self.path else { return };
        let mut state = locked(&self.state);
        if sessions.is_empty() && !state.is_written {
            return;
        }
        let outcome = if sessions.is_empty() { self.remove() } else { write(path, sessions) };
        match outcome {
            Ok(()) => state.is_written = path.exists(),
            Err(error) => {
                // An older state must not stay either.
                let _ = self.remove();
                tracing::warn!(%error, "sessions are not kept over a restart of the agent");
            }
        }
    }

    fn remove(&self) -> io::Result<()> {
        match self.path.as_ref().map(fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What the process before has kept and that still counts. It is taken: nobody finds it again.
    pub(super) fn take(&self) -> Vec<StoredSession> {
        let Some(bytes) = self.path.as_ref().and_then(|path| read_private(path).ok()).map(Zeroizing::new)
        else {
            return Vec::new();
        };
        if let Err(error) = self.remove() {
            tracing::warn!(%error, "sessions of the process before are not taken");
            return Vec::new();
        }
        let Ok(file) = wire::decode::<KeptFile>(&bytes) else { return Vec::new() };
        let age = platform::since_boot().saturating_sub(Duration::from_millis(file.at_ms));
        if platform::boot_id() != Some(file.boot) || age > RESUME_WITHIN {
            return Vec::new();
        }
        let older = |mut stored: StoredSession| {
            for (_, left) in &mut stored.kept.granted {
                *left = left.saturating_sub(age);
            }
            stored.kept.granted.retain(|(_, left)| !left.is_zero());
            stored
        };
        file.sessions.into_iter().map(older).collect()
    }
}

fn write(path: &std::path::Path, sessions: Vec<StoredSession>) -> io::Result<()> {
    let boot = platform::boot_id().ok_or_else(|| io::Error::other("the boot has no id"))?;
    let at_ms = u64::try_from(platform::since_boot().as_millis()).unwrap_or(u64::MAX);
    let file = wire::encode(&KeptFile { boot, at_ms, sessions }).map_err(io::Error::other)?;
    write_private(path, &Zeroizing::new(file))
}
