//! The hub's part about the support code: made with digits from the relay, proved, used up or burnt.

use std::time::Instant;

use nearhand_proto::message::control::{Reply, Request};
use nearhand_proto::message::local::{Code, Event, Said};
use nearhand_proto::message::session::Refusal;
use nearhand_proto::pake::{Confirmation, Keys};
use nearhand_proto::support_code::{Routing, SupportCode};
use nearhand_transport::control::RelayError;
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::{Hub, State, Viewer};
use nearhand_agent_core::code::{Generation, LockedOut};

/// Why there is no new support code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewCodeError {
    /// After too many wrong ones.
    #[error(transparent)]
    LockedOut(#[from] LockedOut),
    /// The relay isn't connected.
    #[error("there is no connection to the relay: {0}")]
    NoRelay(String),
    /// The relay gave no digits.
    #[error("the relay gave no support code: {0}")]
    Relay(#[from] RelayError),
}

impl NewCodeError {
    /// As the person is told.
    pub(crate) fn said(&self) -> Said {
        match self {
            Self::LockedOut(locked) => Said::CodesLocked { seconds: locked.seconds },
            Self::NoRelay(_) => Said::NoRelay,
            Self::Relay(_) => Said::Words(self.to_string()),
        }
    }
}

impl Hub {
    /// Makes and shows a new support code; the one before is void, also if it was somebody else's.
    pub(crate) async fn new_code(&self, viewer: Viewer) -> Result<Code, NewCodeError> {
        self.state().codes.may_make(Instant::now())?;
        let relay = self.relay().ok_or_else(|| {
            NewCodeError::NoRelay(self.state().problem.clone().unwrap_or_else(|| "try again".to_owned()))
        })?;
        let Reply::Routing(routing) = relay.ask(&Request::AllotRouting { wanted: None }).await? else {
            return Err(NewCodeError::Relay(RelayError::Protocol("no digits")));
        };
        let now = Instant::now();
        let mut state = self.state();
        state.codes.show(now, SupportCode::generate(routing, &mut OsRng));
        let code = state.code(now);
        let before = state.code_of.replace(viewer.user);
        drop(state);
        if before.is_some_and(|before| before != viewer.user) {
            self.tell_to(before, Event::code_over(Said::CodeElsewhere));
        }
        self.wake();
        code.ok_or_else(|| NewCodeError::NoRelay("the code has expired already".to_owned()))
    }

    /// After a reconnect: the digits of the code that is still shown. `None`: no code is shown.
    pub(crate) fn routing_wanted(&self) -> Option<Routing> {
        self.state().codes.shown(Instant::now()).map(|(code, _)| code.routing())
    }

    /// The person, or the relay's loss of the digits, makes the code void.
    pub(crate) fn cancel_code(&self, why: Said) {
        if self.state().codes.cancel() {
            self.code_gone(why);
        }
    }

    /// Whether the code that is shown is that person's, or there is none.
    pub(crate) fn code_is_theirs(&self, viewer: Viewer) -> bool {
        viewer.sees(self.state().code_of)
    }

    /// Who made the code that is shown.
    pub(crate) fn code_of(&self) -> Option<u32> {
        self.state().code_of
    }

    /// Begins a proof of the code: its password, and what to end the proof with.
    pub(crate) fn begin_proof(&self, routing: Routing) -> Result<(Zeroizing<String>, Generation), Refusal> {
        self.state().codes.begin(Instant::now(), routing).ok_or(Refusal::NoSuchCode)
    }

    /// The end of a proof: right or wrong, the code is used up. `keys` is `None` for a message that was none.
    pub(crate) fn end_proof(
        &self,
        generation: Generation,
        proof: Option<(&Keys, &Confirmation)>,
        who: &str,
    ) -> Result<(), Refusal> {
        let mut state = self.state();
        let Some(settling) = state.codes.settle(Instant::now(), generation) else {
            return Err(Refusal::NoSuchCode);
        };
        let right = proof.is_some_and(|(keys, received)| keys.check_technician(received).is_ok());
        if right {
            settling.right();
        } else {
            settling.wrong();
        }
        let detail = if right { "confirmed by both ends" } else { "wrong confirmation: the code is burnt" };
        let written =
            state.audit(who, if right { "code.used" } else { "code.burnt" }, None, detail.to_owned());
        // Whose it was: the others at this machine needn't know.
        let person = state.code_of;
        drop(state);
        if right {
            self.code_gone(Said::CodeUsed);
            return Ok(written?);
        }
        self.code_gone(Said::CodeBurnt);
        self.tell_to(person, Event::told(Said::WrongCode { who: who.to_owned() }));
        Err(Refusal::WrongCode)
    }

    pub(super) fn code_gone(&self, why: Said) {
        let person = self.state().code_of.take();
        self.tell_to(person, Event::code_over(why));
        self.wake();
        if let Some(relay) = self.relay() {
            tokio::spawn(async move {
                // The relay frees the digits by itself when this is lost.
                let _ = relay.ask(&Request::FreeRouting).await;
            });
        }
    }
}

impl State {
    pub(super) fn code(&self, now: Instant) -> Option<Code> {
        let (code, left) = self.codes.shown(now)?;
        Some(Code { spoken: code.spoken(), seconds_left: u32::try_from(left).unwrap_or(u32::MAX) })
    }
}
