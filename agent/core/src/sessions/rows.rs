//! Rows on their way to the record, and what follows when they arrive, are lost, or wait for a silent disk.

use std::time::Instant;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{AgentNotice, LocalEvent};
use nearhand_proto::message::session::SessionRefusal;

use super::change::UnrecordedChangeId;
use super::effect::SessionEffect;
use super::record_health::{RecordProblem, row};
use super::state::Sessions;
use super::timestamp::Timestamp;
use crate::record::RecordError;

impl Sessions {
    /// Writes down what has happened; nothing waits for it.
    pub fn note(&mut self, actor: &str, action: &str, session: Option<SessionId>, detail: String) {
        self.push(SessionEffect::Note(row(actor, action, session, detail)));
    }

    /// The driver has handed a row to the record's writer ([`SessionEffect::Note`], [`SessionEffect::Record`]).
    pub fn row_handed_over(&mut self, now: Instant) {
        self.record.row_handed_over(now);
    }

    /// A row that nothing waited for is on the disk, or isn't.
    pub fn noted(&mut self, now: Timestamp, outcome: Result<(), RecordError>) {
        match outcome {
            Ok(()) => self.row_is_written(now),
            Err(error) => self.row_is_lost(&error),
        }
    }

    pub(super) fn row_is_written(&mut self, now: Timestamp) {
        self.record.rows.pop_front();
        if self.record.problem.take().is_some() {
            self.tell(None, LocalEvent::Notice(AgentNotice::RecordWritable));
            // Sessions that could not go on because that could not be written down.
            self.presence_changed(now);
        }
    }

    pub(super) fn row_is_lost(&mut self, error: &RecordError) {
        self.record.rows.pop_front();
        if let RecordError::QueueFull = error
            && self.record.is_silent()
        {
            return;
        }
        self.record_fails(RecordProblem::Failed(error.to_string()));
    }

    /// Nothing that waits for a silent disk is allowed; what runs goes on.
    pub(super) fn handle_silent_disk(&mut self, now: Timestamp) {
        if self.record.next_timeout().is_none_or(|at| now.instant < at) {
            return;
        }
        self.record_fails(RecordProblem::Silent);
        let waiting: Vec<UnrecordedChangeId> = self.waiting.keys().copied().collect();
        for id in waiting {
            self.refuse_change(id, SessionRefusal::Storage);
        }
    }

    /// The people at the device are told once of each problem.
    fn record_fails(&mut self, problem: RecordProblem) {
        if self.record.problem.as_ref() == Some(&problem) {
            return;
        }
        self.record.problem = Some(problem);
        if let Some(said) = self.record.notice() {
            self.tell(None, LocalEvent::Notice(said));
        }
    }
}
