//! What is wrong with a rules file.

use core::fmt;

/// A mistake, where it is, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleMistake {
    /// Line of the file, from 1; 0 in a rule that comes with the program.
    pub line: usize,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl fmt::Display for RuleMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct RuleMistakes {
    pub(crate) list: Vec<RuleMistake>,
    pub(crate) advice: Vec<RuleMistake>,
}

impl RuleMistakes {
    pub(crate) fn add(&mut self, line: usize, what: String) {
        self.list.push(RuleMistake { line, what });
    }

    pub(crate) fn advise(&mut self, line: usize, what: String) {
        self.advice.push(RuleMistake { line, what });
    }

    /// The value, or nothing once what is wrong with it is noted.
    pub(crate) fn keep<T>(&mut self, line: usize, key: &str, made: Result<T, String>) -> Option<T> {
        made.map_err(|what| self.add(line, format!("{key}: {what}"))).ok()
    }
}
