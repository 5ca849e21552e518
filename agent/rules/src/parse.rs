//! From a rules file to rules: every mistake with its line and what to write instead.

mod limits;
mod mistake;
mod rules;

use nearhand_proto::alarm::DeviceProfile;

use crate::profile;
use crate::raw::{Located, RawRule, RawRulesFile};
use crate::rule::AlarmRule;
pub use mistake::RuleMistake;
use mistake::RuleMistakes;

/// Most rules of a set.
pub const MAX_RULES: usize = 200;
/// Largest rules file that is read, in bytes.
pub const MAX_FILE: usize = 256 * 1024;
/// Most watched files of each kind.
const MAX_WATCHED: usize = 64;

/// Rules and what they need to be watched.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleSet {
    /// What kind of machine it is.
    pub profile: DeviceProfile,
    /// The rules, by name.
    pub rules: Vec<AlarmRule>,
    /// Certificate files whose end is watched; absolute.
    pub certificates: Vec<String>,
    /// Files whose age is watched; absolute.
    pub backups: Vec<String>,
    /// Whether the gateway is asked for echoes.
    pub gateway: bool,
    /// Whether the name servers are asked.
    pub dns: bool,
    /// Whether an alarm has the machine diagnose itself.
    pub diagnose: bool,
    /// What is allowed and probably not meant.
    pub advice: Vec<RuleMistake>,
}

impl RuleSet {
    /// The rules of a profile and nothing else.
    pub fn of_profile(profile: DeviceProfile) -> Self {
        // A test holds that the profiles are right.
        Self::read("", profile).unwrap_or(Self {
            profile,
            rules: Vec::new(),
            certificates: Vec::new(),
            backups: Vec::new(),
            gateway: false,
            dns: false,
            diagnose: true,
            advice: Vec::new(),
        })
    }

    /// Reads a rules file; `otherwise` is the profile where the file names none.
    ///
    /// # Errors
    /// Every mistake that was found, by line.
    pub fn read(text: &str, otherwise: DeviceProfile) -> Result<Self, Vec<RuleMistake>> {
        let mut found = RuleMistakes::default();
        if text.len() > MAX_FILE {
            found.add(1, format!("the file is longer than {} KiB: write less", MAX_FILE / 1024));
            return Err(found.list);
        }
        let raw = match RawRulesFile::read(text) {
            Ok(raw) => raw,
            Err((line, what)) => {
                found.add(line, what);
                return Err(found.list);
            }
        };
        let (profile, with_defaults) = named_profile(raw.profile.as_ref(), otherwise, &mut found);
        let defaults = if with_defaults { defaults(profile, &mut found) } else { Vec::new() };
        let rules = merged(defaults, raw.rules, &mut found);
        let mut made: Vec<AlarmRule> =
            rules.iter().filter_map(|rule| rules::rule(rule, &mut found)).collect();
        if made.len() > MAX_RULES {
            found.add(1, format!("{} rules are too many: at most {MAX_RULES} are allowed", made.len()));
        }
        made.sort_by(|a, b| a.name.cmp(&b.name));
        let certificates = paths(raw.certificates, "certificates", &mut found);
        let backups = paths(raw.backups, "backups", &mut found);
        found.list.sort_by_key(|mistake| mistake.line);
        if !found.list.is_empty() {
            return Err(found.list);
        }
        Ok(Self {
            profile,
            rules: made,
            certificates,
            backups,
            gateway: raw.gateway,
            dns: raw.dns,
            diagnose: raw.diagnose.unwrap_or(true),
            advice: found.advice,
        })
    }
}

fn named_profile(
    name: Option<&Located<String>>,
    otherwise: DeviceProfile,
    found: &mut RuleMistakes,
) -> (DeviceProfile, bool) {
    let Some(name) = name else { return (otherwise, true) };
    match name.value.as_str() {
        "desktop" => (DeviceProfile::Desktop, true),
        "server" => (DeviceProfile::Server, true),
        "none" => (otherwise, false),
        other => {
            found.add(
                name.line,
                format!("there is no profile {other:?}: write \"desktop\", \"server\" or \"none\""),
            );
            (otherwise, true)
        }
    }
}

fn defaults(profile: DeviceProfile, found: &mut RuleMistakes) -> Vec<RawRule> {
    let mut rules = Vec::new();
    for text in profile::texts(profile) {
        match RawRulesFile::read_own(text) {
            Ok(raw) => rules.extend(raw.rules),
            Err((_, what)) => found.add(0, format!("the program's own rules: {what}")),
        }
    }
    rules
}

/// The file's rules over the profile's of the same name.
fn merged(mut rules: Vec<RawRule>, own: Vec<RawRule>, found: &mut RuleMistakes) -> Vec<RawRule> {
    let mut seen: Vec<(String, usize)> = Vec::new();
    for rule in own {
        let Some(name) = rule.name.clone() else {
            found.add(rule.line, "the rule has no name: add name = \"…\"".to_owned());
            continue;
        };
        if let Some((_, line)) = seen.iter().find(|(seen, _)| *seen == name.value) {
            found.add(
                name.line,
                format!("the rule {:?} is there already, in line {line}: write both in one", name.value),
            );
            continue;
        }
        seen.push((name.value.clone(), name.line));
        let same = |other: &&mut RawRule| other.name.as_ref().is_some_and(|n| n.value == name.value);
        match rules.iter_mut().find(same) {
            Some(under) => *under = rule.over(under),
            None => rules.push(rule),
        }
    }
    rules.retain(|rule| !rule.off.as_ref().is_some_and(|off| off.value));
    rules
}

fn paths(list: Vec<Located<String>>, what: &str, found: &mut RuleMistakes) -> Vec<String> {
    if let Some(many) = list.get(MAX_WATCHED) {
        found.add(many.line, format!("more than {MAX_WATCHED} {what}: watch fewer"));
    }
    for path in list.iter().filter(|path| !path.value.starts_with('/')) {
        found.add(path.line, format!("{:?} doesn't begin with /: write the whole path", path.value));
    }
    for path in list.iter().filter(|path| path.value.len() > nearhand_proto::alarm::MAX_INSTANCE) {
        found.add(path.line, "the path is longer than 128 bytes: watch a link to it".to_owned());
    }
    list.into_iter().take(MAX_WATCHED).map(|path| path.value).collect()
}
