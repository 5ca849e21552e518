//! The support code: one guess for each code that a person asked for, three in a while.

use std::time::{Duration, Instant};

use nearhand_proto::support_code::{RoutingDigits, SupportCode};

use super::{InputDraw, ScrambledRng, beginning};
use nearhand_agent_core::code::{CodeGeneration, SupportCodeIssuer};

/// After three wrong ones no code is made for so long.
const LOCKED_FOR: Duration = Duration::from_secs(600);
/// Within so long three count together.
const BURNT_WITHIN: Duration = Duration::from_secs(1800);
/// How long a code counts.
const LIFETIME: Duration = Duration::from_secs(600);

pub(super) fn run(input: &[u8]) {
    let (mut keeper, mut now, mut rng) = (SupportCodeIssuer::default(), beginning(), ScrambledRng(7));
    let mut draw = InputDraw::new(input);
    let routings =
        [1, 2].map(|number| RoutingDigits::new(number).unwrap_or_else(|| unreachable!("four digits")));
    // Proofs under way, and the code that is shown: its number among all, since when, whether one was judged.
    let mut begun: Vec<(CodeGeneration, usize)> = Vec::new();
    let (mut made, mut shown): (usize, Option<Instant>) = (0, None);
    let mut judged: Vec<usize> = Vec::new();
    let mut wrong: Vec<Instant> = Vec::new();
    while let Some(operation) = draw.operation(7) {
        match operation {
            0 => now += draw.while_passes(),
            1 => {
                // As the hub does: only where one may be made.
                if keeper.may_make(now).is_ok() {
                    let recent = wrong.iter().filter(|at| now < **at + BURNT_WITHIN).count();
                    let locked = recent >= 3 && wrong.last().is_some_and(|at| now < *at + LOCKED_FOR);
                    assert!(!locked, "a code although it is locked");
                    keeper.show(now, SupportCode::generate(routings[draw.below(2)], &mut rng));
                    (made, shown) = (made + 1, Some(now));
                }
            }
            2 => {
                let routing = routings[draw.below(2)];
                if let Some((secret, generation)) = keeper.begin(now, routing) {
                    assert!(shown.is_some_and(|at| now < at + LIFETIME), "a proof of a code that is void");
                    assert!(keeper.is_shown(now, routing) && secret.len() == 7);
                    begun.push((generation, made));
                    assert!(begun.iter().filter(|(_, of)| *of == made).count() <= 10, "begun without end");
                }
            }
            3 | 4 => {
                let Some((generation, of)) = begun.get(draw.below(begun.len())).copied() else { continue };
                let settling = keeper.settle(now, generation);
                let live = of == made && shown.is_some_and(|at| now < at + LIFETIME);
                assert_eq!(
                    settling.is_some(),
                    live,
                    "a confirmation is looked at exactly while its code counts"
                );
                let Some(settling) = settling else { continue };
                assert!(!judged.contains(&of), "a second guess at one code");
                judged.push(of);
                shown = None;
                if operation == 3 {
                    settling.wrong();
                    wrong.push(now);
                } else {
                    settling.right();
                    wrong.clear();
                }
            }
            5 => {
                let there = keeper.cancel();
                assert!(!there || shown.is_some());
                shown = None;
            }
            _ => {
                if keeper.handle_timeout(now) {
                    assert!(shown.is_some_and(|at| at + LIFETIME <= now), "before its time");
                    shown = None;
                }
            }
        }
        let counts = shown.is_some_and(|at| now < at + LIFETIME);
        assert_eq!(keeper.shown(now).is_some(), counts);
        assert!(judged.len() <= made);
    }
}
