//! How far a secret reaches, and whether a value is one at all. Must not live here: which words announce a
//! secret (see [`super::rules`]).

use super::secret::REDACTED;

/// Values that say something about a secret without being one.
const HARMLESS: &[&str] = &[
    "",
    "yes",
    "no",
    "true",
    "false",
    "on",
    "off",
    "enabled",
    "disabled",
    "none",
    "null",
    "nil",
    "undefined",
    "expired",
    "missing",
    "required",
    "optional",
    "set",
    "unset",
    "not",
    "never",
    "empty",
    "ok",
    "invalid",
    "valid",
    "unknown",
    "unchanged",
    "changed",
    "locked",
    "unlocked",
    "supported",
    "unsupported",
    "present",
    "absent",
    "n/a",
    "denied",
    "allowed",
    "session",
    "auth",
    "account",
    "chauthtok",
    "must",
    "too",
    "prompt",
    "bearer",
    "basic",
    "hidden",
    "-",
    "(none)",
    "(hidden)",
    "*",
    "x",
    "!",
    "!!",
];

/// `true` when the value is a state (`expired`), a mask (`****`) or already redacted.
pub(super) fn is_harmless(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'', '`', '.', ',', ';']);
    let lower = value.to_ascii_lowercase();
    HARMLESS.contains(&lower.as_str())
        || value.chars().all(|c| matches!(c, '*' | '•' | '●' | 'x' | 'X' | '.' | '\u{2026}'))
        || (lower.starts_with('$') && lower.len() < 64 && is_reference(&lower))
}

/// `$NAME`, `${NAME}`, `$(command`: says where the secret is, not what it is.
fn is_reference(value: &str) -> bool {
    value.starts_with("${")
        || value.starts_with("$(")
        || value.chars().skip(1).all(|c| c.is_alphanumeric() || c == '_')
}

/// `true` for Debian and semantic versions: digits with dots, perhaps an epoch before and a revision after.
pub(super) fn is_version(value: &str) -> bool {
    let value = value.trim_start_matches('v');
    let number = value.split_once(':').map_or(value, |(_, rest)| rest);
    let digits = number.chars().take_while(char::is_ascii_digit).count();
    digits > 0
        && number.chars().nth(digits) == Some('.')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || ".+~:-".contains(c))
}

/// `true` for a word that nobody would write for its meaning: digits among letters, or capitals inside.
pub(super) fn looks_made_up(word: &str) -> bool {
    let digit = word.chars().any(|c| c.is_ascii_digit());
    let letter = word.chars().any(char::is_alphabetic);
    let symbol = word.chars().any(|c| "!@#$%^&*+=~?".contains(c));
    let inner_capital = word.chars().skip(1).any(char::is_uppercase) && word.chars().any(char::is_lowercase);
    letter && (digit || symbol || inner_capital)
}

/// `true` for key material: at least 24 characters of hexadecimal or base64 without any pattern.
pub(super) fn is_key_material(word: &str) -> bool {
    let len = word.chars().count();
    let hex = word.chars().all(|c| c.is_ascii_hexdigit());
    let path = word.starts_with(['/', '~', '.']) || (word.contains('/') && word.contains('-'));
    let digits = word.chars().filter(char::is_ascii_digit).count();
    len >= 24 && !path && digits >= 2 && entropy(word) > if hex { 2.6 } else { 3.3 }
}

/// Shannon entropy in bits a character.
fn entropy(word: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::<char, f64>::new();
    for c in word.chars() {
        *counts.entry(c).or_default() += 1.0;
    }
    let total: f64 = counts.values().sum();
    counts.values().map(|count| -(count / total) * (count / total).log2()).sum()
}

/// The secret at the start of `rest`: `start..end` in bytes, without quotes. A quoted one reaches to its
/// closing quote, another one to white space or to the next pair of a list (`;user=`, `&x=`).
pub(super) fn value(rest: &str) -> (usize, usize) {
    for quote in ["\\\"", "\\'", "\"", "'", "`"] {
        if let Some(inner) = rest.strip_prefix(quote) {
            return (quote.len(), quote.len() + quoted_len(inner, quote));
        }
    }
    (0, bare_len(rest))
}

/// Length up to the closing quote that is not escaped; an open one reaches to the end of the line.
fn quoted_len(inner: &str, quote: &str) -> usize {
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        let here = inner.get(at..).unwrap_or_default();
        if !escaped && here.starts_with(quote) {
            return at;
        }
        if c == '\n' {
            return at;
        }
        escaped = !escaped && c == '\\';
    }
    inner.len()
}

fn bare_len(rest: &str) -> usize {
    let end = rest.char_indices().find(|(at, c)| {
        let after = rest.get(at + c.len_utf8()..).unwrap_or_default();
        match c {
            ';' | '&' | ',' => starts_pair(after),
            '"' | '\'' | '`' => closes(after),
            '<' => after.starts_with('/'),
            c => c.is_whitespace(),
        }
    });
    let bare = rest.get(..end.map_or(rest.len(), |(at, _)| at)).unwrap_or(rest);
    // Redacted before: the closing quote or bracket after it stays.
    if let Some(tail) = bare.strip_prefix(REDACTED)
        && tail.chars().all(|c| !c.is_alphanumeric())
    {
        return REDACTED.len();
    }
    let closers: &[char] = if bare.contains('[') {
        &[')', '}', '>', '.', ':', ',', ';']
    } else {
        &[')', ']', '}', '>', '.', ':', ',', ';']
    };
    bare.trim_end_matches(closers).len()
}

/// `true` when the text after a separator is the end, white space, a quote or another `name=`.
fn starts_pair(after: &str) -> bool {
    let mut chars = after.chars();
    match chars.next() {
        None | Some('"' | '\'' | '{' | '}') => return true,
        Some(c) if c.is_whitespace() => return true,
        Some(c) if !(c.is_alphanumeric() || c == '_') => return false,
        Some(_) => {}
    }
    let end = chars.take(64).find(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')));
    matches!(end, Some('=' | ':'))
}

/// `true` when a quote before this text ends a quotation.
fn closes(after: &str) -> bool {
    after.chars().next().is_none_or(|c| c.is_whitespace() || ",;:)}]>.&".contains(c))
}
