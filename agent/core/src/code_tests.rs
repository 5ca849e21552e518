//! The support code under random interleavings: proofs begun on it, confirmations early, late, doubled and
//! for older codes, new codes, cancellations and time. At most one confirmation is looked at per code.

use std::time::{Duration, Instant};

use nearhand_proto::support_code::{LIFETIME, RoutingDigits, SupportCode};
use proptest::prelude::*;
use rand_core::OsRng;

use super::tests::start;
use super::{BURNT_WITHIN, CodeGeneration, LOCKED_FOR, MAX_BEGUN, MAX_BURNT, SupportCodeIssuer};

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum CodeStep {
    /// The person asks for a new code.
    Show,
    Cancel,
    /// Somebody begins a proof; right digits or not.
    Begin {
        right: bool,
    },
    /// A confirmation comes for one of the proofs begun so far.
    Settle {
        proof: usize,
        right: bool,
    },
    Pass(u64),
    Timeout,
}

fn steps() -> impl Strategy<Value = CodeStep> {
    prop_oneof![
        2 => Just(CodeStep::Show),
        1 => Just(CodeStep::Cancel),
        5 => any::<bool>().prop_map(|right| CodeStep::Begin { right }),
        6 => (0_usize..40, prop::bool::weighted(0.2)).prop_map(|(proof, right)| CodeStep::Settle { proof, right }),
        3 => (0_u64..400).prop_map(CodeStep::Pass),
        1 => Just(CodeStep::Timeout),
    ]
}

/// A code that was shown, as the rules see it.
struct ModelCode {
    at: Instant,
    begun: u32,
    looked_at: u32,
}

struct CodeTestRun {
    keeper: SupportCodeIssuer,
    now: Instant,
    codes: Vec<ModelCode>,
    /// Each begun proof with the number of its code.
    proofs: Vec<(CodeGeneration, usize)>,
    burnt: Vec<Instant>,
}

fn routing(number: u16) -> RoutingDigits {
    RoutingDigits::new(number).expect("four digits")
}

impl CodeTestRun {
    fn take(&mut self, step: CodeStep) -> Result<(), TestCaseError> {
        match step {
            CodeStep::Show => {
                let allowed = self.keeper.may_make(self.now).is_ok();
                prop_assert_eq!(allowed, !self.locked(), "the lock after wrong codes");
                if allowed {
                    self.keeper.show(self.now, SupportCode::generate(routing(42), &mut OsRng));
                    self.codes.push(ModelCode { at: self.now, begun: 0, looked_at: 0 });
                }
            }
            CodeStep::Cancel => {
                self.keeper.cancel();
                prop_assert!(self.keeper.shown(self.now).is_none());
            }
            CodeStep::Begin { right } => self.begin(right)?,
            CodeStep::Settle { proof, right } => self.settle(proof, right)?,
            CodeStep::Pass(seconds) => self.now += Duration::from_secs(seconds),
            CodeStep::Timeout => {
                self.keeper.handle_timeout(self.now);
                prop_assert!(self.keeper.next_timeout().is_none_or(|next| next > self.now));
                prop_assert!(!self.keeper.handle_timeout(self.now), "the same again");
            }
        }
        Ok(())
    }

    fn begin(&mut self, right: bool) -> Result<(), TestCaseError> {
        let Some((_, generation)) = self.keeper.begin(self.now, routing(if right { 42 } else { 43 })) else {
            return Ok(());
        };
        prop_assert!(right, "a proof on other digits");
        let newest = self.codes.len() - 1;
        let code = &mut self.codes[newest];
        code.begun += 1;
        prop_assert!(code.begun <= MAX_BEGUN, "too many proofs on one code");
        prop_assert!(code.looked_at == 0 && self.now < code.at + LIFETIME, "a proof on a void code");
        self.proofs.push((generation, newest));
        Ok(())
    }

    fn settle(&mut self, proof: usize, right: bool) -> Result<(), TestCaseError> {
        let Some((generation, of)) = self.proofs.get(proof % self.proofs.len().max(1)).copied() else {
            return Ok(());
        };
        let Some(settling) = self.keeper.settle(self.now, generation) else { return Ok(()) };
        prop_assert_eq!(of, self.codes.len() - 1, "a proof of an older code was looked at");
        self.codes[of].looked_at += 1;
        prop_assert_eq!(self.codes[of].looked_at, 1, "a second guess at one code");
        prop_assert!(self.now < self.codes[of].at + LIFETIME, "after the code ran out");
        if right {
            settling.right();
            self.burnt.clear();
        } else {
            settling.wrong();
            self.burnt.push(self.now);
        }
        prop_assert!(self.keeper.shown(self.now).is_none(), "a used code is still shown");
        Ok(())
    }

    fn locked(&self) -> bool {
        let recent: Vec<_> = self.burnt.iter().filter(|at| self.now < **at + BURNT_WITHIN).collect();
        recent.len() >= MAX_BURNT && recent.last().is_some_and(|last| self.now < **last + LOCKED_FOR)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_code_is_worth_one_guess_whatever_the_interleaving(steps in prop::collection::vec(steps(), 0..80)) {
        let mut run =
            CodeTestRun { keeper: SupportCodeIssuer::default(), now: start(), codes: vec![], proofs: vec![], burnt: vec![] };
        run.take(CodeStep::Show)?;
        for step in steps {
            run.take(step)?;
        }
    }
}
