//! A report as it may be shown and kept: secrets taken out, names replaced on request, compared with an older
//! one, in its three forms. For the client's `diagnose` and the agent's `doctor`, which differ only in who
//! collects and where the files go.
//!
//! Lives here: the order of these steps, so that neither program can leave one out. Must not live here: files,
//! and where a key comes from.

use serde::Serialize;

use super::compare::{Comparison, compare};
use super::model::Report;
use super::pseudonymise::{Identifiers, pseudonymise};
use super::{html, markdown, redact};

/// Replaces names by tokens.
#[derive(Clone, Copy)]
pub struct Pseudonyms<'a> {
    /// The key of the tokens; never leaves the machine.
    pub key: &'a [u8; 32],
    /// Names that are known beside those that the report itself tells.
    pub known: &'a Identifiers,
}

/// A report ready to be shown, and what changed since an older one.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Edition {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// What changed; absent where there was nothing to compare with.
    #[serde(rename = "comparison", skip_serializing_if = "Option::is_none")]
    pub since: Option<Comparison>,
}

impl Edition {
    /// Makes a report fit to be shown. The older one goes through the same: its names would be told by what
    /// changed.
    pub fn new(mut report: Report, mut old: Option<Report>, pseudonyms: Option<Pseudonyms<'_>>) -> Self {
        for report in old.iter_mut().chain([&mut report]) {
            redact::redact(report);
        }
        if let Some(Pseudonyms { key, known }) = pseudonyms {
            // What either of them calls a name is one in both.
            let mut all = known.clone();
            for report in old.iter().chain([&report]) {
                all.extend(Identifiers::told_by(report));
            }
            for report in old.iter_mut().chain([&mut report]) {
                pseudonymise(report, key, &all);
            }
        }
        let since = old.map(|old| compare(&old, &report));
        Self { report, since }
    }

    /// Its three forms under their file names: a page that needs nothing else, JSON for programs, Markdown for
    /// tickets.
    ///
    /// # Errors
    /// What keeps it from being put in JSON.
    pub fn files(&self) -> Result<[(&'static str, Vec<u8>); 3], serde_json::Error> {
        let since = self.since.as_ref();
        Ok([
            ("report.html", html::page(&self.report, since).into_bytes()),
            ("report.json", serde_json::to_vec_pretty(self)?),
            ("report.md", markdown::document(&self.report, since).into_bytes()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{parse, sample};

    #[test]
    fn the_forms_are_readable_again_and_tell_what_changed() {
        let edition = Edition::new(sample::full(), Some(sample::older()), None);
        let [(_, html), (name, json), (_, markdown)] = edition.files().unwrap();
        assert_eq!(name, "report.json");
        assert_eq!(parse::parse(&json).unwrap(), sample::full());
        assert!(String::from_utf8(json).unwrap().contains("\"new_problems\""));
        let (html, markdown) = (String::from_utf8(html).unwrap(), String::from_utf8(markdown).unwrap());
        assert!(html.contains("New problems") && markdown.contains("New problems"));
        let alone = Edition::new(sample::full(), None, None).files().unwrap();
        assert!(!String::from_utf8(alone[1].1.clone()).unwrap().contains("\"comparison\""));
    }

    #[test]
    fn secrets_and_names_of_the_older_report_do_not_return_in_what_changed() {
        let mut old = sample::older();
        old.findings[0].title = "password=hunter22 of bert".into();
        old.findings[0].evidence[0].value = "mounted for user=bert from 10.9.8.7".into();
        let key = [7; 32];
        let pseudonyms = Pseudonyms { key: &key, known: &Identifiers::default() };
        let edition = Edition::new(sample::full(), Some(old), Some(pseudonyms));
        for (name, bytes) in edition.files().unwrap() {
            let text = String::from_utf8(bytes).unwrap();
            for gone in ["hunter22", "bert", "10.9.8.7", "anna", "WCC6Y3"] {
                assert!(!text.contains(gone), "{gone} in {name}");
            }
        }
    }
}
