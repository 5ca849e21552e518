//! What a rule finds: a secret's place in a text, and what stands there afterwards.

use regex::Captures;

/// What stands in a secret's place.
pub const REDACTED: &str = "[redacted]";

/// A part of a text and what replaces it.
pub(super) struct SecretMatch {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) with: &'static str,
}

impl SecretMatch {
    /// Replaces `from..to` with [`REDACTED`].
    pub(super) fn secret(from: usize, to: usize) -> Self {
        Self { from, to, with: REDACTED }
    }
}

/// Says which part of a match is a secret, if it is one. Takes the whole text, since a value reaches beyond
/// what the expression matched.
pub(super) type SecretCheck = fn(&str, &Captures<'_>) -> Option<SecretMatch>;
