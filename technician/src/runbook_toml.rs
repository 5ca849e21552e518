//! Runbooks as an organisation writes them: TOML to a manifest, mistakes with their line. Pure.

use core::fmt;
use core::ops::Range;

use nearhand_proto::runbook::{
    ArgumentSource, MAX_FILE, Manifest, MistakePlace, ParameterKind, ParameterUnit, ParameterValue,
    RiskClass, RunbookAction, RunbookParameter, RunbookStep,
};
use serde::Deserialize;
use toml::Spanned;

/// What is wrong with a file, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunbookTomlMistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl fmt::Display for RunbookTomlMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What is wrong with a parameter or a step.
#[derive(Debug, thiserror::Error)]
enum PartError {
    #[error("a parameter of kind {kind} needs {what}")]
    Missing { kind: String, what: &'static str },
    #[error("{key} means nothing to a parameter of kind {kind}")]
    Meaningless { key: &'static str, kind: String },
    #[error("unit: {}", ParameterUnit::ALL.map(ParameterUnit::name).join(", "))]
    Unit,
    #[error("there is no kind {0:?}: integer, choice, service, process, interface or mount-point")]
    Kind(String),
    #[error("there is no act {0:?}: {known}", known = RunbookAction::ALL.map(RunbookAction::name).join(", "))]
    Act(String),
    #[error("{0} is neither a whole number nor a text")]
    Value(toml::Value),
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunbookToml {
    name: Spanned<String>,
    version: Spanned<u32>,
    title: Spanned<String>,
    about: Spanned<String>,
    class: Spanned<u8>,
    timeout: Spanned<u32>,
    #[serde(default)]
    parameter: Vec<Spanned<ParameterToml>>,
    #[serde(default)]
    step: Vec<Spanned<StepToml>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterToml {
    name: String,
    #[serde(default)]
    about: String,
    kind: String,
    min: Option<i64>,
    max: Option<i64>,
    unit: Option<String>,
    choices: Option<Vec<String>>,
    patterns: Option<Vec<String>>,
    default: Option<toml::Value>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    from_alarm: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepToml {
    act: String,
    #[serde(default)]
    set: toml::Table,
}

/// Reads a file's text.
///
/// # Errors
/// All mistakes that were found, by line.
pub fn read(text: &str) -> Result<Manifest, Vec<RunbookTomlMistake>> {
    let at = |line, what: String| vec![RunbookTomlMistake { line, what }];
    if text.len() > MAX_FILE {
        return Err(at(1, "the file is larger than 32 KiB".to_owned()));
    }
    let written: RunbookToml = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, &span));
        at(line, error.message().to_owned())
    })?;
    let lines = LineNumbers {
        fields: [
            ("name", line_of(text, &written.name.span())),
            ("version", line_of(text, &written.version.span())),
            ("title", line_of(text, &written.title.span())),
            ("about", line_of(text, &written.about.span())),
            ("class", line_of(text, &written.class.span())),
            ("timeout", line_of(text, &written.timeout.span())),
        ],
        parameters: written.parameter.iter().map(|one| line_of(text, &one.span())).collect(),
        steps: written.step.iter().map(|one| line_of(text, &one.span())).collect(),
    };
    let mut mistakes = Vec::new();
    let manifest = written.into_manifest(&lines, &mut mistakes);
    if mistakes.is_empty() {
        let found = manifest.check();
        mistakes = found
            .into_iter()
            .map(|mistake| RunbookTomlMistake { line: lines.of(mistake.place), what: mistake.to_string() })
            .collect();
    }
    if mistakes.is_empty() {
        return Ok(manifest);
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    Err(mistakes)
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

struct LineNumbers {
    fields: [(&'static str, usize); 6],
    parameters: Vec<usize>,
    steps: Vec<usize>,
}

impl LineNumbers {
    fn of(&self, place: MistakePlace) -> usize {
        let found = match place {
            MistakePlace::Field(name) => {
                self.fields.iter().find(|(field, _)| *field == name).map(|(_, line)| *line)
            }
            MistakePlace::Parameter(at) => self.parameters.get(at).copied(),
            MistakePlace::Step(at) => self.steps.get(at).copied(),
        };
        found.unwrap_or(1)
    }
}

impl RunbookToml {
    fn into_manifest(self, lines: &LineNumbers, mistakes: &mut Vec<RunbookTomlMistake>) -> Manifest {
        let mut add = |place, what| mistakes.push(RunbookTomlMistake { line: lines.of(place), what });
        let class = RiskClass::of_number(*self.class.get_ref()).unwrap_or_else(|| {
            add(MistakePlace::Field("class"), "class: 0, 1, 2 or 3".to_owned());
            RiskClass::Destructive
        });
        let mut parameters = Vec::new();
        for (at, one) in self.parameter.into_iter().enumerate() {
            match one.into_inner().into_parameter() {
                Ok(parameter) => parameters.push(parameter),
                Err(error) => add(MistakePlace::Parameter(at), error.to_string()),
            }
        }
        let mut steps = Vec::new();
        for (at, one) in self.step.into_iter().enumerate() {
            match one.into_inner().into_step() {
                Ok(step) => steps.push(step),
                Err(error) => add(MistakePlace::Step(at), error.to_string()),
            }
        }
        Manifest {
            name: self.name.into_inner(),
            version: self.version.into_inner(),
            title: self.title.into_inner(),
            about: self.about.into_inner(),
            class,
            timeout: self.timeout.into_inner(),
            parameters,
            steps,
        }
    }
}

impl ParameterToml {
    fn into_parameter(self) -> Result<RunbookParameter, PartError> {
        let kind = self.kind()?;
        let default = self.default.as_ref().map(value_of).transpose()?;
        let Self { name, about, optional, from_alarm, .. } = self;
        Ok(RunbookParameter { name, about, kind, default, optional, from_alarm })
    }

    fn kind(&self) -> Result<ParameterKind, PartError> {
        let needs = |what| PartError::Missing { kind: self.kind.clone(), what };
        let given = [
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("unit", self.unit.is_some()),
            ("choices", self.choices.is_some()),
            ("patterns", self.patterns.is_some()),
        ];
        let only = |takes: &[&str]| match given.iter().find(|(name, is)| *is && !takes.contains(name)) {
            Some((key, _)) => Err(PartError::Meaningless { key, kind: self.kind.clone() }),
            None => Ok(()),
        };
        let patterns = || self.patterns.clone().ok_or_else(|| needs("patterns = [\"…\"]"));
        match self.kind.as_str() {
            "integer" => {
                only(&["min", "max", "unit"])?;
                let unit = self.unit.as_deref().unwrap_or("count");
                let known = ParameterUnit::ALL.into_iter().find(|known| known.name() == unit);
                Ok(ParameterKind::Integer {
                    min: self.min.ok_or_else(|| needs("min"))?,
                    max: self.max.ok_or_else(|| needs("max"))?,
                    unit: known.ok_or(PartError::Unit)?,
                })
            }
            "choice" => {
                only(&["choices"])?;
                Ok(ParameterKind::Choice(self.choices.clone().ok_or_else(|| needs("choices = [\"…\"]"))?))
            }
            "service" => only(&["patterns"]).and_then(|()| patterns().map(ParameterKind::Service)),
            "process" => only(&["patterns"]).and_then(|()| patterns().map(ParameterKind::Process)),
            "interface" => only(&[]).map(|()| ParameterKind::Interface),
            "mount-point" => only(&[]).map(|()| ParameterKind::MountPoint),
            other => Err(PartError::Kind(other.to_owned())),
        }
    }
}

impl StepToml {
    fn into_step(self) -> Result<RunbookStep, PartError> {
        let act = RunbookAction::of_name(&self.act).ok_or_else(|| PartError::Act(self.act.clone()))?;
        let source = |value: &toml::Value| match value.as_str().and_then(|text| text.strip_prefix('$')) {
            Some(name) => Ok(ArgumentSource::Parameter(name.to_owned())),
            None => value_of(value).map(ArgumentSource::Fixed),
        };
        let set = self.set.iter().map(|(name, value)| Ok((name.clone(), source(value)?)));
        Ok(RunbookStep { act, set: set.collect::<Result<_, PartError>>()? })
    }
}

fn value_of(value: &toml::Value) -> Result<ParameterValue, PartError> {
    match value {
        toml::Value::Integer(number) => Ok(ParameterValue::Integer(*number)),
        toml::Value::String(text) => Ok(ParameterValue::Text(text.clone())),
        other => Err(PartError::Value(other.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"name = "tidy-web"
version = 2
title = "Tidy the web server"
about = "Makes room and starts the web server again if it has failed."
class = 1
timeout = 300

[[parameter]]
name = "service"
kind = "service"
patterns = ["web-*.service"]
from_alarm = true

[[parameter]]
name = "days"
kind = "integer"
min = 24
max = 240
unit = "hours"
default = 48

[[step]]
act = "clear-caches"
set = { older-than = "$days", at-most = 500 }

[[step]]
act = "restart-service"
set = { service = "$service" }
"#;

    #[test]
    fn a_file_becomes_a_manifest_and_its_parameters_are_bound() {
        let manifest = read(GOOD).unwrap();
        assert_eq!((manifest.version, manifest.steps.len(), manifest.class), (2, 2, RiskClass::Reversible));
        let said = [("service".to_owned(), ParameterValue::Text("web-1.service".into()))];
        let bound = manifest.bind(&said).unwrap();
        assert_eq!(bound[0].1["older-than"], ParameterValue::Integer(48));
        assert_eq!(bound[1].1["service"], ParameterValue::Text("web-1.service".into()));
        let other = [("service".to_owned(), ParameterValue::Text("sshd.service".into()))];
        assert!(manifest.bind(&other).unwrap_err().to_string().contains("fits none of"));
    }

    proptest::proptest! {
        /// Every text is read, or has a mistake within the file.
        #[test]
        fn damaged_files_are_told_and_nothing_panics(at in 0_usize..700, put in "[\\PC\n]{0,12}", cut in 0_usize..40) {
            let mut text: Vec<char> = GOOD.chars().collect();
            let at = at.min(text.len());
            let until = (at + cut).min(text.len());
            text.splice(at..until, put.chars());
            let text: String = text.into_iter().collect();
            match read(&text) {
                Ok(manifest) => proptest::prop_assert!(manifest.check().is_empty()),
                Err(mistakes) => proptest::prop_assert!(
                    !mistakes.is_empty() && mistakes.iter().all(|m| (1..=text.lines().count() + 1).contains(&m.line))
                ),
            }
        }
    }

    #[test]
    fn mistakes_are_told_by_line() {
        for (from, to, line, says) in [
            ("name = \"tidy-web\"", "name = \"Tidy\"", 1, "lower-case"),
            ("version = 2", "version = 0", 2, "from 1 on"),
            ("version = 2", "version = \"2\"", 2, "invalid type"),
            ("class = 1", "class = 0", 5, "its steps can do more"),
            ("class = 1", "class = 4", 5, "0, 1, 2 or 3"),
            ("timeout = 300", "timeout = 300\nshell = \"rm\"", 7, "unknown field `shell`"),
            ("kind = \"service\"", "kind = \"command\"", 8, "no kind"),
            ("max = 240", "max = 24000", 22, "takes more than the act"),
            ("default = 48", "default = 12", 14, "from 24 to 240"),
            ("act = \"clear-caches\"", "act = \"run\"", 22, "no act"),
            ("at-most = 500", "path = \"/\"", 22, "takes older-than, at-most, on"),
            ("set = { service = \"$service\" }", "set = { service = \"-H\" }", 26, "name of a service"),
            ("set = { service = \"$service\" }", "", 26, "needs service"),
            ("$days", "$hours", 22, "no parameter \"hours\""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let mistakes = read(&GOOD.replace(from, to)).unwrap_err();
            let first = &mistakes[0];
            assert!(first.line == line && first.what.contains(says), "{to}: {mistakes:?}");
        }
    }
}
