//! The device owner's policy: what technicians of the organisation may do when nobody is there to be asked.
//!
//! A pure reading of `policy.toml` and a pure decision. The file belongs to the machine's owner; neither the
//! relay nor the organisation can change it, and without it nothing is allowed unattended.
//!
//! ```toml
//! [[allow]]
//! technicians = ["Ada Lovelace"]      # names or ids as the organisation signed them, or "*" for all of its
//! capabilities = ["diagnostics"]
//! for = "1h"                          # at most 12h; s, m, h
//! even_if_attended = false            # true: also without asking while somebody is at the device
//! ```
//!
//! `[runbooks]` says which repairs may run here at all: see [`crate::gate::RunbookRules`].
//!
//! A policy can't choose a window. One that allows `window` names applications (`windows = ["Ledger"]`), of which the
//! uppermost window is shown.

use std::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability, MAX_DURATION};
use nearhand_proto::id::TechnicianId;
use serde::Deserialize;

use crate::gate::RunbookRules;

/// Largest policy file read, in bytes.
pub const MAX_FILE: u64 = 64 * 1024;

/// The whole policy.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerPolicy {
    #[serde(default)]
    allow: Vec<PolicyRule>,
    /// Which runbooks may run.
    #[serde(default)]
    pub runbooks: RunbookRules,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "PolicyRuleText")]
struct PolicyRule {
    technicians: Vec<String>,
    capabilities: Capabilities,
    duration: Duration,
    even_if_attended: bool,
    windows: Vec<String>,
}

/// A rule as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyRuleText {
    technicians: Vec<String>,
    #[serde(deserialize_with = "capabilities")]
    capabilities: Capabilities,
    #[serde(rename = "for", deserialize_with = "duration")]
    duration: Duration,
    #[serde(default)]
    even_if_attended: bool,
    #[serde(default)]
    windows: Vec<String>,
}

impl TryFrom<PolicyRuleText> for PolicyRule {
    type Error = &'static str;

    fn try_from(rule: PolicyRuleText) -> Result<Self, Self::Error> {
        match (rule.capabilities.contains(Capability::Window), rule.windows.is_empty()) {
            (true, true) => {
                return Err(
                    "a rule with window must say which: windows = [\"Ledger\"], names of applications",
                );
            }
            (false, false) => return Err("windows = … means nothing in a rule without window"),
            _ => {}
        }
        let PolicyRuleText { technicians, capabilities, duration, even_if_attended, windows } = rule;
        Ok(Self { technicians, capabilities, duration, even_if_attended, windows })
    }
}

/// The file is no policy; nothing is allowed until it is mended.
#[derive(Debug, thiserror::Error)]
#[error("the policy can't be read: {0}")]
pub struct PolicyError(#[from] toml::de::Error);

/// What a policy decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyGrant {
    /// What of the request it allows.
    pub capabilities: Capabilities,
    /// For how long.
    pub duration: Duration,
    /// Of which applications the uppermost window may be seen; empty without [`Capability::Window`].
    pub windows: Vec<String>,
}

impl OwnerPolicy {
    /// Reads a policy file's text.
    ///
    /// # Errors
    /// [`PolicyError`], with the line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(toml::from_str(text)?)
    }

    /// Number of rules.
    pub fn rule_count(&self) -> usize {
        self.allow.len()
    }

    /// The rules in words, one a line.
    pub fn explain(&self) -> impl Iterator<Item = String> {
        self.allow.iter().map(|rule| {
            let when = if rule.even_if_attended { "without asking" } else { "when nobody is at the device" };
            let who = rule.technicians.join(", ");
            let of = match rule.windows.as_slice() {
                [] => String::new(),
                windows => format!(" (of {})", windows.join(", ")),
            };
            format!("{who}: {}{of}, {} s at a time, {when}", rule.capabilities, rule.duration.as_secs())
        })
    }

    /// What of `wanted` this technician is allowed without a person's consent; `attended` says that somebody
    /// could be asked. Rules add up; the shortest time of those used counts.
    pub fn decide(
        &self,
        id: TechnicianId,
        name: &str,
        wanted: Capabilities,
        attended: bool,
    ) -> Option<PolicyGrant> {
        let id = id.to_string();
        let mut allowed: Option<PolicyGrant> = None;
        for rule in &self.allow {
            let fits = rule.technicians.iter().any(|who| who == "*" || who == name || *who == id);
            let what = rule.capabilities.intersection(wanted);
            if !fits || what.is_empty() || (attended && !rule.even_if_attended) {
                continue;
            }
            let now = allowed.get_or_insert_with(|| PolicyGrant {
                capabilities: Capabilities::NONE,
                duration: rule.duration,
                windows: Vec::new(),
            });
            now.capabilities = what.iter().fold(now.capabilities, Capabilities::with);
            now.duration = now.duration.min(rule.duration);
            if what.contains(Capability::Window) {
                now.windows.extend_from_slice(&rule.windows);
            }
        }
        allowed
    }
}

/// A duration as people write it: `90s`, `15m`, `1h`; at most [`MAX_DURATION`].
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    nearhand_proto::duration::parse(text, MAX_DURATION).map_err(|error| error.to_string())
}

fn duration<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(d)?).map_err(serde::de::Error::custom)
}

fn capabilities<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Capabilities, D::Error> {
    Vec::<String>::deserialize(d)?
        .iter()
        .map(|name| name.parse::<Capability>())
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: TechnicianId = TechnicianId::from_bytes([1; 16]);

    fn wanted() -> Capabilities {
        [Capability::View, Capability::Diagnostics].into_iter().collect()
    }

    fn policy() -> OwnerPolicy {
        OwnerPolicy::parse(
            r#"
            [[allow]]
            technicians = ["Ada"]
            capabilities = ["diagnostics", "reboot"]
            for = "1h"
            [[allow]]
            technicians = ["*"]
            capabilities = ["view"]
            for = "5m"
            even_if_attended = true
            "#,
        )
        .unwrap()
    }

    #[test]
    fn rules_allow_what_they_name_to_whom_they_name() {
        let allowed = policy().decide(ADA, "Ada", wanted(), false).unwrap();
        assert_eq!((allowed.capabilities, allowed.duration), (wanted(), Duration::from_secs(300)));
        let other = policy().decide(ADA, "Bob", wanted(), false).unwrap();
        assert_eq!(other.capabilities, Capabilities::NONE.with(Capability::View));
        let attended = policy().decide(ADA, "Ada", wanted(), true).unwrap();
        assert_eq!(attended.capabilities, Capabilities::NONE.with(Capability::View));
        assert_eq!(OwnerPolicy::default().decide(ADA, "Ada", wanted(), false), None);
        let by_id = format!("[[allow]]\ntechnicians=[\"{ADA}\"]\ncapabilities=[\"view\"]\nfor=\"5m\"");
        assert!(OwnerPolicy::parse(&by_id).unwrap().decide(ADA, "x", wanted(), false).is_some());
    }

    #[test]
    fn a_window_is_allowed_by_its_application_only() {
        let text = r#"
            [[allow]]
            technicians = ["Ada"]
            capabilities = ["window"]
            windows = ["Ledger"]
            for = "5m"
            "#;
        let policy = OwnerPolicy::parse(text).unwrap();
        let wanted: Capabilities = [Capability::View, Capability::Window].into_iter().collect();
        let allowed = policy.decide(ADA, "Ada", wanted, false).unwrap();
        assert_eq!(allowed.capabilities, Capability::Window.into(), "a window is not the screen");
        assert_eq!(allowed.windows, ["Ledger"]);
        let all =
            OwnerPolicy::parse(&text.replace("\"window\"", "\"view\"").replace("windows = [\"Ledger\"]", ""));
        let allowed = all.unwrap().decide(ADA, "Ada", wanted, false).unwrap();
        assert_eq!(allowed.capabilities, Capability::View.into(), "the screen is not a window");
        assert!(allowed.windows.is_empty());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, says) in [
            ("[[allow]]\ntechnician = [\"*\"]", "unknown field `technician`"),
            ("[[allow]]\ntechnicians=[\"*\"]\ncapabilities=[\"veiw\"]\nfor=\"1h\"", "no such capability"),
            ("[[allow]]\ntechnicians=[\"*\"]\ncapabilities=[\"view\"]\nfor=\"1 day\"", "not a duration"),
            ("[[allow]]\ntechnicians=[\"*\"]\ncapabilities=[\"view\"]\nfor=\"13h\"", "out of range"),
            ("deny = 1", "unknown field"),
            ("[[allow]]\ntechnicians=[\"*\"]\ncapabilities=[\"window\"]\nfor=\"1h\"", "must say which"),
            (
                "[[allow]]\ntechnicians=[\"*\"]\ncapabilities=[\"view\"]\nfor=\"1h\"\nwindows=[\"x\"]",
                "means nothing",
            ),
        ] {
            let error = OwnerPolicy::parse(text).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("line"), "{error}");
        }
    }
}
