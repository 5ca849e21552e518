//! A session that has ended: what was done, to read and to save.

use std::fmt::Write as _;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{AgentNotice, SessionRecord};

use super::activity::ActivityLine;
use super::input::SaveOutcome;
use super::shown_session::ShownSession;
use super::{messages, phrases};
use crate::catalog::{Arg, Catalog};

/// A session that has ended.
#[derive(Clone, Debug)]
pub(crate) struct SessionReview {
    live: ShownSession,
    /// Why it ended, where this window was told.
    why: Option<AgentNotice>,
    /// The agent's record, once it has arrived.
    record: Option<SessionRecord>,
    pub(crate) saved: Option<SaveOutcome>,
    pub(crate) rated: bool,
    pub(crate) reported: bool,
}

impl SessionReview {
    pub(crate) const fn new(live: ShownSession, why: Option<AgentNotice>) -> Self {
        Self { live, why, record: None, saved: None, rated: false, reported: false }
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.live.session.session
    }

    pub(crate) fn set_record(&mut self, record: SessionRecord) {
        self.record = Some(record);
    }

    /// Who, from when to when.
    pub(crate) fn summary(&self, catalog: &Catalog, offset: time::UtcOffset) -> String {
        let session = &self.live.session;
        let ended = self.record.as_ref().and_then(|record| record.ended.as_ref()).map(|end| end.at);
        catalog.with(
            "after-summary",
            &[
                ("technician", Arg::Text(&phrases::quoted_name(&session.technician))),
                ("organisation", Arg::Text(&phrases::quoted_name(&session.organisation))),
                ("from", Arg::Text(&phrases::left_to_right(&phrases::date_and_time(session.began, offset)))),
                (
                    "to",
                    Arg::Text(&ended.map_or_else(|| "…".to_owned(), |at| phrases::time_of_day(at, offset))),
                ),
            ],
        )
    }

    /// Why it ended; empty where that isn't known.
    pub(crate) fn why(&self, catalog: &Catalog) -> String {
        let recorded = self.record.as_ref().and_then(|record| record.ended.as_ref()).map(|end| &end.why);
        let Some(why) = self.why.as_ref().or(recorded) else { return String::new() };
        let why = messages::text(catalog, why);
        catalog.with("after-why", &[("why", Arg::Text(&why))])
    }

    /// What was done, the oldest first.
    pub(crate) fn activity(&self, catalog: &Catalog, offset: time::UtcOffset) -> Vec<ActivityLine> {
        match &self.record {
            Some(record) => {
                record.activity.iter().map(|entry| ActivityLine::new(catalog, offset, entry)).collect()
            }
            None => self.live.lines(catalog, offset).collect(),
        }
    }

    /// The text of the file in which the person saves it.
    pub(crate) fn text(&self, catalog: &Catalog, offset: time::UtcOffset, device: &str) -> String {
        let mut text = format!("{}\n\n", catalog.text("record-title"));
        let device = phrases::agent_text(device);
        let _ = writeln!(text, "{}", catalog.with("record-device", &[("device", Arg::Text(&device))]));
        let _ = writeln!(text, "{}\n{}\n", self.summary(catalog, offset), self.why(catalog));
        for line in self.activity(catalog, offset) {
            let _ = writeln!(text, "{}  {}", line.time, line.text);
        }
        text
    }
}
