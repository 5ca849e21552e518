//! The support code that this device shows, and how often somebody may try it.
//!
//! A pure core. One code at a time, good for ten minutes and for one confirmed session; one failed
//! confirmation burns it; after three burnt codes the device makes no new one for a while and tells its
//! person. So a relay or a stranger who guesses gets one guess in ten million per code that a person asked
//! for.

use std::time::{Duration, Instant};

use nearhand_proto::support_code::{LIFETIME, RoutingDigits, SupportCode};
use zeroize::Zeroizing;

/// Proofs that may be begun on one code (a begun proof reveals nothing, it only costs time).
const MAX_BEGUN: u32 = 10;
/// Number of burnt codes within [`BURNT_WITHIN`] that locks the device's codes.
const MAX_BURNT: usize = 3;
const BURNT_WITHIN: Duration = Duration::from_secs(1800);
/// How long no code is made after that.
const LOCKED_FOR: Duration = Duration::from_secs(600);

/// No codes for now: too many wrong ones were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong support codes were tried on this device: a new one can be made in {seconds} s")]
pub struct LockedOut {
    /// Seconds until it is over.
    pub seconds: u64,
}

/// Which code a proof was begun on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeGeneration(u64);

#[derive(Debug)]
struct IssuedCode {
    code: SupportCode,
    expires: Instant,
    begun: u32,
}

/// Keeps the device's support code.
#[derive(Debug, Default)]
pub struct SupportCodeIssuer {
    shown: Option<IssuedCode>,
    generation: u64,
    burnt: Vec<Instant>,
}

impl SupportCodeIssuer {
    /// Whether a new code may be made now.
    ///
    /// # Errors
    /// [`LockedOut`] after too many wrong codes; it says for how many seconds no new one can be made.
    pub fn may_make(&mut self, now: Instant) -> Result<(), LockedOut> {
        self.burnt.retain(|at| now < *at + BURNT_WITHIN);
        match self.burnt.last() {
            Some(last) if self.burnt.len() >= MAX_BURNT && now < *last + LOCKED_FOR => {
                Err(LockedOut { seconds: (*last + LOCKED_FOR - now).as_secs() + 1 })
            }
            _ => Ok(()),
        }
    }

    /// Codes that were burnt so long ago, before the agent was started again. What is older than this machine's clock can tell
    /// counts as burnt now.
    pub fn burnt_before(&mut self, now: Instant, ages: impl IntoIterator<Item = Duration>) {
        let recent = ages.into_iter().filter(|age| *age < BURNT_WITHIN);
        self.burnt.extend(recent.map(|age| now.checked_sub(age).unwrap_or(now)));
        self.burnt.sort_unstable();
    }

    /// How long ago codes were burnt that still count, for the next process.
    pub fn burnt_ages(&self, now: Instant) -> Vec<Duration> {
        let ages = self.burnt.iter().map(|at| now.saturating_duration_since(*at));
        ages.filter(|age| *age < BURNT_WITHIN).collect()
    }

    /// Shows a new code; the one before is void.
    pub fn show(&mut self, now: Instant, code: SupportCode) {
        self.generation += 1;
        self.shown = Some(IssuedCode { code, expires: now + LIFETIME, begun: 0 });
    }

    /// The code shown now and the seconds it is still good.
    pub fn shown(&self, now: Instant) -> Option<(&SupportCode, u64)> {
        let shown = self.shown.as_ref().filter(|s| now < s.expires)?;
        Some((&shown.code, (shown.expires - now).as_secs()))
    }

    /// Whether the code with these digits is shown now.
    pub fn is_shown(&self, now: Instant, routing: RoutingDigits) -> bool {
        self.shown(now).is_some_and(|(code, _)| code.routing() == routing)
    }

    /// A proof begins: its password, and what to check its end against. `None`: no such code.
    pub fn begin(
        &mut self,
        now: Instant,
        routing: RoutingDigits,
    ) -> Option<(Zeroizing<String>, CodeGeneration)> {
        let shown = self.shown.as_mut()?;
        if now >= shown.expires || shown.code.routing() != routing || shown.begun >= MAX_BEGUN {
            return None;
        }
        shown.begun += 1;
        Some((shown.code.secret(), CodeGeneration(self.generation)))
    }

    /// A confirmation has come: the code is used up, right or wrong. `None`: the code was void before, so
    /// the confirmation must not even be looked at.
    pub fn settle(&mut self, now: Instant, generation: CodeGeneration) -> Option<CodeSettlement<'_>> {
        let current = self.shown.as_ref().is_some_and(|s| now < s.expires);
        if !current || generation != CodeGeneration(self.generation) {
            return None;
        }
        self.shown = None;
        Some(CodeSettlement { keeper: self, now })
    }

    /// The code is void. Returns `true` if one was shown.
    pub fn cancel(&mut self) -> bool {
        self.shown.take().is_some()
    }

    /// When the code runs out.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.shown.as_ref().map(|s| s.expires)
    }

    /// Returns `true` if the code has run out by now.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        self.shown.take_if(|s| s.expires <= now).is_some()
    }
}

/// A code that is used up; tell whether the confirmation was right.
#[derive(Debug)]
pub struct CodeSettlement<'a> {
    keeper: &'a mut SupportCodeIssuer,
    now: Instant,
}

impl CodeSettlement<'_> {
    /// It was wrong: counts towards the lock.
    pub fn wrong(self) {
        self.keeper.burnt.push(self.now);
    }

    /// It was right: wrong ones before are forgotten.
    pub fn right(self) {
        self.keeper.burnt.clear();
    }
}

#[cfg(test)]
#[path = "code_tests.rs"]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    /// Where virtual time begins.
    pub(super) fn start() -> Instant {
        Instant::now()
    }

    fn routing() -> RoutingDigits {
        RoutingDigits::new(42).unwrap()
    }

    fn shown() -> (SupportCodeIssuer, Instant) {
        let (mut keeper, now) = (SupportCodeIssuer::default(), Instant::now());
        keeper.show(now, SupportCode::generate(routing(), &mut OsRng));
        (keeper, now)
    }

    #[test]
    fn one_wrong_confirmation_burns_the_code_even_with_another_proof_under_way() {
        let (mut keeper, now) = shown();
        let (_, first) = keeper.begin(now, routing()).unwrap();
        let (_, second) = keeper.begin(now, routing()).unwrap();
        keeper.settle(now, first).unwrap().wrong();
        assert!(keeper.settle(now, second).is_none(), "no second guess");
        assert!(keeper.begin(now, routing()).is_none());
        assert!(keeper.shown(now).is_none());
    }

    #[test]
    fn an_old_proof_does_not_settle_a_new_code() {
        let (mut keeper, now) = shown();
        let (_, old) = keeper.begin(now, routing()).unwrap();
        keeper.show(now, SupportCode::generate(routing(), &mut OsRng));
        assert!(keeper.settle(now, old).is_none());
        assert!(keeper.shown(now).is_some());
    }

    #[test]
    fn a_code_expires_and_begun_proofs_with_it() {
        let (mut keeper, now) = shown();
        let (_, generation) = keeper.begin(now, routing()).unwrap();
        let late = now + LIFETIME;
        assert!(keeper.begin(late, routing()).is_none());
        assert!(keeper.settle(late, generation).is_none());
        assert!(keeper.handle_timeout(late));
        assert!(!keeper.handle_timeout(late));
    }

    #[test]
    fn three_burnt_codes_lock_the_device_for_a_while() {
        let (mut keeper, now) = shown();
        for _ in 0..MAX_BURNT {
            keeper.may_make(now).unwrap();
            keeper.show(now, SupportCode::generate(routing(), &mut OsRng));
            let (_, generation) = keeper.begin(now, routing()).unwrap();
            keeper.settle(now, generation).unwrap().wrong();
        }
        assert_eq!(keeper.may_make(now), Err(LockedOut { seconds: 601 }));
        // Also for an agent that is started again in between.
        let later = now + Duration::from_secs(60);
        let mut next = SupportCodeIssuer::default();
        next.burnt_before(later, keeper.burnt_ages(later));
        assert_eq!(next.may_make(later), Err(LockedOut { seconds: 541 }));
        next.may_make(now + LOCKED_FOR).unwrap();
        keeper.may_make(now + LOCKED_FOR).unwrap();
    }

    #[test]
    fn a_thousand_begun_proofs_are_not_a_thousand_guesses() {
        let (mut keeper, now) = shown();
        assert_eq!((0..1000).filter(|_| keeper.begin(now, routing()).is_some()).count(), 10);
        assert!(keeper.begin(now, RoutingDigits::new(43).unwrap()).is_none());
    }
}
