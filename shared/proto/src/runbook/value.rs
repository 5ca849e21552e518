//! Typed values: what a parameter can be, and that nothing else gets through.
//!
//! Each kind of text has its own charset, and none begins with `-`. So no value can become an option, a path or a
//! command of the program that gets it.

use core::fmt;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::at_most;

/// Longest text value or pattern, in bytes.
pub const MAX_TEXT: usize = 200;
/// Most choices or patterns of one parameter.
pub const MAX_CHOICES: usize = 32;
/// Largest number of either sign: more than any limit of an act, and far from overflow.
const MAX_INTEGER: i64 = 1 << 50;
/// Longest name of a process, in bytes: what the kernel keeps.
const MAX_PROCESS: usize = 15;
/// Longest name of a network interface, in bytes.
const MAX_INTERFACE: usize = 15;

/// A parameter's value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ParameterValue {
    /// A number, in its kind's unit.
    Integer(i64),
    /// A text, of its kind's charset.
    Text(String),
}

impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Values by the names of what they are for.
pub type ParameterValues = BTreeMap<String, ParameterValue>;

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum ParameterUnit {
    /// A plain count.
    Count,
    /// Time in seconds.
    Seconds,
    /// Time in hours.
    Hours,
    /// Megabytes, of 10⁶ bytes.
    Megabytes,
    /// Hundredths of a whole.
    Percent,
}

impl ParameterUnit {
    /// Every unit that there is.
    pub const ALL: [Self; 5] = [Self::Count, Self::Seconds, Self::Hours, Self::Megabytes, Self::Percent];

    /// Its name in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Hours => "hours",
            Self::Megabytes => "megabytes",
            Self::Percent => "percent",
        }
    }
}

/// What a value may be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ParameterKind {
    /// A whole number within bounds.
    Integer {
        /// The smallest value allowed.
        min: i64,
        /// The largest value allowed.
        max: i64,
        /// What it counts.
        unit: ParameterUnit,
    },
    /// One of these words.
    Choice(#[serde(deserialize_with = "at_most::<_, _, MAX_CHOICES>")] Vec<String>),
    /// A service's unit name that fits one of these patterns (`*` stands for anything).
    Service(#[serde(deserialize_with = "at_most::<_, _, MAX_CHOICES>")] Vec<String>),
    /// A process's name that fits one of these patterns.
    Process(#[serde(deserialize_with = "at_most::<_, _, MAX_CHOICES>")] Vec<String>),
    /// A network interface.
    Interface,
    /// Where a file system is mounted.
    MountPoint,
}

/// Why a value doesn't fit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValueMisfit {
    /// A number is wanted, or a text.
    #[error("{0} is wanted")]
    Wanted(&'static str),
    /// Out of bounds.
    #[error("it must be from {min} to {max} ({unit})")]
    Bounds {
        /// The smallest value allowed.
        min: i64,
        /// The largest value allowed.
        max: i64,
        /// What it counts.
        unit: &'static str,
    },
    /// Not one of the choices.
    #[error("it must be one of: {0}")]
    Choice(String),
    /// Not of the charset.
    #[error("{0}")]
    Form(&'static str),
    /// It fits no pattern.
    #[error("it fits none of: {0}")]
    Pattern(String),
}

/// Why a kind makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnsoundKind {
    /// The bounds are in the wrong order, or too large.
    #[error("from {min} to {max} is no range of numbers")]
    Range {
        /// The smallest value allowed.
        min: i64,
        /// The largest value allowed.
        max: i64,
    },
    /// An empty list, or one that is too long.
    #[error("1 to {MAX_CHOICES} {what} are possible")]
    Count {
        /// Choices or patterns.
        what: &'static str,
    },
    /// A choice or pattern with a character that it can't have.
    #[error("{0:?} is not possible here")]
    Word(String),
}

impl ParameterKind {
    /// Its name in manifests.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Integer { .. } => "integer",
            Self::Choice(_) => "choice",
            Self::Service(_) => "service",
            Self::Process(_) => "process",
            Self::Interface => "interface",
            Self::MountPoint => "mount-point",
        }
    }

    /// Whether a value is of this kind.
    ///
    /// # Errors
    /// [`ValueMisfit::Wanted`] for the wrong type, [`ValueMisfit::Bounds`] or [`ValueMisfit::Choice`] for a value that
    /// isn't allowed, [`ValueMisfit::Form`] or [`ValueMisfit::Pattern`] for a text that doesn't fit.
    pub fn check(&self, value: &ParameterValue) -> Result<(), ValueMisfit> {
        match (self, value) {
            (Self::Integer { min, max, unit }, ParameterValue::Integer(number)) => {
                let bounds = ValueMisfit::Bounds { min: *min, max: *max, unit: unit.name() };
                if (*min..=*max).contains(number) { Ok(()) } else { Err(bounds) }
            }
            (Self::Integer { .. }, ParameterValue::Text(_)) => Err(ValueMisfit::Wanted("a whole number")),
            (_, ParameterValue::Integer(_)) => Err(ValueMisfit::Wanted("a text")),
            (Self::Choice(words), ParameterValue::Text(text)) if words.contains(text) => Ok(()),
            (Self::Choice(words), ParameterValue::Text(_)) => Err(ValueMisfit::Choice(words.join(", "))),
            (Self::Service(patterns), ParameterValue::Text(text)) => {
                form(is_service(text), "the name of a service is wanted, such as nginx.service")?;
                fits(patterns, text)
            }
            (Self::Process(patterns), ParameterValue::Text(text)) => {
                form(
                    is_process(text),
                    "the name of a process is wanted: at most 15 letters, digits and . _ + -, the first no -",
                )?;
                fits(patterns, text)
            }
            (Self::Interface, ParameterValue::Text(text)) => {
                form(is_interface(text), "the name of a network interface is wanted, such as eth0; not lo")
            }
            (Self::MountPoint, ParameterValue::Text(text)) => form(
                is_path(text),
                "an absolute path is wanted: letters, digits and . _ + @ - between slashes, no part that begins with - or is . or ..",
            ),
        }
    }

    /// Reads a value as people type it.
    ///
    /// # Errors
    /// [`ValueMisfit::Wanted`] if the text should be a whole number and isn't; otherwise as [`Self::check`].
    pub fn read(&self, text: &str) -> Result<ParameterValue, ValueMisfit> {
        let value = match self {
            Self::Integer { .. } => {
                ParameterValue::Integer(text.parse().map_err(|_| ValueMisfit::Wanted("a whole number"))?)
            }
            _ => ParameterValue::Text(text.to_owned()),
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Whether the kind itself makes sense.
    ///
    /// # Errors
    /// [`UnsoundKind`], for the author of the manifest or policy.
    pub fn is_sound(&self) -> Result<(), UnsoundKind> {
        match self {
            Self::Integer { min, max, .. } => {
                let range = -MAX_INTEGER..=MAX_INTEGER;
                if min > max || !range.contains(min) || !range.contains(max) {
                    return Err(UnsoundKind::Range { min: *min, max: *max });
                }
                Ok(())
            }
            Self::Choice(words) => {
                let good = |word: &String| {
                    word.len() <= 64 && is_word(word, |c| c.is_ascii_alphanumeric() || "._-".contains(c))
                };
                listed(words, "choices", good)
            }
            Self::Service(patterns) => listed(patterns, "patterns", |pattern| {
                is_word(pattern, |c| is_unit_char(c) || c == '*') && pattern.len() <= MAX_TEXT
            }),
            Self::Process(patterns) => listed(patterns, "patterns", |pattern| {
                is_word(pattern, |c| is_process_char(c) || c == '*') && pattern.len() <= MAX_PROCESS
            }),
            Self::Interface | Self::MountPoint => Ok(()),
        }
    }

    /// Whether each value of this kind is also one of `wider`: a manifest may narrow what an action takes, never widen it.
    pub fn is_within(&self, wider: &Self) -> bool {
        match (self, wider) {
            (Self::Integer { min, max, unit }, Self::Integer { min: least, max: most, unit: of }) => {
                unit == of && min >= least && max <= most
            }
            (Self::Choice(words), Self::Choice(all)) => words.iter().all(|word| all.contains(word)),
            (Self::Service(narrow), Self::Service(wide)) | (Self::Process(narrow), Self::Process(wide)) => {
                // A pattern of all is wide; apart from that, only what is written there word for word.
                narrow.iter().all(|pattern| {
                    wide.contains(pattern) || (!pattern.contains('*') && fits(wide, pattern).is_ok())
                }) || wide.iter().any(|pattern| pattern == "*")
            }
            (Self::Interface, Self::Interface) | (Self::MountPoint, Self::MountPoint) => true,
            _ => false,
        }
    }
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { min, max, unit } => write!(f, "{min} to {max} {}", unit.name()),
            Self::Choice(words) => f.write_str(&words.join(", ")),
            Self::Service(patterns) => write!(f, "a service: {}", patterns.join(", ")),
            Self::Process(patterns) => write!(f, "a process: {}", patterns.join(", ")),
            Self::Interface => f.write_str("a network interface"),
            Self::MountPoint => f.write_str("a mount point"),
        }
    }
}

fn form(good: bool, wanted: &'static str) -> Result<(), ValueMisfit> {
    if good { Ok(()) } else { Err(ValueMisfit::Form(wanted)) }
}

fn fits(patterns: &[String], text: &str) -> Result<(), ValueMisfit> {
    if patterns.iter().any(|pattern| matches(pattern, text)) {
        Ok(())
    } else {
        Err(ValueMisfit::Pattern(patterns.join(", ")))
    }
}

fn listed(words: &[String], what: &'static str, good: impl Fn(&String) -> bool) -> Result<(), UnsoundKind> {
    if words.is_empty() || words.len() > MAX_CHOICES {
        return Err(UnsoundKind::Count { what });
    }
    match words.iter().find(|word| !good(word)) {
        Some(bad) => Err(UnsoundKind::Word(bad.clone())),
        None => Ok(()),
    }
}

/// Not empty, no `-` at its beginning, only these characters.
fn is_word(text: &str, good: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && !text.starts_with('-') && text.chars().all(good)
}

fn is_unit_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || ":_.@-".contains(c)
}

fn is_process_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-".contains(c)
}

fn is_service(text: &str) -> bool {
    let stem = text.strip_suffix(".service").unwrap_or_default();
    text.len() <= MAX_TEXT && is_word(stem, is_unit_char) && !stem.starts_with('.')
}

fn is_process(text: &str) -> bool {
    text.len() <= MAX_PROCESS && is_word(text, is_process_char) && text != "." && text != ".."
}

fn is_interface(text: &str) -> bool {
    text.len() <= MAX_INTERFACE
        && is_word(text, |c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !matches!(text, "." | ".." | "lo")
}

fn is_path(text: &str) -> bool {
    let Some(below) = text.strip_prefix('/') else { return false };
    let good = |part: &str| {
        !matches!(part, "." | "..") && is_word(part, |c| c.is_ascii_alphanumeric() || "._+@-".contains(c))
    };
    text.len() <= MAX_TEXT && (below.is_empty() || below.split('/').all(good))
}

/// Whether a text fits a pattern in which `*` stands for anything. Time is at most the product of both lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}
