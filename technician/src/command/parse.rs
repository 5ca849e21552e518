//! What people type, as values: durations, names, and strings that are better not typed at all.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use nearhand_proto::credential::MAX_NAME;
use nearhand_proto::duration::DurationError;
use nearhand_proto::text;
use zeroize::Zeroizing;

use crate::exit::{CommandFailure, ExitCode};

/// Longest input taken from the standard input, in bytes.
const MAX_INPUT: u64 = 16 * 1024;
/// Longest duration: ten years, beyond which a typing slip is likelier than an intention.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 86_400);

/// A duration such as `90s`, `15m`, `48h` or `30d`.
///
/// # Errors
/// [`DurationError`]: the text is no number with a unit, or longer than the limit; clap shows it to the user.
pub fn duration(text: &str) -> Result<Duration, DurationError> {
    nearhand_proto::duration::parse(text, MAX_DURATION)
}

/// Why a text can't be the name of a person, a device or an organisation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// Nothing but spaces.
    #[error("a name is expected")]
    Empty,
    /// Longer than names may be.
    #[error("at most {MAX_NAME} characters")]
    TooLong,
    /// It would not be seen as it is.
    #[error("it holds invisible or control characters")]
    Invisible,
}

/// A name of a person, a device or an organisation.
///
/// # Errors
/// [`NameError`]: the name is empty, too long, or holds invisible characters.
pub fn name(text: &str) -> Result<String, NameError> {
    let name = text.trim();
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().count() > MAX_NAME {
        return Err(NameError::TooLong);
    }
    if text::one_line(name, MAX_NAME) != name {
        return Err(NameError::Invisible);
    }
    Ok(name.to_owned())
}

/// A string given as an argument, or, as `-`, on the standard input, where no list of processes and no
/// history of commands shows it.
///
/// # Errors
/// [`CommandFailure`] if the standard input can't be read.
pub fn string_or_stdin(argument: String) -> Result<Zeroizing<String>, CommandFailure> {
    if argument != "-" {
        return Ok(Zeroizing::new(argument));
    }
    let mut text = Zeroizing::new(String::new());
    io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(|e| CommandFailure::new(ExitCode::Local, format!("can't read the standard input: {e}")))?;
    Ok(text)
}

/// A name that wasn't given: asked for on a terminal, else `otherwise`.
///
/// # Errors
/// [`CommandFailure`] if nobody can be asked and there is no other.
pub fn name_or_ask(
    given: Option<String>,
    what: &str,
    otherwise: Option<String>,
) -> Result<String, CommandFailure> {
    if let Some(name) = given {
        return Ok(name);
    }
    let otherwise = otherwise.and_then(|text| name(&text).ok());
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return otherwise.ok_or_else(|| CommandFailure::new(ExitCode::Usage, format!("say {what}")));
    }
    let hint = otherwise.as_ref().map(|o| format!(" [{o}]")).unwrap_or_default();
    let _ = write!(io::stderr(), "{what}{hint}: ");
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|e| CommandFailure::new(ExitCode::Local, format!("can't read the answer: {e}")))?;
    match (line.trim().is_empty(), otherwise) {
        (true, Some(otherwise)) => Ok(otherwise),
        _ => name(&line).map_err(|why| CommandFailure::new(ExitCode::Usage, format!("{what}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_reach_ten_years() {
        assert_eq!(duration("48h"), Ok(Duration::from_secs(172_800)));
        assert_eq!(duration("3650d"), Ok(MAX_DURATION));
        for bad in ["", "15", "0s", "3651d", "5 m"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_what_can_be_shown() {
        assert_eq!(name(" Ada Lovelace "), Ok("Ada Lovelace".into()));
        for bad in ["", "  ", "a\u{202e}b", "a\nb", &"x".repeat(65)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
