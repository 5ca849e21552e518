//! The open attack suite: what an attacker sends, and what must come of it, against the real programs.
//!
//! One list of [`AttackCase`]s for the tests (`tests/end_to_end/attacks.rs`: small numbers, each case a separate test) and for
//! `scripts/bench attacks` (the numbers of the promise, a row for each case). A case is a function that fails where what it
//! expects doesn't come; what it measures on the way goes into its [`AttackTrial`]. Must not live here: how the programs
//! keep their promises.

mod console;
mod decoding;
mod enrolment;
mod exhaustion;
mod files;
mod fixtures;
mod forwarding;
mod ipc;
mod preauth;
mod relay;
mod session;
mod technician;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use crate::rows::{BenchmarkRow, BetterWhen};

/// Every case: its group, the function in the group's module, and what is sent → what is expected. Calls a macro with
/// the list, so that the tests can make one test of each.
#[macro_export]
macro_rules! attack_cases {
    ($make:ident) => {
        $make! {
            preauth {
                random_datagrams = "random datagrams → a live session goes on, replies ≤ 3×";
                spoofed_initials = "spoofed Initials → Retry, a live session's p99 < 2×";
                no_setup_route = "/setup and its kin → 404";
                strangers_at_the_door = "another protocol, no hello, foreign credentials → closed, by code";
            }
            forwarding {
                a_destination_in_a_bind = "binds for 127.0.0.1, 0.0.0.0, ::, ::ffff:10.0.0.1 → no such field, silence";
                anothers_session = "hello with another's session id, binds without the key → refused, logged";
                a_recorded_session = "a recorded session played again → rejected";
            }
            enrolment {
                a_used_string = "a used token → refused";
                a_devices_string_for_a_person = "a device's string as a person → refused";
                a_revoked_technician = "technician revoked mid-session → out ≤ 5 s, stays out";
                a_revoked_device = "device revoked mid-session → out ≤ 5 s";
                an_expired_string = "an expired string, the newcomer's clock set back → refused";
                a_retired_key = "a retired key goes on by a second invitation → refused";
                an_expired_member = "a membership expires while connected → out within seconds";
                one_identity_twice = "one device's key on two machines → an alarm that names both";
            }
            technician {
                what_is_others = "another's session, a foreign device → the same answer as none";
                an_edited_record = "a record's row edited, its end cut off → verification names it";
            }
            session {
                no_grant = "every act without a grant → refused by name, written down";
                a_grant_for_something_else = "acts beside the grant → refused";
                input_under_view_only = "input under view-only → refused, written down, nothing moves";
                nonsense_on_streams = "nonsense on every stream → that stream or session ends, not the agent";
                stop_while_the_relay_hangs = "Stop while the relay hangs → capture and input cease ≤ 1 s";
                a_wrong_code = "a wrong code, then the right one → refused";
                a_thousand_guesses = "1,000 guesses by the relay → one a code, lockout, notice";
                canaries = "canary secrets → in no log, no memory dump, no file of the relay";
            }
            relay {
                between_the_ends = "a relay between both ends of a code → both leave, nothing said";
                a_devices_place = "a relay in an enrolled device's place → exit 14, nothing said";
                offers_of_its_own = "sessions that no technician asked for → refused";
                revocations_of_its_own = "a revocation list that it signed → does not count";
                nonsense_from_the_relay = "nonsense as pushes → the agent lives, and comes back";
            }
            files {
                a_file_stream = "a stream for files → not offered, never granted";
                a_report_without_end = "a report without end → cut at its limit, nothing kept";
                names_that_steer = "names with ESC, U+202E, NUL → nothing steers a terminal";
            }
            console {
                other_origins = "the viewer's socket with Origin evil, null, none → 403; without its pass → nothing";
                another_user_of_the_machine = "another user of the technician's machine → sees no token, gets 403 with one";
                markup_in_every_field = "markup in every text of a report → inert";
            }
            decoding {
                lengths_that_lie = "length 2³²−1, nesting 10⁴, at every decoder → < 1 MiB held";
                frames_that_are_none = "broken frames from members → that connection closed, by code";
                hostile_pictures = "a 65535² frame, cut frames, noise → the decode process ends, < 1 GiB";
            }
            exhaustion {
                stalled_handshakes = "stalled handshakes → an honest connect < 1 s";
                stalled_streams = "streams that never end → few, and others come in";
                a_flooded_help_desk = "requests for help from one address → its share, others are heard";
                taken_places = "guests, newcomers, digits from one address → its share, others come in";
                half_sent_requests = "requests sent but for the last byte → the relay's memory stays bounded";
            }
            ipc {
                every_verb_as_another_user = "every verb as another user → denied, and logged";
                a_directory_made_before = "a socket directory that somebody else made → the agent refuses";
            }
        }
    };
}

/// What of the design's suite has nothing in this product that it could be tried on.
pub const NO_SUCH_PART: &[&str] = &[
    "technician: passwords, unknown users, one-time passwords: people have keys only",
    "files: paths, declared sizes, archives: files are not sent, the stream is refused (see files)",
    "console: an operators' web console with cookies of its own: the viewer's page stands for it (see console)",
];

/// An attack and what must come of it.
#[derive(Clone, Copy)]
pub struct AttackCase {
    /// The group it belongs to.
    pub group: &'static str,
    /// Its name among the tests.
    pub name: &'static str,
    /// What is sent, and what is expected.
    pub what: &'static str,
    run: fn(&AttackTrial) -> Result<()>,
}

macro_rules! table {
    ($($group:ident { $($name:ident = $what:literal;)* })*) => {
        /// All of them, in the suite's order.
        pub fn cases() -> Vec<AttackCase> {
            vec![$($(AttackCase {
                group: stringify!($group),
                name: stringify!($name),
                what: $what,
                run: $group::$name,
            },)*)*]
        }
    };
}

attack_cases!(table);

/// One time that a case is carried out.
#[derive(Default)]
pub struct AttackTrial {
    full: bool,
    rows: RefCell<Vec<BenchmarkRow>>,
    left_out: Cell<Option<&'static str>>,
}

impl AttackTrial {
    /// With small numbers, or with those of the promise.
    pub fn new(full: bool) -> Self {
        Self { full, ..Self::default() }
    }

    /// How many of something.
    fn many(&self, small: usize, promised: usize) -> usize {
        if self.full { promised } else { small }
    }

    /// A number that doesn't depend on how busy the machine is; more than `most` fails the case.
    fn at_most(&self, name: &str, value: f64, unit: &'static str, most: f64) -> Result<()> {
        self.rows.borrow_mut().push(BenchmarkRow::new(name, value, unit, Some(most), BetterWhen::Lower));
        ensure!(value <= most, "{name}: {value} {unit}, at most {most} were expected");
        Ok(())
    }

    /// A measured time or ratio of times: a row's business, not a test's.
    fn timed(&self, name: &str, value: f64, unit: &'static str, most: f64) {
        self.rows.borrow_mut().push(BenchmarkRow::new(name, value, unit, Some(most), BetterWhen::Lower));
    }

    /// A number that says how much was tried.
    fn tried(&self, name: &str, value: f64) {
        self.rows.borrow_mut().push(BenchmarkRow::new(name, value, "", None, BetterWhen::Higher));
    }

    /// Nothing was tried, because this machine or user can't.
    fn leave_out(&self, why: &'static str) {
        self.left_out.set(Some(why));
    }
}

/// What came of a case.
pub struct AttackOutcome {
    /// Whether what was expected came, and a row for each thing measured.
    pub rows: Vec<BenchmarkRow>,
    /// What came instead, in words.
    pub wrong: Option<String>,
    /// Why nothing was tried.
    pub left_out: Option<&'static str>,
}

impl AttackCase {
    /// Carries it out with small numbers, as a test.
    ///
    /// # Errors
    /// Something else came than was expected.
    pub fn test(&self) -> Result<Option<&'static str>> {
        let trial = AttackTrial::new(false);
        (self.run)(&trial)?;
        Ok(trial.left_out.get())
    }

    /// Carries it out, and counts what is wrong. A secret in a log is found when the case's site ends, which panics.
    pub fn carry_out(&self, full: bool) -> AttackOutcome {
        let trial = AttackTrial::new(full);
        let ended = catch_unwind(AssertUnwindSafe(|| (self.run)(&trial)));
        let ended = ended.unwrap_or_else(|cause| {
            let said = cause.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            Err(anyhow!("{said}"))
        });
        let wrong = ended.err().map(|error| format!("{error:#}"));
        let left_out = trial.left_out.get();
        let name = format!("{}: {}", self.group, self.what);
        let verdict = match left_out {
            Some(_) => BenchmarkRow::new(&name, 0.0, "not run", None, BetterWhen::Lower),
            None => BenchmarkRow::new(
                &name,
                if wrong.is_some() { 1.0 } else { 0.0 },
                "wrong",
                Some(0.0),
                BetterWhen::Lower,
            ),
        };
        let measured = trial.rows.into_inner().into_iter().map(|row| {
            let name = format!("{}: · {}", self.group, row.name);
            BenchmarkRow { name, ..row }
        });
        AttackOutcome { rows: std::iter::once(verdict).chain(measured).collect(), wrong, left_out }
    }
}

/// A case by group and name.
///
/// # Errors
/// There is none.
pub fn case(group: &str, name: &str) -> Result<AttackCase> {
    let found = cases().into_iter().find(|case| case.group == group && case.name == name);
    found.ok_or_else(|| anyhow!("no case {group} {name}"))
}

/// A count as a row's number.
fn number(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

/// A duration as a row's number, in seconds.
fn seconds(took: Duration) -> f64 {
    took.as_secs_f64()
}

/// The groups, in order.
pub fn groups() -> Vec<&'static str> {
    let mut groups: Vec<_> = cases().iter().map(|case| case.group).collect();
    groups.dedup();
    groups
}
