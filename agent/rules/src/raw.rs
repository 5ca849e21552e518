//! A rules file as it is written: every value with its place, nothing judged yet.

use core::ops::Range;

use serde::Deserialize;
use toml::Spanned;

/// A value and the line it stands in; line 0 is the profile's, which comes with the program.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

/// Names of all keys of a rule are here once: the file's form, the form with lines, and how one goes over another.
macro_rules! rule_keys {
    ($($key:ident $name:literal: $kind:ty,)*) => {
        #[derive(Deserialize, Default)]
        #[serde(deny_unknown_fields)]
        struct TomlRule { $(#[serde(rename = $name)] $key: Option<Spanned<$kind>>,)* }

        /// A rule with the line of each value.
        #[derive(Clone, PartialEq, Debug, Default)]
        pub(crate) struct RawRule {
            /// Where the rule begins.
            pub(crate) line: usize,
            $(pub(crate) $key: Option<Located<$kind>>,)*
        }

        impl RawRule {
            fn of(rule: TomlRule, line: usize, lines: &LineIndex) -> Self {
                Self { line, $($key: rule.$key.map(|v| lines.at(v)),)* }
            }

            /// What `self` says, and where it says nothing, what `under` says.
            pub(crate) fn over(self, under: &Self) -> Self {
                Self { line: self.line, $($key: self.$key.or_else(|| under.$key.clone()),)* }
            }
        }
    };
}

rule_keys! {
    name "name": String,
    off "off": bool,
    kind "kind": String,
    title "title": String,
    sensor "sensor": String,
    instances "instances": Vec<String>,
    window "window": String,
    aggregate "aggregate": String,
    hold "for": String,
    keep "keep": String,
    every "every": String,
    severity "severity": String,
    raise "raise": String,
    clear "clear": String,
    also "also": String,
    info "info": RawLevel,
    warning "warning": RawLevel,
    error "error": RawLevel,
    critical "critical": RawLevel,
    limit "limit": String,
    direction "direction": String,
    file "file": String,
    journal "journal": bool,
    unit "unit": String,
    pattern "match": String,
    summary "summary": String,
    runbook "runbook": String,
    article "article": String,
}

/// One severity of a ladder.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLevel {
    pub(crate) raise: Option<String>,
    pub(crate) clear: Option<String>,
    pub(crate) also: Option<String>,
    #[serde(default)]
    pub(crate) off: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TomlRulesFile {
    profile: Option<Spanned<String>>,
    #[serde(default)]
    watch: TomlWatch,
    #[serde(default)]
    rule: Vec<Spanned<TomlRule>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TomlWatch {
    #[serde(default)]
    certificates: Vec<Spanned<String>>,
    #[serde(default)]
    backups: Vec<Spanned<String>>,
    #[serde(default)]
    gateway: bool,
    #[serde(default)]
    dns: bool,
    diagnose: Option<bool>,
}

/// A whole file.
#[derive(Debug, Default)]
pub(crate) struct RawRulesFile {
    pub(crate) profile: Option<Located<String>>,
    pub(crate) certificates: Vec<Located<String>>,
    pub(crate) backups: Vec<Located<String>>,
    pub(crate) gateway: bool,
    pub(crate) dns: bool,
    pub(crate) diagnose: Option<bool>,
    pub(crate) rules: Vec<RawRule>,
}

/// Where lines begin; `None`: in a file that nobody sees.
struct LineIndex<'a>(Option<&'a str>);

impl LineIndex<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let Some(text) = self.0 else { return 0 };
        let before = text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn at<T>(&self, value: Spanned<T>) -> Located<T> {
        Located { line: self.line(&value.span()), value: value.into_inner() }
    }
}

impl RawRulesFile {
    /// Reads a file's text; else the line and what is wrong there.
    pub(crate) fn read(text: &str) -> Result<Self, (usize, String)> {
        Self::with_lines(text, &LineIndex(Some(text)))
    }

    /// Reads a file that comes with the program: its lines are 0.
    pub(crate) fn read_own(text: &str) -> Result<Self, (usize, String)> {
        Self::with_lines(text, &LineIndex(None))
    }

    fn with_lines(text: &str, lines: &LineIndex<'_>) -> Result<Self, (usize, String)> {
        let file: TomlRulesFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| lines.line(&span));
            (line, plain(error.message()))
        })?;
        let rule = |rule: Spanned<TomlRule>| {
            let line = lines.line(&rule.span());
            RawRule::of(rule.into_inner(), line, lines)
        };
        Ok(Self {
            profile: file.profile.map(|profile| lines.at(profile)),
            certificates: file.watch.certificates.into_iter().map(|path| lines.at(path)).collect(),
            backups: file.watch.backups.into_iter().map(|path| lines.at(path)).collect(),
            gateway: file.watch.gateway,
            dns: file.watch.dns,
            diagnose: file.watch.diagnose,
            rules: file.rule.into_iter().map(rule).collect(),
        })
    }
}

/// The parser's words with what to do.
fn plain(message: &str) -> String {
    let hint = if message.starts_with("unknown field") {
        ": remove it, or correct its spelling"
    } else if message.starts_with("invalid type") {
        ": values with a unit are written in quotes, for example \"90 %\" or \"15m\""
    } else {
        ""
    };
    format!("{}{hint}", message.trim().replace('\n', " "))
}
