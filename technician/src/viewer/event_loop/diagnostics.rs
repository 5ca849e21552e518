//! Diagnostics that the page asked for: run in a task, shown as they come, kept as a report.

use nearhand_proto::message::session::CheckSet;
use nearhand_proto::text;
use nearhand_report::model::{FindingStatus, Report};
use nearhand_report::shareable::ShareableReport;

use super::super::page_messages::{PageFinding, ToPage};
use super::super::session_link::SessionLink;
use super::state::{DiagnosticsNews, ViewerLoop};
use crate::session::DiagnosticsProgress;

/// Most findings that the page gets while checks run, and with the report.
const MOST_FINDINGS: usize = 200;

impl<L: SessionLink> ViewerLoop<L> {
    pub(super) async fn diagnose(&mut self, set: CheckSet) {
        while self.diagnostics_tasks.try_join_next().is_some() {}
        if !self.diagnostics_tasks.is_empty() {
            return self.tell(ToPage::Notice { text: "Checks are running already.".to_owned() }).await;
        }
        self.checks_done = 0;
        self.diagnostics_shown = vec![ToPage::Running { total: 0, done: 0, checking: String::new() }];
        self.tell(ToPage::Running { total: 0, done: 0, checking: String::new() }).await;
        let (link, to) = (self.link.clone(), self.diagnostics_news.clone());
        self.diagnostics_tasks.spawn(async move {
            // Progress may be dropped when the queue is full: the report holds all findings.
            let report =
                link.diagnose(set, |progress| drop(to.try_send(DiagnosticsNews::Progress(progress)))).await;
            let _ = to.send(DiagnosticsNews::Over(Box::new(report))).await;
        });
    }

    pub(super) async fn handle_diagnostics(&mut self, run: DiagnosticsNews) {
        match run {
            DiagnosticsNews::Progress(progress) => self.show_progress(progress).await,
            DiagnosticsNews::Over(outcome) => {
                let told = match *outcome {
                    Ok(report) => self.keep_report(report),
                    Err(error) => ToPage::NoReport { why: text::chain(&error) },
                };
                self.diagnostics_shown = vec![told.clone()];
                self.tell(told).await;
            }
        }
    }

    pub(super) async fn show_progress(&mut self, progress: DiagnosticsProgress) {
        let Some(ToPage::Running { total, checking, .. }) = self.diagnostics_shown.first().cloned() else {
            return;
        };
        let (total, checking) = match progress {
            DiagnosticsProgress::Started(total) => (total, checking),
            DiagnosticsProgress::Checking(id) => (total, id),
            DiagnosticsProgress::Again => {
                self.checks_done = 0;
                self.diagnostics_shown.truncate(1);
                (0, "the connection was lost; the run starts again".to_owned())
            }
            DiagnosticsProgress::Finding(finding) => {
                self.checks_done = self.checks_done.saturating_add(1);
                let bad = matches!(finding.status, FindingStatus::Fail | FindingStatus::Warn);
                if bad && self.diagnostics_shown.len() < MOST_FINDINGS {
                    let told = ToPage::Finding { finding: PageFinding::from(&*finding) };
                    self.diagnostics_shown.push(told.clone());
                    self.tell(told).await;
                }
                (total, checking)
            }
        };
        let running = ToPage::Running { total, done: self.checks_done, checking };
        if let Some(first) = self.diagnostics_shown.first_mut() {
            *first = running.clone();
        }
        self.tell(running).await;
    }

    pub(super) fn keep_report(&mut self, report: Report) -> ToPage {
        // The device redacts secrets; `Edition` does it again, because a hostile device may not have.
        let edition = ShareableReport::new(report, None, None);
        let file = match (self.settings.keep)(&edition) {
            Ok(file) => file,
            Err(failure) => return ToPage::NoReport { why: failure.message().to_owned() },
        };
        let html = edition
            .files()
            .ok()
            .and_then(|files| files.into_iter().find(|(name, _)| name.ends_with(".html")));
        let path = self.server.keep_report(html.map(|(_, bytes)| bytes).unwrap_or_default());
        let mut findings: Vec<_> = edition.report.findings.iter().collect();
        findings.sort_by_key(|finding| finding.status);
        let findings = findings.into_iter().take(MOST_FINDINGS).map(PageFinding::from).collect();
        ToPage::Report { path, counts: edition.report.counts, findings, file }
    }
}
