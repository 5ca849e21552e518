//! The hub's part about asking for help: one wish at a time, kept in the agent's directory until it is over, and told to
//! the relay at each connection.

use nearhand_proto::id::SessionId;
use nearhand_proto::message::Program;
use nearhand_proto::message::control::{Reply, Request};
use nearhand_proto::message::help::{HelpWanted, Opinion, Place};
use nearhand_proto::message::local::{Event, Help, Said};
use nearhand_proto::text::chain;
use nearhand_transport::control::{RelayConnection, RelayError};
use rand_core::{OsRng, RngCore};

use super::{Hub, Viewer};
use crate::help_request::StoredHelpRequest;
use crate::home::HomeError;

/// What is asked for, and how that stands.
#[derive(Debug)]
pub(super) struct Asked {
    wish: Option<StoredHelpRequest>,
    help: Help,
}

impl Asked {
    /// With what was kept from the last run.
    pub(super) fn kept(wish: Option<StoredHelpRequest>) -> Self {
        let open = wish.as_ref().is_some_and(|wish| wish.wanted.is_some());
        let help = if open { Help::Sending } else { Help::None };
        Self { wish, help }
    }
}

/// Why a wish or an opinion was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelpError {
    /// It says nothing.
    #[error("say in a few words what is the matter")]
    Empty,
    /// It can't be kept.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Not connected.
    #[error("the relay is not connected; try again in a moment")]
    NoRelay,
    /// The relay is older than this.
    #[error("this relay is too old to take that; tell its operator")]
    OldRelay,
    /// The relay said no.
    #[error("{0}")]
    Relay(#[from] RelayError),
    /// It isn't over, or isn't theirs.
    #[error("that session is not one of yours that is over")]
    NotTheirs,
}

impl HelpError {
    /// As the person is told.
    pub(crate) fn said(&self) -> Said {
        match self {
            Self::Empty => Said::NoText,
            Self::NoRelay => Said::NoRelay,
            Self::OldRelay => Said::OldRelay,
            Self::NotTheirs => Said::NotTheirs,
            Self::Home(_) | Self::Relay(_) => Said::Words(self.to_string()),
        }
    }
}

impl Hub {
    /// A person asks for help. It is sent now, or as soon as the relay is connected.
    pub(crate) async fn ask_for_help(&self, viewer: Viewer, wanted: &HelpWanted) -> Result<Help, HelpError> {
        let wanted = wanted.safe().ok_or(HelpError::Empty)?;
        let wish = StoredHelpRequest { id: OsRng.next_u64(), person: viewer.user, wanted: Some(wanted) };
        self.home.save_wish(Some(&wish))?;
        {
            let mut state = self.state();
            let before = state.help.wish.replace(wish).map(|before| before.person);
            state.help.help = Help::Sending;
            drop(state);
            if before.is_some_and(|before| before != viewer.user) {
                self.tell_to(before, Event::Help(Help::None));
            }
        }
        self.tell_to(Some(viewer.user), Event::Help(Help::Sending));
        if let Some(relay) = self.relay() {
            self.send_wish(&relay).await;
        }
        Ok(self.help(viewer))
    }

    /// Tells the relay what is asked for, if something is.
    pub(crate) async fn send_wish(&self, relay: &RelayConnection) {
        let Some(wish) = self.state().help.wish.clone() else { return };
        if !relay.relay_reads(Program::HELP) {
            // It never had it, so there is nothing to take back either.
            let refused = Help::no(Said::OldRelay);
            return self.stands(&wish, if wish.wanted.is_some() { refused } else { Help::None });
        }
        let Some(wanted) = wish.wanted.clone() else { return self.send_withdrawal(relay, &wish).await };
        match relay.ask(&Request::AskForHelp { wish: wish.id, wanted }).await {
            Ok(Reply::Help(place)) => self.stands(&wish, of(place)),
            Ok(_) => {}
            Err(RelayError::Refused(refusal)) => self.stands(&wish, Help::Refused(refusal.to_string())),
            // Sent again at the next connection.
            Err(error) => tracing::warn!(error = chain(&error), "the wish for help is not at the relay yet"),
        }
    }

    async fn send_withdrawal(&self, relay: &RelayConnection, wish: &StoredHelpRequest) {
        match relay.ask(&Request::WithdrawHelp).await {
            Ok(_) => self.stands(wish, Help::None),
            // Sent again at the next connection.
            Err(error) => tracing::warn!(error = chain(&error), "the relay still thinks that help is wanted"),
        }
    }

    /// The relay says where the person stands now.
    pub(crate) fn help_moved(&self, place: Place) {
        let Some(wish) = self.state().help.wish.clone().filter(|wish| wish.wanted.is_some()) else { return };
        self.stands(&wish, of(place));
    }

    fn stands(&self, wish: &StoredHelpRequest, help: Help) {
        let over = matches!(help, Help::Closed { .. } | Help::None);
        let mut state = self.state();
        if state.help.wish.as_ref() != Some(wish) {
            // Another was made meanwhile; its own answer comes.
            return;
        }
        state.help.help = help.clone();
        if over {
            state.help.wish = None;
        }
        drop(state);
        if over && let Err(error) = self.home.save_wish(None) {
            tracing::warn!(%error, "a wish that is over may be sent again after a restart");
        }
        self.tell_to(Some(wish.person), Event::Help(help));
    }

    /// How what they asked for stands.
    pub(crate) fn help(&self, viewer: Viewer) -> Help {
        let state = self.state();
        match &state.help.wish {
            Some(wish) if !viewer.sees(Some(wish.person)) => Help::None,
            _ => state.help.help.clone(),
        }
    }

    /// They want no help any more. The relay learns it now, or as soon as it is connected.
    pub(crate) async fn withdraw_help(&self, viewer: Viewer) -> Result<(), HelpError> {
        let Some(wish) = self.state().help.wish.clone().filter(|wish| viewer.sees(Some(wish.person))) else {
            // What is over is no longer shown either.
            self.state().help.help = Help::None;
            return Ok(());
        };
        let wish = StoredHelpRequest { wanted: None, ..wish };
        self.home.save_wish(Some(&wish))?;
        {
            let mut state = self.state();
            state.help.wish = Some(wish.clone());
            state.help.help = Help::None;
        }
        self.tell_to(Some(wish.person), Event::Help(Help::None));
        if let Some(relay) = self.relay() {
            self.send_wish(&relay).await;
        }
        Ok(())
    }

    /// What they think of a session of theirs that is over.
    pub(crate) async fn opine(
        &self,
        viewer: Viewer,
        session: SessionId,
        opinion: &Opinion,
    ) -> Result<(), HelpError> {
        if !self.state().was_theirs(viewer, session) {
            return Err(HelpError::NotTheirs);
        }
        let opinion = opinion.safe().ok_or(HelpError::Empty)?;
        let relay = self.relay().ok_or(HelpError::NoRelay)?;
        if !relay.relay_reads(Program::HELP) {
            return Err(HelpError::OldRelay);
        }
        relay.ask(&Request::Opine { session, opinion }).await?;
        Ok(())
    }
}

fn of(place: Place) -> Help {
    match place {
        Place::Waiting { number, ahead, wait } => Help::Waiting { number, ahead, wait },
        Place::Taken { number, technician } => {
            Help::Taken { number, technician: nearhand_proto::text::one_line(&technician, 64) }
        }
        Place::Closed { number } => Help::Closed { number },
    }
}
