//! Phrases from which sentences are built: names, quotes, lists of capabilities, times and durations.
//!
//! What somebody else wrote is cut, cleaned and quoted here, so that nobody takes it for the window's own text.

use core::time::Duration;

use nearhand_proto::grant::Capabilities;
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;

use crate::catalog::{Arg, Catalog};

/// Longest name that is shown, in characters.
const MAX_NAME: usize = 60;
/// Longest single line from somebody else that is shown, in characters.
const MAX_LINE: usize = 200;
/// Longest chat message or reason that is shown, in characters.
pub(crate) const MAX_PASSAGE: usize = 2_000;

/// Keeps the text's direction from reordering the sentence around it (UAX #9, FSI and PDI).
fn isolate(text: &str) -> String {
    format!("\u{2068}{text}\u{2069}")
}

/// A name that somebody else chose, in quotes.
pub(crate) fn quoted_name(theirs: &str) -> String {
    isolate(&format!("“{}”", text::one_line(theirs, MAX_NAME)))
}

/// One line that somebody else wrote, in quotes.
pub(crate) fn quoted_line(theirs: &str) -> String {
    isolate(&format!("“{}”", text::one_line(theirs, MAX_LINE)))
}

/// A text that somebody else wrote, for a box that names its author.
pub(crate) fn quoted_passage(theirs: &str) -> String {
    isolate(&text::multi_line(theirs, MAX_PASSAGE))
}

/// A text from this device's own agent, in the agent's words.
pub(crate) fn agent_text(words: &str) -> String {
    isolate(&text::one_line(words, MAX_LINE * 2))
}

/// A set of capabilities as a list: "see the screen, use mouse and keyboard".
pub(crate) fn capability_list(catalog: &Catalog, capabilities: Capabilities) -> String {
    let words: Vec<String> =
        capabilities.iter().map(|c| catalog.text(&format!("cap-{}", c.name()))).collect();
    if words.is_empty() { catalog.text("list-empty") } else { words.join(&catalog.text("list-separator")) }
}

/// The time that is left: hours and minutes, and seconds in the last two minutes.
pub(crate) fn time_left(catalog: &Catalog, left: Duration) -> String {
    let seconds = left.as_secs();
    if seconds < 120 {
        return catalog.with("seconds", &[("n", Arg::Number(seconds))]);
    }
    duration(catalog, seconds)
}

/// A duration in whole minutes, rounded up.
pub(crate) fn duration(catalog: &Catalog, seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    let (hours, rest) = (minutes / 60, minutes % 60);
    match (hours, rest) {
        (0, _) => catalog.with("minutes", &[("n", Arg::Number(minutes))]),
        (_, 0) => catalog.with("hours", &[("n", Arg::Number(hours))]),
        _ => catalog.with("hours-minutes", &[("hours", Arg::Number(hours)), ("minutes", Arg::Number(rest))]),
    }
}

/// The time of day in the person's zone, as `10:32`.
pub(crate) fn time_of_day(at: UnixMillis, offset: time::UtcOffset) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or_default();
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => {
            let at = at.to_offset(offset);
            format!("{:02}:{:02}", at.hour(), at.minute())
        }
        Err(_) => String::new(),
    }
}

/// Date and time in the person's zone, as `2026-11-22 10:32`.
pub(crate) fn date_and_time(at: UnixMillis, offset: time::UtcOffset) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or_default();
    match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(there) => format!("{} {}", there.to_offset(offset).date(), time_of_day(at, offset)),
        Err(_) => String::new(),
    }
}

/// Keeps figures in their order inside a sentence that is read from right to left (UAX #9, LRI and PDI).
pub(crate) fn left_to_right(figures: &str) -> String {
    format!("\u{2066}{figures}\u{2069}")
}

/// To whole seconds, rounded up: a countdown never shows zero while it runs.
pub(crate) fn round_up(left: Duration) -> Duration {
    Duration::from_secs(left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}
