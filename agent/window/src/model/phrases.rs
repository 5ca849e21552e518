//! Sentences about what is asked and done, in the person's language, and what others wrote, marked as theirs.

use core::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::Act;
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;

use super::messages;
use crate::catalog::{Arg, Catalog};

/// Longest name that is shown, in characters.
const NAME: usize = 60;
/// Longest single line of another's that is shown.
const LINE: usize = 200;
/// Longest chat message or reason that is shown.
pub(crate) const PASSAGE: usize = 2_000;

/// Keeps the direction of what is inside from reordering what is around it (UAX #9, FSI and PDI).
fn isolated(text: &str) -> String {
    format!("\u{2068}{text}\u{2069}")
}

/// A name that another gave, in quotes: it can't be taken for our words.
pub(crate) fn name(theirs: &str) -> String {
    isolated(&format!("“{}”", text::one_line(theirs, NAME)))
}

/// One line that another wrote, in quotes.
pub(crate) fn line(theirs: &str) -> String {
    isolated(&format!("“{}”", text::one_line(theirs, LINE)))
}

/// What another wrote, for a box that is marked as theirs.
pub(crate) fn passage(theirs: &str) -> String {
    isolated(&text::multi_line(theirs, PASSAGE))
}

/// What this machine's own agent says, in its words.
pub(crate) fn agents(words: &str) -> String {
    isolated(&text::one_line(words, LINE * 2))
}

/// The key of a capability's messages.
pub(crate) const fn key(capability: Capability) -> &'static str {
    capability.name()
}

/// What a set of capabilities lets somebody do, as a list.
pub(crate) fn list(catalog: &Catalog, capabilities: Capabilities) -> String {
    let words: Vec<String> = capabilities.iter().map(|c| catalog.text(&format!("cap-{}", key(c)))).collect();
    if words.is_empty() { catalog.text("list-empty") } else { words.join(&catalog.text("list-separator")) }
}

/// How long something still lasts: hours and minutes, and seconds too in the last two minutes.
pub(crate) fn left(catalog: &Catalog, left: Duration) -> String {
    let seconds = left.as_secs();
    if seconds < 120 {
        return catalog.with("seconds", &[("n", Arg::Number(seconds))]);
    }
    span(catalog, seconds)
}

/// A length of time in whole minutes, as it is said.
pub(crate) fn span(catalog: &Catalog, seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    let (hours, rest) = (minutes / 60, minutes % 60);
    match (hours, rest) {
        (0, _) => catalog.with("minutes", &[("n", Arg::Number(minutes))]),
        (_, 0) => catalog.with("hours", &[("n", Arg::Number(hours))]),
        _ => catalog.with("hours-minutes", &[("hours", Arg::Number(hours)), ("minutes", Arg::Number(rest))]),
    }
}

/// A time of day where the person is, as `10:32`.
pub(crate) fn clock(at: UnixMillis, offset: time::UtcOffset) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or_default();
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => {
            let at = at.to_offset(offset);
            format!("{:02}:{:02}", at.hour(), at.minute())
        }
        Err(_) => String::new(),
    }
}

/// A day and a time where the person is, as `2026-11-22 10:32`.
pub(crate) fn day(at: UnixMillis, offset: time::UtcOffset) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or_default();
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(there) => format!("{} {}", there.to_offset(offset).date(), clock(at, offset)),
        Err(_) => String::new(),
    }
}

/// Keeps figures in their order where what is around them is read from right to left (UAX #9, LRI and PDI).
pub(crate) fn in_order(figures: &str) -> String {
    format!("\u{2066}{figures}\u{2069}")
}

/// What was done, as a sentence.
pub(crate) fn act(catalog: &Catalog, act: &Act) -> String {
    let of = |key: &str, capabilities: &Capabilities| {
        catalog.with(key, &[("what", Arg::Text(&list(catalog, *capabilities)))])
    };
    let plain = match act {
        Act::SeesWindow { window } => {
            return catalog.with("act-sees-window", &[("window", Arg::Text(&line(window)))]);
        }
        Act::LeavesWindow { window } => {
            return catalog.with("act-leaves-window", &[("window", Arg::Text(&line(window)))]);
        }
        Act::Granted { capabilities, seconds } => {
            let span = span(catalog, u64::from(*seconds));
            let what = list(catalog, *capabilities);
            return catalog.with("act-granted", &[("what", Arg::Text(&what)), ("time", Arg::Text(&span))]);
        }
        Act::TakenBack(what) => return of("act-taken-back", what),
        Act::Expired(what) => return of("act-expired", what),
        Act::Extended(what) => return of("act-extended", what),
        Act::Told(told) => return messages::said(catalog, told),
        Act::Refused(why) => {
            return catalog.with("act-refused", &[("why", Arg::Text(&messages::said(catalog, why)))]);
        }
        Act::SeesScreen => "act-sees-screen",
        Act::LeavesScreen => "act-leaves-screen",
        Act::Controls => "act-controls",
        Act::LeavesControl => "act-leaves-control",
        Act::TakesClipboard => "act-takes-clipboard",
        Act::TakesPicture => "act-takes-picture",
        Act::Records => "act-records",
        Act::StopsRecording => "act-stops-recording",
        Act::Diagnoses => "act-diagnoses",
        Act::Diagnosed => "act-diagnosed",
        Act::DiagnosisBroken => "act-diagnosis-broken",
        Act::Interrupted => "act-interrupted",
        Act::Reconnected => "act-reconnected",
        Act::Paused => "act-paused",
        Act::PausedUnseen => "act-paused-unseen",
        Act::Resumed => "act-resumed",
    };
    catalog.text(plain)
}
