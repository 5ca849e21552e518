//! The support code: whose it is, and what follows when it is used, burnt or over. How it is kept is [`crate::code`]'s.

use std::time::{Duration, Instant};

use nearhand_proto::message::local::{AgentNotice, LocalEvent, SpokenCode};
use nearhand_proto::message::session::SessionRefusal;
use nearhand_proto::support_code::{RoutingDigits, SupportCode};
use nearhand_proto::time::UnixMillis;
use zeroize::Zeroizing;

use super::effect::SessionEffect;
use super::state::Sessions;
use super::timestamp::Timestamp;
use super::watchers::LocalUser;
use crate::code::{CodeGeneration, LockedOut};

impl Sessions {
    /// Whether a new code may be made now.
    ///
    /// # Errors
    /// [`LockedOut`] after too many wrong ones.
    pub fn may_make_code(&mut self, now: Instant) -> Result<(), LockedOut> {
        self.codes.may_make(now)
    }

    /// Shows a new code of this person; the one before is void, also if it was somebody else's.
    pub fn show_code(&mut self, now: Instant, user: LocalUser, code: SupportCode) -> Option<SpokenCode> {
        self.codes.show(now, code);
        let before = self.code_maker.replace(user.user);
        if before.is_some_and(|before| before != user.user) {
            self.tell(before, LocalEvent::CodeGone(AgentNotice::CodeElsewhere));
        }
        self.shown_code(now, user)
    }

    /// The code that is shown, if it is for that person's eyes.
    pub fn shown_code(&self, now: Instant, user: LocalUser) -> Option<SpokenCode> {
        let (code, left) = self.codes.shown(now).filter(|_| user.sees(self.code_maker))?;
        Some(SpokenCode { spoken: code.spoken(), seconds_left: u32::try_from(left).unwrap_or(u32::MAX) })
    }

    /// The digits of the code that is still shown, for a relay that was connected again. `None`: no code is shown.
    pub fn shown_routing(&self, now: Instant) -> Option<RoutingDigits> {
        self.codes.shown(now).map(|(code, _)| code.routing())
    }

    /// The person, or the relay's loss of the digits, makes the code void.
    pub fn cancel_code(&mut self, why: AgentNotice) {
        if self.codes.cancel() {
            self.code_gone(why);
        }
    }

    /// Whether the code that is shown is that person's, or there is none.
    pub fn code_is_theirs(&self, user: LocalUser) -> bool {
        user.sees(self.code_maker)
    }

    /// Who made the code that is shown.
    pub fn code_maker(&self) -> Option<u32> {
        self.code_maker
    }

    /// Begins a proof of the code: its password, and what to end the proof with.
    ///
    /// # Errors
    /// [`SessionRefusal::NoSuchCode`] if no code with these digits is shown, it has expired or too many proofs of it
    /// were begun.
    pub fn begin_proof(
        &mut self,
        now: Instant,
        routing: RoutingDigits,
    ) -> Result<(Zeroizing<String>, CodeGeneration), SessionRefusal> {
        self.codes.begin(now, routing).ok_or(SessionRefusal::NoSuchCode)
    }

    /// The end of a proof: right or wrong, the code is used up. `is_right` is not asked if the code was void before.
    ///
    /// # Errors
    /// [`SessionRefusal::NoSuchCode`] if the code was void before, [`SessionRefusal::WrongCode`] if the confirmation is
    /// wrong. Both need a new code.
    pub fn end_proof(
        &mut self,
        now: Timestamp,
        generation: CodeGeneration,
        who: &str,
        is_right: impl FnOnce() -> bool,
    ) -> Result<(), SessionRefusal> {
        let settling = self.codes.settle(now.instant, generation).ok_or(SessionRefusal::NoSuchCode)?;
        if is_right() {
            settling.right();
            self.keep_burnt(now);
            self.note(who, "code.used", None, "confirmed by both ends".to_owned());
            self.code_gone(AgentNotice::CodeUsed);
            return Ok(());
        }
        settling.wrong();
        self.keep_burnt(now);
        self.note(who, "code.burnt", None, "wrong confirmation: the code is burnt".to_owned());
        // The others at this machine needn't know.
        let person = self.code_maker;
        self.code_gone(AgentNotice::CodeBurnt);
        self.tell(person, LocalEvent::Notice(AgentNotice::WrongCode { who: who.to_owned() }));
        Err(SessionRefusal::WrongCode)
    }

    /// Codes that were burnt before the agent was started again. A clock that was set back makes none of them younger than now.
    pub fn burnt_before(&mut self, now: Timestamp, burnt: &[UnixMillis]) {
        let age = |at: &UnixMillis| Duration::from_millis(now.wall.0.saturating_sub(at.0));
        self.codes.burnt_before(now.instant, burnt.iter().map(age));
    }

    fn keep_burnt(&mut self, now: Timestamp) {
        let at = |age: Duration| {
            UnixMillis(now.wall.0.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)))
        };
        let burnt = self.codes.burnt_ages(now.instant).into_iter().map(at).collect();
        self.push(SessionEffect::SaveBurnt(burnt));
    }

    pub(super) fn code_gone(&mut self, why: AgentNotice) {
        let person = self.code_maker.take();
        self.tell(person, LocalEvent::CodeGone(why));
        self.push(SessionEffect::FreeRouting);
    }
}
