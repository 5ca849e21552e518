//! Manifests: which acts in which order, with which of their parameters fixed and which left open.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::action::{ActionArgument, RunbookAction};
use super::class::{ContentHash, RiskClass};
use super::value::{MAX_TEXT, ParameterKind, ParameterValue, ParameterValues, ValueMisfit};
use crate::identity::Statement;
use crate::text;
use crate::wire::{self, at_most};

/// Longest name, in bytes.
pub const MAX_NAME: usize = 64;
/// Longest title, in characters.
pub const MAX_TITLE: usize = 120;
/// Longest description, in characters.
pub const MAX_ABOUT: usize = 1000;
/// Most parameters of one runbook.
pub const MAX_PARAMETERS: usize = 16;
/// Most steps of one runbook.
pub const MAX_STEPS: usize = 16;
/// Longest time of a whole run, in seconds.
pub const MAX_TIMEOUT: u32 = 3600;
/// Largest file that holds a signed manifest, in bytes.
pub const MAX_FILE: usize = 32 * 1024;

/// A runbook: named actions with their arguments, in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// What it is called by: lower-case letters, digits and `-`.
    pub name: String,
    /// Rises with every change.
    pub version: u32,
    /// What it is, in a few words.
    pub title: String,
    /// What it does, in plain words, for the person at the device.
    pub about: String,
    /// How much it can do at most.
    pub class: RiskClass,
    /// How long a whole run may take, in seconds.
    pub timeout: u32,
    /// What can be said about a run.
    #[serde(deserialize_with = "at_most::<_, _, MAX_PARAMETERS>")]
    pub parameters: Vec<RunbookParameter>,
    /// What is done, in this order.
    #[serde(deserialize_with = "at_most::<_, _, MAX_STEPS>")]
    pub steps: Vec<RunbookStep>,
}

impl Statement for Manifest {
    const CONTEXT: &'static str = "runbook";
}

/// Something that can be said about a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunbookParameter {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// What it means.
    pub about: String,
    /// What it may be.
    pub kind: ParameterKind,
    /// What it is unless something else is said; without one it must be said, unless it is `optional`.
    pub default: Option<ParameterValue>,
    /// It can be left out; then the act does without.
    pub optional: bool,
    /// A run that a rule has started takes what its alarm is about (a mount point, a unit).
    pub from_alarm: bool,
}

/// One act with its values.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunbookStep {
    /// What the step does.
    pub act: RunbookAction,
    /// The act's arguments that are not left at their defaults.
    #[serde(deserialize_with = "at_most::<_, _, MAX_PARAMETERS>")]
    pub set: Vec<(String, ArgumentSource)>,
}

/// Where an argument's value comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ArgumentSource {
    /// From the manifest.
    Fixed(ParameterValue),
    /// From the parameter of that name.
    Parameter(String),
}

/// Where in a manifest a mistake is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MistakePlace {
    /// In this field of the manifest itself.
    Field(&'static str),
    /// In the parameter of this place, counted from 0.
    Parameter(usize),
    /// In the step of this place, counted from 0.
    Step(usize),
}

/// What is wrong with a manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestMistake {
    /// Where in the manifest.
    pub place: MistakePlace,
    /// What is wrong, as a sentence for its author.
    pub what: String,
}

impl fmt::Display for ManifestMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            MistakePlace::Field(name) => write!(f, "{name}: {}", self.what),
            MistakePlace::Parameter(at) => write!(f, "parameter {}: {}", at + 1, self.what),
            MistakePlace::Step(at) => write!(f, "step {}: {}", at + 1, self.what),
        }
    }
}

/// Why the source of an argument doesn't fit.
#[derive(Debug, thiserror::Error)]
enum SourceMistake {
    /// The fixed value is not one that the action takes.
    #[error(transparent)]
    Misfit(#[from] ValueMisfit),
    /// The manifest has no such parameter.
    #[error("there is no parameter {0:?}")]
    NoParameter(String),
    /// The parameter takes values that the action doesn't.
    #[error("the parameter {parameter} takes more than the act: {kind}")]
    TooWide { parameter: String, kind: ParameterKind },
    /// The parameter can be left out, the argument can't.
    #[error("the parameter {0} can be left out, and the act needs it")]
    Optional(String),
}

/// Why the parameters of a run don't fit its runbook.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BindError {
    /// More than [`MAX_PARAMETERS`].
    #[error("at most {MAX_PARAMETERS} parameters are possible")]
    TooMany,
    /// The runbook has no such parameter.
    #[error("there is no parameter {0:?}")]
    Unknown(String),
    /// A parameter has two values.
    #[error("{0} was said twice")]
    Twice(String),
    /// A parameter has no value and no default.
    #[error("{name} must be said: {kind}")]
    Missing {
        /// Name of the parameter.
        name: String,
        /// The values that it takes.
        kind: ParameterKind,
    },
    /// A value of the wrong type, or out of bounds.
    #[error("{name}: {misfit}")]
    Misfit {
        /// Name of the parameter.
        name: String,
        /// What is wrong with its value.
        misfit: ValueMisfit,
    },
}

/// Whether a text can be the name of a runbook or of a parameter.
pub fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=MAX_NAME).contains(&text.len()) && !text.starts_with('-') && text.chars().all(good)
}

impl Manifest {
    /// What orders for it name it by.
    pub fn hash(&self) -> ContentHash {
        // What can't be encoded is over every limit, and `check` refuses it.
        let bytes = wire::encode(self).unwrap_or_default();
        Sha256::new().chain_update(b"nearhand runbook 1").chain_update(bytes).finalize().into()
    }

    /// All that is wrong with it; empty for a sound one.
    pub fn check(&self) -> Vec<ManifestMistake> {
        let mut mistakes = MistakeList::default();
        self.check_fields(&mut mistakes);
        for (at, parameter) in self.parameters.iter().enumerate() {
            let twice = self.parameters.iter().take(at).any(|other| other.name == parameter.name);
            check_parameter(parameter, twice, at, &mut mistakes);
        }
        for (at, step) in self.steps.iter().enumerate() {
            self.check_step(step, at, &mut mistakes);
        }
        let most = self.most();
        if mistakes.0.is_empty() && most > self.class {
            let what = format!("its steps can do more: it is of class {most}");
            mistakes.add(MistakePlace::Field("class"), what);
        }
        mistakes.0
    }

    fn check_fields(&self, mistakes: &mut MistakeList) {
        if !is_name(&self.name) {
            mistakes
                .add(MistakePlace::Field("name"), "1 to 64 lower-case letters, digits and -, the first no -");
        }
        if self.version == 0 {
            mistakes.add(MistakePlace::Field("version"), "from 1 on, one more with every change");
        }
        for (name, text, most) in [("title", &self.title, MAX_TITLE), ("about", &self.about, MAX_ABOUT)] {
            if text.trim().is_empty() || *text != text::one_line(text, most) {
                mistakes
                    .add(MistakePlace::Field(name), format!("one line of 1 to {most} printable characters"));
            }
        }
        if !(1..=MAX_TIMEOUT).contains(&self.timeout) {
            mistakes.add(MistakePlace::Field("timeout"), format!("from 1 to {MAX_TIMEOUT} seconds"));
        }
        if self.parameters.len() > MAX_PARAMETERS {
            mistakes.add(MistakePlace::Field("parameter"), format!("at most {MAX_PARAMETERS} are possible"));
        }
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            mistakes.add(MistakePlace::Field("step"), format!("1 to {MAX_STEPS} are possible"));
        }
    }

    fn check_step(&self, step: &RunbookStep, at: usize, mistakes: &mut MistakeList) {
        let place = MistakePlace::Step(at);
        let arguments = step.act.arguments();
        for (i, (name, source)) in step.set.iter().enumerate() {
            let Some(argument) = arguments.iter().find(|argument| argument.name == name) else {
                let names: Vec<_> = arguments.iter().map(|argument| argument.name).collect();
                let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
                mistakes.add(place, format!("{} takes {names}, not {name:?}", step.act.name()));
                continue;
            };
            if step.set.iter().take(i).any(|(other, _)| other == name) {
                mistakes.add(place, format!("{name} is there twice"));
            }
            if let Err(what) = self.check_source(argument, source) {
                mistakes.add(place, format!("{name}: {what}"));
            }
        }
        for argument in arguments.iter().filter(|a| a.default.is_none() && !a.optional) {
            if !step.set.iter().any(|(name, _)| name == argument.name) {
                mistakes
                    .add(place, format!("{} needs {}: {}", step.act.name(), argument.name, argument.kind));
            }
        }
    }

    fn check_source(&self, argument: &ActionArgument, source: &ArgumentSource) -> Result<(), SourceMistake> {
        match source {
            ArgumentSource::Fixed(value) => Ok(argument.kind.check(value)?),
            ArgumentSource::Parameter(name) => {
                let parameter = self.parameters.iter().find(|parameter| parameter.name == *name);
                let parameter = parameter.ok_or_else(|| SourceMistake::NoParameter(name.clone()))?;
                if !parameter.kind.is_within(&argument.kind) {
                    return Err(SourceMistake::TooWide {
                        parameter: name.clone(),
                        kind: argument.kind.clone(),
                    });
                }
                if parameter.optional && !argument.optional && argument.default.is_none() {
                    return Err(SourceMistake::Optional(name.clone()));
                }
                Ok(())
            }
        }
    }

    /// The highest risk class that its steps can have, with any values for its parameters.
    fn most(&self) -> RiskClass {
        let worst = |step: &RunbookStep| {
            let fixed: ParameterValues = step
                .act
                .arguments()
                .into_iter()
                .filter_map(|argument| {
                    let set = step.set.iter().find(|(name, _)| name == argument.name);
                    let value = match set {
                        None => argument.default,
                        Some((_, ArgumentSource::Fixed(value))) => Some(value.clone()),
                        Some((_, ArgumentSource::Parameter(name))) => self.only_choice(name),
                    };
                    Some((argument.name.to_owned(), value?))
                })
                .collect();
            // What isn't fixed is taken for its worst.
            step.act.class(&fixed)
        };
        self.steps.iter().map(worst).max().unwrap_or(RiskClass::Reads)
    }

    /// The value of a parameter that has only one.
    fn only_choice(&self, name: &str) -> Option<ParameterValue> {
        match &self.parameters.iter().find(|parameter| parameter.name == name)?.kind {
            ParameterKind::Choice(words) if words.len() == 1 => {
                words.first().cloned().map(ParameterValue::Text)
            }
            _ => None,
        }
    }

    /// How much a run with these values can do. One that is declared to be more than its steps can do stays that.
    pub fn class_of(&self, bound: &[(RunbookAction, ParameterValues)]) -> RiskClass {
        if self.class > self.most() {
            return self.class;
        }
        bound.iter().map(|(act, values)| act.class(values)).max().unwrap_or(RiskClass::Reads)
    }

    /// What each step is done with, for what was said about a run.
    ///
    /// # Errors
    /// [`BindError`]: an unknown parameter, one that is missing or there twice, a wrong type or value.
    pub fn bind(
        &self,
        said: &[(String, ParameterValue)],
    ) -> Result<Vec<(RunbookAction, ParameterValues)>, BindError> {
        if said.len() > MAX_PARAMETERS {
            return Err(BindError::TooMany);
        }
        let mut given = ParameterValues::new();
        for (name, value) in said {
            let shown = text::one_line(name, MAX_NAME);
            let parameter = self.parameters.iter().find(|parameter| parameter.name == *name);
            let parameter = parameter.ok_or_else(|| BindError::Unknown(shown.clone()))?;
            parameter
                .kind
                .check(value)
                .map_err(|misfit| BindError::Misfit { name: shown.clone(), misfit })?;
            if given.insert(name.clone(), value.clone()).is_some() {
                return Err(BindError::Twice(shown));
            }
        }
        for parameter in &self.parameters {
            match (&parameter.default, given.contains_key(&parameter.name)) {
                (_, true) => {}
                (Some(default), false) => {
                    given.insert(parameter.name.clone(), default.clone());
                }
                (None, false) if parameter.optional => {}
                (None, false) => {
                    let (name, kind) = (parameter.name.clone(), parameter.kind.clone());
                    return Err(BindError::Missing { name, kind });
                }
            }
        }
        self.steps.iter().map(|step| Ok((step.act, bind_step(step, &given)?))).collect()
    }
}

fn bind_step(step: &RunbookStep, given: &ParameterValues) -> Result<ParameterValues, BindError> {
    let mut values = ParameterValues::new();
    for argument in step.act.arguments() {
        let set = step.set.iter().find(|(name, _)| name == argument.name).map(|(_, source)| source);
        let value = match set {
            Some(ArgumentSource::Fixed(value)) => Some(value.clone()),
            Some(ArgumentSource::Parameter(name)) => given.get(name).cloned().or(argument.default),
            None => argument.default,
        };
        match value {
            Some(value) => {
                // Once more, against what the act itself takes: the manifest may come from anywhere.
                let misfit = |misfit| BindError::Misfit { name: argument.name.to_owned(), misfit };
                argument.kind.check(&value).map_err(misfit)?;
                values.insert(argument.name.to_owned(), value);
            }
            None if argument.optional => {}
            None => return Err(BindError::Missing { name: argument.name.to_owned(), kind: argument.kind }),
        }
    }
    Ok(values)
}

fn check_parameter(parameter: &RunbookParameter, twice: bool, at: usize, mistakes: &mut MistakeList) {
    let place = MistakePlace::Parameter(at);
    if !is_name(&parameter.name) {
        mistakes.add(place, "its name: 1 to 64 lower-case letters, digits and -, the first no -");
    }
    if twice {
        mistakes.add(place, format!("{} is there twice", parameter.name));
    }
    if parameter.about != text::one_line(&parameter.about, MAX_TEXT) {
        mistakes.add(place, format!("about: one line of at most {MAX_TEXT} printable characters"));
    }
    if let Err(what) = parameter.kind.is_sound() {
        mistakes.add(place, what.to_string());
    } else if let Some(Err(misfit)) = parameter.default.as_ref().map(|value| parameter.kind.check(value)) {
        mistakes.add(place, format!("default: {misfit}"));
    }
}

#[derive(Default)]
struct MistakeList(Vec<ManifestMistake>);

impl MistakeList {
    fn add(&mut self, place: MistakePlace, what: impl Into<String>) {
        self.0.push(ManifestMistake { place, what: what.into() });
    }
}
