//! Takes secrets out of free text: passwords, tokens, keys, cookies, credentials in addresses and command
//! lines, and Nearhand's own invitations.
//!
//! Lives here: what runs the rules over a text and over a whole report. The rules are in `rules`, how far a
//! secret reaches in [`reach`]. Must not live here: names and addresses, which are no secrets (see
//! [`super::pseudonymise`]).
//!
//! Secrets are recognised by the word before them and by their form; a secret with neither (a bare word in a
//! sentence) cannot be. So collectors still only read fields that they were allowed to, and this is the net.
//!
//! The `regex` crate rather than `regex-lite`, which is linear in the text as well: this one is far faster on logs, and
//! knows the letters of all languages.

mod reach;
mod rules;
mod secret;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use regex::Regex;

pub use self::secret::REDACTED;
use self::secret::SecretCheck;
use super::model::{Finding, Report};
use super::visit::{TextRole, finding_texts, texts};

struct RedactionRule {
    pattern: Regex,
    judge: SecretCheck,
}

/// `None` if an expression does not compile, which a test rules out; then everything is withheld.
type CompiledRules = Option<Arc<[RedactionRule]>>;

/// The rules once compiled; the outer `None` before their first use and after [`forget_rules`].
static RULES: Mutex<Option<CompiledRules>> = Mutex::new(None);

fn rules() -> CompiledRules {
    let mut kept = RULES.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get_or_insert_with(|| {
        let compiled = rules::RULES.iter().map(|(pattern, judge)| {
            Some(RedactionRule { pattern: Regex::new(pattern).ok()?, judge: *judge })
        });
        compiled.collect()
    })
    .clone()
}

/// Lets go of the compiled rules, several megabytes, in a program that lives on: the next use compiles them again,
/// which takes some ten milliseconds.
pub fn forget_rules() {
    *RULES.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Removes the secrets from every text of the report. Doing it twice changes nothing more.
pub fn redact(report: &mut Report) {
    texts(report, &mut clean);
}

/// Removes the secrets from every text of one finding, for a run that is shown while it goes on.
pub fn finding(finding: &mut Finding) {
    finding_texts(finding, &mut clean);
}

fn clean(role: TextRole<'_>, value: &mut String) {
    match role {
        // A version is never a secret, but looks like one next to a name such as `libsecret`.
        TextRole::SoftwareName | TextRole::SoftwareVersion => {}
        TextRole::Value { label } if rules::names_a_secret(label) && !reach::is_harmless(value) => {
            *value = REDACTED.to_owned();
        }
        _ => *value = text(value),
    }
}

/// Removes the secrets from one text. Doing it twice changes nothing more.
pub fn text(text: &str) -> String {
    let Some(rules) = rules() else { return REDACTED.to_owned() };
    let mut current = text.to_owned();
    // What one rule leaves can complete another rule's pattern; texts settle in the second round.
    for _ in 0..4 {
        let next = rules.iter().fold(current.clone(), |text, rule| apply(rule, &text).unwrap_or(text));
        if next == current {
            break;
        }
        current = next;
    }
    current
}

/// The text with every hit of the rule replaced, or `None` if there is none.
fn apply(rule: &RedactionRule, text: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    let mut search = 0;
    while let Some(captures) =
        (search <= text.len()).then(|| rule.pattern.captures_at(text, search)).flatten()
    {
        let whole = captures.get(0)?;
        match (rule.judge)(text, &captures) {
            Some(hit) if hit.from >= copied && hit.to >= whole.start() => {
                out.push_str(text.get(copied..hit.from)?);
                out.push_str(hit.with);
                copied = hit.to;
                search = hit.to.max(search);
            }
            _ => search = whole.end(),
        }
        if search <= whole.start() {
            // An empty match at the same place: step over one character.
            search = whole.start() + text.get(whole.start()..)?.chars().next().map_or(1, char::len_utf8);
        }
    }
    if copied == 0 && out.is_empty() {
        return None;
    }
    out.push_str(text.get(copied..)?);
    Some(out)
}
