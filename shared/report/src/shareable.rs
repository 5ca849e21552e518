//! A report as it may be shown and kept: secrets taken out, names replaced on request, compared with an older
//! one, in its three forms. For the client's `diagnose` and the agent's `doctor`, which differ only in who
//! collects and where the files go.
//!
//! Lives here: the order of these steps, so that neither program can leave one out. Must not live here: files,
//! and where a key comes from.

use serde::Serialize;

use super::compare::{Comparison, compare};
use super::model::Report;
use super::pseudonymise::{Identifiers, names_told_by, pseudonymise};
use super::screenshot::Screenshot;
use super::{html, markdown, redact};

/// Replaces names by tokens.
#[derive(Clone, Copy)]
pub struct PseudonymSettings<'a> {
    /// The key of the tokens; never leaves the machine.
    pub key: &'a [u8; 32],
    /// Names to replace in addition to those found in the report itself.
    pub known: &'a Identifiers,
}

/// A report ready to be shown, and what changed since an older one.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ShareableReport {
    /// The report, redacted and on request pseudonymised.
    #[serde(flatten)]
    pub report: Report,
    /// What changed; absent where there was nothing to compare with.
    #[serde(rename = "comparison", skip_serializing_if = "Option::is_none")]
    pub since: Option<Comparison>,
    /// The picture of the screen that was asked for with it, or why there is none; absent where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screenshot: Option<Screenshot>,
}

impl ShareableReport {
    /// Makes a report fit to be shown. The older one goes through the same: its names would be told by what
    /// changed.
    pub fn new(
        mut report: Report,
        mut old: Option<Report>,
        pseudonyms: Option<PseudonymSettings<'_>>,
    ) -> Self {
        for report in old.iter_mut().chain([&mut report]) {
            redact::redact(report);
        }
        if let Some(PseudonymSettings { key, known }) = pseudonyms {
            // What either of them calls a name is one in both.
            let mut all = known.clone();
            for report in old.iter().chain([&report]) {
                all.extend(names_told_by(report));
            }
            for report in old.iter_mut().chain([&mut report]) {
                pseudonymise(report, key, &all);
            }
        }
        let since = old.map(|old| compare(&old, &report));
        Self { report, since, screenshot: None }
    }

    /// With what became of the picture that was asked for. Names can't be taken out of a picture: a pseudonymised report
    /// goes without.
    #[must_use]
    pub fn with_screenshot(self, screenshot: Screenshot) -> Self {
        let screenshot = match screenshot {
            Screenshot::Taken(_) if self.report.pseudonymised => {
                Screenshot::missing("names in a picture can't be replaced, and this report is pseudonymised")
            }
            other => other,
        };
        Self { screenshot: Some(screenshot), ..self }
    }

    /// Its three forms under their file names: a page that needs nothing else, JSON for programs, Markdown for
    /// tickets.
    ///
    /// # Errors
    /// The JSON form could not be written, which only running out of memory explains.
    pub fn files(&self) -> Result<[(&'static str, Vec<u8>); 3], serde_json::Error> {
        let (since, screenshot) = (self.since.as_ref(), self.screenshot.as_ref());
        Ok([
            ("report.html", html::page(&self.report, since, screenshot).into_bytes()),
            ("report.json", serde_json::to_vec_pretty(self)?),
            ("report.md", markdown::document(&self.report, since, screenshot).into_bytes()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screenshot::{self, ScreenshotPng};
    use crate::{parse, sample};

    #[test]
    fn the_forms_are_readable_again_and_tell_what_changed() {
        let edition = ShareableReport::new(sample::full(), Some(sample::older()), None);
        let [(_, html), (name, json), (_, markdown)] = edition.files().unwrap();
        assert_eq!(name, "report.json");
        assert_eq!(parse::parse(&json).unwrap(), sample::full());
        assert!(String::from_utf8(json).unwrap().contains("\"new_problems\""));
        let (html, markdown) = (String::from_utf8(html).unwrap(), String::from_utf8(markdown).unwrap());
        assert!(html.contains("New problems") && markdown.contains("New problems"));
        let alone = ShareableReport::new(sample::full(), None, None).files().unwrap();
        assert!(!String::from_utf8(alone[1].1.clone()).unwrap().contains("\"comparison\""));
    }

    #[test]
    fn a_picture_is_in_the_page_and_next_to_the_others() {
        let png = screenshot::tests::png(1280, 800);
        let picture = ScreenshotPng::of(png.clone()).unwrap();
        let edition = ShareableReport::new(sample::full(), None, None);
        let edition = edition.with_screenshot(Screenshot::Taken(picture.clone()));
        let [html, json, markdown] = edition.files().unwrap().map(|(_, b)| String::from_utf8(b).unwrap());
        let inline = format!("src=\"data:image/png;base64,{}\"", data_encoding::BASE64.encode(&png));
        assert_eq!(html.matches("<img").count(), 1);
        assert!(html.contains(&inline) && html.contains("width=\"1280\" height=\"800\""));
        assert!(markdown.contains("screenshot.png") && markdown.contains(&picture.sha256()));
        assert!(json.contains(&picture.sha256()) && !json.contains("base64"));
        // An older program reads the report without it.
        assert_eq!(parse::parse(json.as_bytes()).unwrap(), sample::full());
    }

    #[test]
    fn a_picture_that_is_missing_is_told_with_the_reason() {
        let why = "the person <b>said</b> no";
        let edition =
            ShareableReport::new(sample::full(), None, None).with_screenshot(Screenshot::missing(why));
        let [html, json, markdown] = edition.files().unwrap().map(|(_, b)| String::from_utf8(b).unwrap());
        assert!(html.contains("the person &lt;b&gt;said&lt;/b&gt; no") && !html.contains("<img"));
        assert!(markdown.contains("No picture of the screen") && !markdown.contains("<b>"));
        assert!(json.contains(why));
    }

    #[test]
    fn a_pseudonymised_report_never_has_a_picture() {
        let (key, known) = ([7; 32], Identifiers::default());
        let pseudonyms = PseudonymSettings { key: &key, known: &known };
        let picture = ScreenshotPng::of(screenshot::tests::png(8, 8)).unwrap();
        let edition = ShareableReport::new(sample::full(), None, Some(pseudonyms));
        let edition = edition.with_screenshot(Screenshot::Taken(picture));
        assert!(
            matches!(&edition.screenshot, Some(Screenshot::Missing(why)) if why.contains("pseudonymised"))
        );
    }

    #[test]
    fn secrets_and_names_of_the_older_report_do_not_return_in_what_changed() {
        let mut old = sample::older();
        old.findings[0].title = "password=hunter22 of bert".into();
        old.findings[0].evidence[0].value = "mounted for user=bert from 10.9.8.7".into();
        let key = [7; 32];
        let pseudonyms = PseudonymSettings { key: &key, known: &Identifiers::default() };
        let edition = ShareableReport::new(sample::full(), Some(old), Some(pseudonyms));
        for (name, bytes) in edition.files().unwrap() {
            let text = String::from_utf8(bytes).unwrap();
            for gone in ["hunter22", "bert", "10.9.8.7", "anna", "WCC6Y3"] {
                assert!(!text.contains(gone), "{gone} in {name}");
            }
        }
    }
}
