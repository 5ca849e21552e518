//! What follows from what happened to sessions, carried out: nothing here waits for anything.

use std::io::Write;

use nearhand_agent_core::record::{RecordEntry, Recorded};
use nearhand_agent_core::sessions::{SessionEffect, SignedGrant, Timestamp};
use nearhand_proto::audit::AuditEvent;
use nearhand_proto::grant::GrantRecord;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::control::RelayRequest;
use nearhand_proto::message::local::{ChatLine, LocalEvent};
use nearhand_proto::message::session::{ConsentDecision, FromAgent, SessionEndReason, SessionRefusal};
use nearhand_transport::platform::open_private_append;

use super::driver::{Acknowledgement, Hub, HubState, ToSession, newest_chat};
use crate::home::AgentHome;

impl Hub {
    /// Carries out what the sessions' state wants, in order.
    pub(super) fn carry_out(&self, state: &mut HubState, now: Timestamp) {
        let mut is_to_keep = false;
        for effect in state.sessions.take_effects() {
            is_to_keep |= changes_what_is_kept(&effect);
            match effect {
                SessionEffect::Note(row) => self.write_row(state, now, row, (), |outcome| {
                    Acknowledgement::Note(outcome.map(Recorded::into_subject))
                }),
                SessionEffect::Record(row, change) => {
                    let id = change.id();
                    let acknowledge = move |outcome| Acknowledgement::Change(id, outcome);
                    self.write_row(state, now, row, change, acknowledge);
                }
                SessionEffect::Answer(id, outcome) => {
                    if let Some(waits) = state.answers.remove(&id) {
                        // The caller that waited may be gone.
                        let _ = waits.send(outcome);
                    }
                }
                SessionEffect::TellPerson(person, event) => self.events.tell_to(person, event),
                SessionEffect::ShowSession(session) => self.show_session(state, now, session),
                SessionEffect::TellTechnician(session, message) => tell_technician(state, session, message),
                SessionEffect::TellGranted(grant) => self.tell_granted(state, grant),
                SessionEffect::SetCapabilities(session, capabilities) => {
                    if let Some(handle) = state.handles.get(&session) {
                        handle.granted.send_replace(capabilities);
                    }
                }
                SessionEffect::SetTarget(session, target) => {
                    if let Some(handle) = state.handles.get(&session) {
                        handle.target.send_replace(target);
                    }
                }
                SessionEffect::EndSession(session, ended) => end_session(state, session, ended),
                SessionEffect::KeepChat(session, line) => self.keep_chat(session, line),
                SessionEffect::SaveKnown(known) => {
                    let home = self.home.clone();
                    self.record.write_file(move || {
                        if let Err(error) = home.save_known_technicians(&known) {
                            tracing::warn!(%error, "this technician will be a first contact again");
                        }
                    });
                }
                SessionEffect::SaveBurnt(burnt) => {
                    let home = self.home.clone();
                    self.record.write_file(move || {
                        if let Err(error) = home.save_burnt_codes(&burnt) {
                            tracing::warn!(%error, "wrong support codes are forgotten at a restart");
                        }
                    });
                }
                SessionEffect::FreeRouting => self.free_routing(),
                SessionEffect::Asking(waits) => drop(self.asking.send_replace(waits)),
                SessionEffect::Watching(programs) => drop(self.watching.send_replace(programs)),
            }
        }
        if is_to_keep {
            self.keep_sessions(state, now.instant);
        }
        self.wake.notify_one();
    }

    fn write_row<T: Send + 'static>(
        &self,
        state: &mut HubState,
        now: Timestamp,
        row: AuditEvent,
        subject: T,
        acknowledgement: impl FnOnce(
            Result<Recorded<T>, nearhand_agent_core::record::RecordError>,
        ) -> Acknowledgement
        + Send
        + 'static,
    ) {
        let session = row.session.map(|session| session.to_string());
        tracing::info!(actor = row.actor, action = row.action, session, detail = row.detail);
        state.sessions.row_handed_over(now.instant);
        let acknowledge = self.acknowledge.clone();
        self.record.write(RecordEntry::new(now.wall, row, subject, move |outcome| {
            if let Err(error) = &outcome {
                tracing::error!(%error, "audit log");
            }
            // An agent that has stopped puts nothing in force.
            let _ = acknowledge.send(acknowledgement(outcome));
        }));
    }

    fn show_session(&self, state: &HubState, now: Timestamp, session: SessionId) {
        let chat = state.handles.get(&session).map(newest_chat).unwrap_or_default();
        if let Some((person, shown)) = state.sessions.shown_session(now.instant, session, chat) {
            self.events.tell_to(person, LocalEvent::Session(shown));
        }
    }

    fn tell_granted(&self, state: &HubState, grant: SignedGrant) {
        let SignedGrant { session, technician, request, capabilities, seconds, at, by, granted } = grant;
        let device = self.identity.first_device();
        let record = GrantRecord { device, session, technician, capabilities, seconds, at, by };
        let Some(request) = request else {
            let why = format!("{capabilities}: allowed by the user who is at the screen now");
            return tell_technician(state, session, FromAgent::Grants { granted, why });
        };
        let decision = match self.identity.key().sign(&record) {
            Ok(record) => ConsentDecision::Granted { record, granted },
            Err(_) => ConsentDecision::Refused(SessionRefusal::Storage),
        };
        tell_technician(state, session, FromAgent::Decision { request, decision });
    }

    fn keep_chat(&self, session: SessionId, line: ChatLine) {
        let home = self.home.clone();
        self.record.write_file(move || {
            if let Err(error) = append_chat(&home, session, &line) {
                // The conversation matters more than its record.
                tracing::warn!(%session, %error, "a chat message could not be kept");
            }
        });
    }

    fn free_routing(&self) {
        if let Some(relay) = self.relay.connection() {
            tokio::spawn(async move {
                // The relay frees the digits by itself when this is lost.
                let _ = relay.ask(&RelayRequest::FreeDigits).await;
            });
        }
    }
}

/// Whether the next process of the agent has to know. Heartbeats show that this one was there until now.
fn changes_what_is_kept(effect: &SessionEffect) -> bool {
    matches!(
        effect,
        SessionEffect::SetCapabilities(..)
            | SessionEffect::EndSession(..)
            | SessionEffect::ShowSession(_)
            | SessionEffect::KeepChat(..)
            | SessionEffect::TellPerson(_, LocalEvent::Heartbeat { .. } | LocalEvent::Chat { .. })
    )
}

fn tell_technician(state: &HubState, session: SessionId, message: FromAgent) {
    if let Some(handle) = state.handles.get(&session)
        && handle.inbox.try_send(ToSession::Tell(message)).is_err()
    {
        tracing::warn!(%session, "the session's task lags behind; it learns the state when it resumes");
    }
}

fn end_session(state: &HubState, session: SessionId, ended: SessionEndReason) {
    let Some(handle) = state.handles.get(&session) else { return };
    tracing::info!(%session, why = %ended, "ending session");
    let inbox = handle.inbox.clone();
    if let Err(error) = inbox.try_send(ToSession::End(ended)) {
        // A full inbox: the task is told when it gets there.
        tokio::spawn(async move { inbox.send(error.into_inner()).await });
    }
}

fn append_chat(home: &AgentHome, session: SessionId, line: &ChatLine) -> std::io::Result<()> {
    let path = home.session_dir(session)?.join("chat.jsonl");
    let mut json = serde_json::to_vec(line)?;
    json.push(b'\n');
    open_private_append(&path)?.write_all(&json)
}
