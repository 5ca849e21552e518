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
use std::time::{Duration, Instant};

use nearhand_agent_core::sessions::{ArrivedSession, KeptSession, SessionTechnician};
use nearhand_proto::chat::{ChatLog, KeptChat};
use nearhand_proto::credential::Credential;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::session::RESUME_WITHIN;
use nearhand_proto::pake::ResumeSecret;
use nearhand_proto::session_side::SessionSide;
use nearhand_proto::wire;
use nearhand_transport::lock::locked;
use nearhand_transport::platform::{read_private, write_private};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::driver::{Hub, HubState, INBOX, SessionTaskHandle, ToSession};
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

/// A session that stands again after a restart.
pub(crate) struct ReturningSession {
    pub(crate) session: SessionId,
    pub(crate) technician: SessionTechnician,
    pub(crate) keys: SessionKeys,
    pub(crate) inbox: mpsc::Receiver<ToSession>,
}

#[derive(Serialize, Deserialize)]
struct KeptFile {
    boot: String,
    /// On the clock that runs since the boot.
    at_ms: u64,
    sessions: Vec<StoredSession>,
}

#[derive(Serialize, Deserialize)]
struct StoredSession {
    kept: KeptSession,
    credential: Credential,
    key: PublicKey,
    resume: [u8; 32],
    chat: KeptChat,
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
    /// What is there is for the next process: the end of this one changes nothing about it.
    is_frozen: bool,
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

    fn save(&self, sessions: Vec<StoredSession>) {
        let Some(path) = &self.path else { return };
        let mut state = locked(&self.state);
        if state.is_frozen || (sessions.is_empty() && !state.is_written) {
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

    fn freeze(&self) {
        locked(&self.state).is_frozen = true;
    }

    fn remove(&self) -> io::Result<()> {
        match self.path.as_ref().map(fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What the process before has kept and that still counts. It is taken: nobody finds it again.
    fn take(&self) -> Vec<StoredSession> {
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

impl Hub {
    /// Keeps what stands now for the next process.
    pub(super) fn keep_sessions(&self, state: &HubState, now: Instant) {
        if !self.kept.is_possible() {
            return;
        }
        let stored = state.sessions.to_keep(now).into_iter().filter_map(|kept| {
            let handle = state.handles.get(&kept.session)?;
            let SessionKeys { credential, key, resume } = handle.keys.clone()?;
            let chat = handle.chat.with(|log| log.kept());
            Some(StoredSession { kept, credential, key, resume: *resume.to_bytes(), chat })
        });
        self.kept.save(stored.collect());
    }

    /// A technician's right to carry a session on is known from now on.
    pub(crate) fn set_keys(&self, session: SessionId, keys: SessionKeys) {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(handle) = state.handles.get_mut(&session) {
            handle.keys = Some(keys);
        }
        self.keep_sessions(&state, now);
    }

    /// Sessions of the process before stand again: each whose technician the organisation still vouches for, once its row is
    /// on the disk. Their tasks wait for the technician.
    pub(crate) async fn returning_sessions(&self, offers: Capabilities) -> Vec<ReturningSession> {
        let mut returning = Vec::new();
        for stored in self.kept.take() {
            let session = stored.kept.session;
            match self.returns(stored, offers).await {
                Ok(one) => returning.push(one),
                Err(why) => tracing::info!(%session, why, "a session does not go on after the restart"),
            }
        }
        returning
    }

    async fn returns(&self, stored: StoredSession, offers: Capabilities) -> Result<ReturningSession, String> {
        let StoredSession { kept, credential, key, resume, chat } = stored;
        let session = kept.session;
        let verified = self.identity.verify(&credential).map_err(|error| error.to_string())?;
        if verified.key() != key {
            return Err("it is another key's".to_owned());
        }
        let technician = SessionTechnician::of(verified).ok_or("it is no technician's")?;
        let keys = SessionKeys { credential, key, resume: ResumeSecret::new(resume) };
        let (to_task, inbox) = mpsc::channel(INBOX);
        let handle =
            SessionTaskHandle::with(to_task, ChatLog::resumed(SessionSide::Device, chat), Some(keys.clone()));
        self.state().handles.insert(session, handle);
        let start = ArrivedSession {
            session,
            technician: technician.clone(),
            attended: kept.attended,
            person: kept.person,
            offers,
        };
        let stands = self.propose(|sessions, _| sessions.restore(start, kept)).1.wait().await;
        if let Err(refusal) = stands {
            self.state().handles.remove(&session);
            return Err(refusal.to_string());
        }
        Ok(ReturningSession { session, technician, keys, inbox })
    }

    /// The agent is started again: sessions stay as they are for the next process, and their tasks close the connections.
    pub(crate) fn suspend(&self) {
        {
            let state = self.state();
            self.keep_sessions(&state, Self::timestamp().instant);
            self.kept.freeze();
            for handle in state.handles.values() {
                // A full inbox: the connection ends with the process.
                let _ = handle.inbox.try_send(ToSession::Suspend);
            }
        }
        self.stop_tasks();
    }
}
