//! What people type, as values: durations, names, and strings that are better not typed at all.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use nearhand_proto::credential::MAX_NAME;
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
/// What is wrong with it, in words.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number with s, m, h or d is expected, such as 15m or 48h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let duration = Duration::from_secs(number.saturating_mul(unit));
    match duration {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        d if d > MAX_DURATION => Err("at most ten years".into()),
        d => Ok(d),
    }
}

/// A name of a person, a device or an organisation.
///
/// # Errors
/// What is wrong with it, in words.
pub fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("a name is expected".into());
    }
    if name.chars().count() > MAX_NAME {
        return Err(format!("at most {MAX_NAME} characters"));
    }
    if text::one_line(name, MAX_NAME) != name {
        return Err("it holds invisible or control characters".into());
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
    fn durations_are_read_and_nonsense_is_not() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("48h"), Ok(Duration::from_secs(172_800)));
        assert_eq!(duration("3650d"), Ok(MAX_DURATION));
        for bad in ["", "m", "15", "1.5h", "-1h", "0s", "3651d", "99999999999999999999d", "5é", "5 m"] {
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
