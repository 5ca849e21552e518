//! A person at the device asks the organisation for help: one request at a time, kept in the agent's directory until it is
//! over, and told to the relay at each connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nearhand_agent_core::sessions::LocalUser;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use nearhand_proto::message::help::{HelpProgress, HelpRequest, SessionFeedback};
use nearhand_proto::message::local::{AgentNotice, HelpStatus, LocalEvent};
use nearhand_proto::text::chain;
use nearhand_transport::control::{RelayConnection, RelayError};
use rand_core::{OsRng, RngCore};

use super::local_events::LocalEvents;
use super::relay_link::RelayLink;
use crate::help_request::StoredHelpRequest;
use crate::home::{AgentHome, AgentHomeError};
use crate::off_loop::off_loop;

/// What is asked for, and how that stands.
#[derive(Debug)]
struct HelpState {
    request: Option<StoredHelpRequest>,
    help: HelpStatus,
}

/// What a person at the device asks the organisation for.
pub(crate) struct HelpDesk {
    home: AgentHome,
    events: Arc<LocalEvents>,
    relay: Arc<RelayLink>,
    state: Mutex<HelpState>,
    /// One write at a time, so that the file ends as the state does.
    writing: tokio::sync::Mutex<()>,
}

/// Why a request for help or an opinion was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelpError {
    /// It says nothing.
    #[error("say in a few words what is the matter")]
    Empty,
    /// It can't be kept.
    #[error(transparent)]
    Home(#[from] AgentHomeError),
    /// The relay isn't connected.
    #[error("the relay is not connected; try again in a moment")]
    NoRelay,
    /// The relay said no.
    #[error("{0}")]
    Relay(#[from] RelayError),
}

impl HelpError {
    /// As the person is told.
    pub(crate) fn notice(&self) -> AgentNotice {
        match self {
            Self::Empty => AgentNotice::NoText,
            Self::NoRelay => AgentNotice::NoRelay,
            Self::Home(_) | Self::Relay(_) => AgentNotice::Words(self.to_string()),
        }
    }
}

impl HelpDesk {
    /// With what was kept from the last run.
    pub(super) fn new(home: AgentHome, events: Arc<LocalEvents>, relay: Arc<RelayLink>) -> Self {
        let request = home.help_request();
        let is_open = request.as_ref().is_some_and(|request| request.wanted.is_some());
        let help = if is_open { HelpStatus::Sending } else { HelpStatus::None };
        Self {
            home,
            events,
            relay,
            state: Mutex::new(HelpState { request, help }),
            writing: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, HelpState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn save(&self, request: Option<StoredHelpRequest>) -> Result<(), AgentHomeError> {
        let _turn = self.writing.lock().await;
        if request.is_none() && self.state().request.is_some() {
            // Another was made meanwhile, and is kept.
            return Ok(());
        }
        let home = self.home.clone();
        off_loop(move || home.save_help_request(request.as_ref())).await
    }

    /// A person asks for help. It is sent now, or as soon as the relay is connected.
    ///
    /// # Errors
    /// [`HelpError::Empty`]; [`HelpError::Home`] if it can't be kept.
    pub(crate) async fn ask(&self, user: LocalUser, wanted: &HelpRequest) -> Result<HelpStatus, HelpError> {
        let wanted = wanted.safe().ok_or(HelpError::Empty)?;
        let request = StoredHelpRequest { id: OsRng.next_u64(), person: user.user, wanted: Some(wanted) };
        self.save(Some(request.clone())).await?;
        let before = {
            let mut state = self.state();
            state.help = HelpStatus::Sending;
            state.request.replace(request).map(|before| before.person)
        };
        if before.is_some_and(|before| before != user.user) {
            self.events.tell_to(before, LocalEvent::Help(HelpStatus::None));
        }
        self.events.tell_to(Some(user.user), LocalEvent::Help(HelpStatus::Sending));
        if let Some(relay) = self.relay.connection() {
            self.send(&relay).await;
        }
        Ok(self.standing(user))
    }

    /// Tells the relay what is asked for, if something is.
    pub(crate) async fn send(&self, relay: &RelayConnection) {
        let Some(request) = self.state().request.clone() else { return };
        let Some(wanted) = request.wanted.clone() else { return self.send_withdrawal(relay, &request).await };
        match relay.ask(&RelayRequest::AskForHelp { wish: request.id, wanted }).await {
            Ok(RelayReply::Help(place)) => self.stands(&request, of(place)).await,
            Ok(_) => {}
            Err(RelayError::Refused(refusal)) => {
                self.stands(&request, HelpStatus::Refused(AgentNotice::Words(refusal.to_string()))).await;
            }
            // Sent again at the next connection.
            Err(error) => {
                tracing::warn!(error = chain(&error), "the request for help is not at the relay yet");
            }
        }
    }

    async fn send_withdrawal(&self, relay: &RelayConnection, request: &StoredHelpRequest) {
        match relay.ask(&RelayRequest::WithdrawHelp).await {
            Ok(_) => self.stands(request, HelpStatus::None).await,
            // Sent again at the next connection.
            Err(error) => tracing::warn!(error = chain(&error), "the relay still thinks that help is wanted"),
        }
    }

    /// The relay says where the person stands now.
    pub(crate) async fn moved(&self, place: HelpProgress) {
        let request = self.state().request.clone().filter(|request| request.wanted.is_some());
        if let Some(request) = request {
            self.stands(&request, of(place)).await;
        }
    }

    async fn stands(&self, request: &StoredHelpRequest, help: HelpStatus) {
        let is_over = matches!(help, HelpStatus::Closed { .. } | HelpStatus::None);
        {
            let mut state = self.state();
            if state.request.as_ref() != Some(request) {
                // Another was made meanwhile; its own answer comes.
                return;
            }
            state.help = help.clone();
            if is_over {
                state.request = None;
            }
        }
        self.events.tell_to(Some(request.person), LocalEvent::Help(help));
        if is_over && let Err(error) = self.save(None).await {
            tracing::warn!(%error, "a request for help that is over may be sent again after a restart");
        }
    }

    /// How what they asked for stands.
    pub(crate) fn standing(&self, user: LocalUser) -> HelpStatus {
        let state = self.state();
        match &state.request {
            Some(request) if !user.sees(Some(request.person)) => HelpStatus::None,
            _ => state.help.clone(),
        }
    }

    /// They want no help any more. The relay learns it now, or as soon as it is connected.
    ///
    /// # Errors
    /// [`HelpError::Home`] if it can't be kept.
    pub(crate) async fn withdraw(&self, user: LocalUser) -> Result<(), HelpError> {
        let request = self.state().request.clone().filter(|request| user.sees(Some(request.person)));
        let Some(request) = request else {
            // What is over is no longer shown either.
            self.state().help = HelpStatus::None;
            return Ok(());
        };
        let request = StoredHelpRequest { wanted: None, ..request };
        self.save(Some(request.clone())).await?;
        {
            let mut state = self.state();
            state.request = Some(request.clone());
            state.help = HelpStatus::None;
        }
        self.events.tell_to(Some(request.person), LocalEvent::Help(HelpStatus::None));
        if let Some(relay) = self.relay.connection() {
            self.send(&relay).await;
        }
        Ok(())
    }

    /// What a person thinks of a session of theirs that is over.
    ///
    /// # Errors
    /// [`HelpError`]: it says nothing, or it can't be sent now.
    pub(crate) async fn give_opinion(
        &self,
        session: SessionId,
        opinion: &SessionFeedback,
    ) -> Result<(), HelpError> {
        let opinion = opinion.safe().ok_or(HelpError::Empty)?;
        let relay = self.relay.connection().ok_or(HelpError::NoRelay)?;
        relay.ask(&RelayRequest::GiveFeedback { session, feedback: opinion }).await?;
        Ok(())
    }
}

fn of(place: HelpProgress) -> HelpStatus {
    match place {
        HelpProgress::Waiting { number, ahead, wait } => HelpStatus::Waiting { number, ahead, wait },
        HelpProgress::Taken { number, technician } => {
            HelpStatus::Taken { number, technician: nearhand_proto::text::one_line(&technician, 64) }
        }
        HelpProgress::Closed { number } => HelpStatus::Closed { number },
    }
}
