//! A session that is over: what was done, to read and to keep.

use std::fmt::Write as _;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Deed, Record, Said};

use super::live_session::Live;
use super::{messages, phrases};
use crate::catalog::{Arg, Catalog};

/// A session that is over.
#[derive(Clone, Debug)]
pub(crate) struct After {
    live: Live,
    why: Option<Said>,
    record: Option<Record>,
    /// The file's name, or why there is none.
    pub(crate) saved: Option<Result<String, String>>,
    pub(crate) rated: bool,
    pub(crate) reported: bool,
}

impl After {
    pub(crate) const fn new(live: Live, why: Option<Said>) -> Self {
        Self { live, why, record: None, saved: None, rated: false, reported: false }
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.live.session.session
    }

    pub(crate) fn record(&mut self, record: Record) {
        self.record = Some(record);
    }

    /// Who, from when to when.
    pub(crate) fn summary(&self, catalog: &Catalog, offset: time::UtcOffset) -> String {
        let session = &self.live.session;
        let ended = self.record.as_ref().and_then(|record| record.ended.as_ref()).map(|end| end.at);
        catalog.with(
            "after-summary",
            &[
                ("technician", Arg::Text(&phrases::name(&session.technician))),
                ("organisation", Arg::Text(&phrases::name(&session.organisation))),
                ("from", Arg::Text(&phrases::in_order(&phrases::day(session.began, offset)))),
                ("to", Arg::Text(&ended.map_or_else(|| "…".to_owned(), |at| phrases::clock(at, offset)))),
            ],
        )
    }

    /// Why it ended; empty where that isn't known.
    pub(crate) fn why(&self, catalog: &Catalog) -> String {
        let recorded = self.record.as_ref().and_then(|record| record.ended.as_ref()).map(|end| &end.why);
        let Some(why) = self.why.as_ref().or(recorded) else { return String::new() };
        let why = messages::said(catalog, why);
        catalog.with("after-why", &[("why", Arg::Text(&why))])
    }

    /// What was done: time and sentence of each.
    pub(crate) fn deeds(&self, catalog: &Catalog, offset: time::UtcOffset) -> Vec<(String, String)> {
        let line = |deed: &Deed| sentence(catalog, offset, deed);
        match &self.record {
            Some(record) => record.deeds.iter().map(line).collect(),
            None => self.live.done.iter().map(line).collect(),
        }
    }

    /// All of it, to keep as a file.
    pub(crate) fn text(&self, catalog: &Catalog, offset: time::UtcOffset, device: &str) -> String {
        let mut text = format!("{}\n\n", catalog.text("record-title"));
        let device = phrases::agents(device);
        let _ = writeln!(text, "{}", catalog.with("record-device", &[("device", Arg::Text(&device))]));
        let _ = writeln!(text, "{}\n{}\n", self.summary(catalog, offset), self.why(catalog));
        for (at, what) in self.deeds(catalog, offset) {
            let _ = writeln!(text, "{at}  {what}");
        }
        text
    }
}

/// Something that was done: its time and what it was.
pub(crate) fn sentence(catalog: &Catalog, offset: time::UtcOffset, deed: &Deed) -> (String, String) {
    (phrases::clock(deed.at, offset), phrases::act(catalog, &deed.act))
}
