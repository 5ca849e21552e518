//! The hub and its sessions over a restart: when they are kept, and how they stand again. The file is [`super::kept_sessions`]'s.

use std::time::Instant;

use nearhand_agent_core::sessions::{ArrivedSession, SessionTechnician};
use nearhand_proto::chat::ChatLog;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::pake::ResumeSecret;
use nearhand_proto::session_side::SessionSide;
use tokio::sync::mpsc;

use super::driver::{Hub, HubState, INBOX, SessionTaskHandle, ToSession};
use super::kept_sessions::{SessionKeys, StoredSession};

/// A session that stands again after a restart.
pub(crate) struct ReturningSession {
    pub(crate) session: SessionId,
    pub(crate) technician: SessionTechnician,
    pub(crate) keys: SessionKeys,
    pub(crate) inbox: mpsc::Receiver<ToSession>,
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
                Err(why) => {
                    let detail = format!("it does not go on after the restart of the agent: {why}");
                    self.note("agent", "session.end", Some(session), detail);
                }
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

    /// Whether sessions outlive this process if it is started again.
    pub(crate) fn keeps_sessions(&self) -> bool {
        self.kept.is_possible()
    }

    /// The agent is started again: sessions stay for the next process, and their tasks close the connections without an end.
    /// What the person stops or takes back until the process is gone still leaves the file.
    pub(crate) fn suspend(&self) {
        {
            let state = self.state();
            self.keep_sessions(&state, Self::timestamp().instant);
            for handle in state.handles.values() {
                // A full inbox: the connection ends with the process.
                let _ = handle.inbox.try_send(ToSession::Suspend);
            }
        }
        self.stop_tasks();
    }
}
