//! Replaces what names a person, a machine or a place in the network by stable tokens (`host-3fa91c`), so that
//! a report can be shown to strangers and still be compared with the next one.
//!
//! Lives here: the tokens and the pass over a text; which addresses are recognised by their form is in
//! [`forms`], which names a report tells by itself in [`names_in_text`]. Must not live here: asking the machine for
//! names (the caller gives [`Identifiers`]) and taking out secrets (see [`super::redact`], which goes first).
//!
//! A token is the first 24 bits of HMAC-SHA256 under the caller's key over the kind and the value in its
//! canonical form. The same key gives the same token, in every report; without the key a token cannot be
//! tested against guesses, which matters because there are few addresses and names to guess. The key therefore
//! never travels with the report.

mod forms;
mod identifier;
mod names_in_text;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::HashMap;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use self::identifier::{COMMON, DIGITS, is_ordinary, is_token, is_word, lower, named, token_len};
pub use self::identifier::{IdentifierKind, Identifiers};
use super::model::Report;
use super::visit::{TextRole, texts};

/// Most rounds until a text no longer changes; two settle all that was ever seen.
const ROUNDS: usize = 4;

/// The names that a report tells by itself: its subject, values whose label says that they are a name, a
/// serial number or a network, and names in texts whose form is known (`session opened for user anna`).
pub fn names_told_by(report: &Report) -> Identifiers {
    names_in_text::by(report)
}

/// Replaces identifiers by tokens under one key.
pub struct Pseudonymiser {
    mac: Hmac<Sha256>,
    /// Known names in lower case by their first character, the longest first.
    names: HashMap<char, Vec<(String, IdentifierKind)>>,
    /// Known names that are ordinary words, in lower case: they count where they are all of a value.
    whole: HashMap<String, IdentifierKind>,
}

/// Replaces the identifiers in every text of the report and marks it as pseudonymised. Doing it again with the
/// same key changes nothing more.
pub fn pseudonymise(report: &mut Report, key: &[u8; 32], identifiers: &Identifiers) {
    let mut all = identifiers.clone();
    // Also for a report that says it is pseudonymised already: tokens are never replaced again.
    all.extend(names_told_by(report));
    Pseudonymiser::new(key, &all).report(report);
}

impl Pseudonymiser {
    /// Prepares for the given names.
    pub fn new(key: &[u8; 32], identifiers: &Identifiers) -> Self {
        let mut this = Self { mac: keyed(key), names: HashMap::new(), whole: HashMap::new() };
        let mut known = BTreeMap::new();
        // Later kinds win where one name has two meanings: a host called like its user is a host.
        for (kind, names) in [
            (IdentifierKind::Ssid, &identifiers.ssids),
            (IdentifierKind::User, &identifiers.users),
            (IdentifierKind::Serial, &identifiers.serials),
            (IdentifierKind::Device, &identifiers.devices),
            (IdentifierKind::Host, &identifiers.hostnames),
        ] {
            for name in names {
                let name = lower(name.trim());
                if kind == IdentifierKind::Host
                    && let Some((label, _)) = name.split_once('.')
                {
                    known.insert(label.to_owned(), kind);
                }
                known.insert(name, kind);
            }
        }
        for (name, kind) in known {
            let Some(first) = name.chars().next() else { continue };
            if !is_ordinary(&name) {
                this.names.entry(first).or_default().push((name, kind));
            } else if !COMMON.contains(&name.as_str()) {
                this.whole.insert(name, kind);
            }
        }
        for names in this.names.values_mut() {
            names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        }
        this
    }

    /// The token of a value. Values that differ only in case have the same.
    pub fn token(&self, kind: IdentifierKind, value: &str) -> String {
        if is_token(value) {
            return value.to_owned();
        }
        let mut mac = self.mac.clone();
        mac.update(kind.prefix().as_bytes());
        mac.update(&[0]);
        mac.update(lower(value.trim()).as_bytes());
        let digest = HEXLOWER.encode(&mac.finalize().into_bytes());
        format!("{}-{}", kind.prefix(), digest.get(..DIGITS).unwrap_or(&digest))
    }

    /// Replaces every identifier in a text.
    pub fn text(&self, text: &str) -> String {
        let mut current = self.replaced(text, true);
        // A name that became a token can leave an address standing free that ran into it before.
        for _ in 0..ROUNDS {
            let next = self.replaced(&current, true);
            if next == current {
                break;
            }
            current = next;
        }
        current
    }

    fn replaced(&self, text: &str, addresses: bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let step = if let Some(len) = token_len(rest).filter(|_| !before.is_some_and(is_word)) {
                out.push_str(rest.get(..len).unwrap_or_default());
                len
            } else if let Some((len, token)) = self.identifier_at(text, at, addresses) {
                out.push_str(&token);
                len
            } else {
                let Some(c) = rest.chars().next() else { break };
                out.push(c);
                c.len_utf8()
            };
            at += step;
        }
        out
    }

    /// What starts here with the token for it, the longer of the two: `anna` is the beginning of her e-mail
    /// address.
    fn identifier_at(&self, text: &str, at: usize, addresses: bool) -> Option<(usize, String)> {
        let before = text.get(..at)?.chars().next_back();
        let name = self.name_at(text.get(at..)?, before);
        let form = addresses.then(|| forms::at(text, at)).flatten();
        match (name, form) {
            (Some(name), Some(form)) if form.len > name.0 => Some(self.form_token(text, at, &form)),
            (Some(name), _) => Some(name),
            (None, form) => form.map(|form| self.form_token(text, at, &form)),
        }
    }

    fn form_token(&self, text: &str, at: usize, found: &forms::FoundIdentifier) -> (usize, String) {
        let raw = text.get(at..at + found.len).unwrap_or_default();
        (found.len, self.token(found.kind, found.canonical.as_deref().unwrap_or(raw)))
    }

    /// The known name that starts here as a whole word.
    fn name_at(&self, rest: &str, before: Option<char>) -> Option<(usize, String)> {
        let first = rest.chars().next()?;
        let names = self.names.get(&first.to_lowercase().next()?)?;
        names.iter().find_map(|(name, kind)| {
            let len = prefix_len(rest, name)?;
            let after = rest.get(len..).and_then(|after| after.chars().next());
            let starts = !is_word(first) || !before.is_some_and(is_word);
            let ends = !name.ends_with(is_word) || !after.is_some_and(is_word);
            (starts && ends).then(|| (len, self.token(*kind, name)))
        })
    }

    /// Replaces the identifiers in every text of the report and marks it.
    pub fn report(&self, report: &mut Report) {
        let entire = |kind, value: &mut String| {
            if !value.is_empty() {
                *value = self.token(kind, value);
            }
        };
        texts(report, &mut |role, value| match role {
            TextRole::Id => {}
            TextRole::Device => entire(IdentifierKind::Device, value),
            TextRole::Hostname => entire(IdentifierKind::Host, value),
            TextRole::Value { label } if named(label, "serial") => entire(IdentifierKind::Serial, value),
            TextRole::Value { label } if named(label, "ssid") => entire(IdentifierKind::Ssid, value),
            // Versions such as 1.2.3.4 look like addresses.
            TextRole::SoftwareName | TextRole::SoftwareVersion => *value = self.replaced(value, false),
            TextRole::Value { .. } => match self.whole.get(&lower(value.trim())) {
                Some(kind) => *value = self.token(*kind, value),
                None => *value = self.text(value),
            },
            TextRole::Line | TextRole::Label | TextRole::Prose => *value = self.text(value),
        });
        report.pseudonymised = true;
        report.sort_and_count();
    }
}

#[allow(
    clippy::expect_used,
    reason = "HMAC takes a key of any length; the error type is there for other MACs"
)]
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes any key")
}

/// Length of the beginning of `text` that is `name` (given in lower case) in any case.
fn prefix_len(text: &str, name: &str) -> Option<usize> {
    let mut wanted = name.chars();
    let mut ahead = wanted.next();
    for (at, c) in text.char_indices() {
        if ahead.is_none() {
            return Some(at);
        }
        for c in c.to_lowercase() {
            if ahead != Some(c) {
                return None;
            }
            ahead = wanted.next();
        }
    }
    ahead.is_none().then_some(text.len())
}
