//! Whether the record can be written: a disk that is full, broken or silent allows nothing new, and the person is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nearhand_proto::audit::AuditEvent;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{AgentNotice, LocalEvent};
use nearhand_proto::message::session::SessionRefusal;

use super::{PendingChangeId, SessionEffect, Sessions, Timestamp};
use crate::record::RecordError;

/// A row that is not on the disk after this long is waited for no longer: the technician is refused and the person told.
/// Worn SD cards stall for a second or two; a technician who hears nothing asks again after about as long as this.
pub(super) const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the record's disk.
#[derive(Debug, Default)]
pub(super) struct RecordHealth {
    /// When each row that is not on the disk yet was handed over, the oldest first.
    rows: VecDeque<Instant>,
    problem: Option<RecordProblem>,
}

/// Why rows are not on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
enum RecordProblem {
    /// The disk refused the newest.
    Failed(String),
    /// It has not answered for [`DISK_PATIENCE`].
    Silent,
}

impl RecordHealth {
    /// A row was handed to the writer.
    pub(super) fn row_handed_over(&mut self, now: Instant) {
        self.rows.push_back(now);
    }

    /// Whether it is no use to hand another row over.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.problem, Some(RecordProblem::Silent))
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let oldest = self.rows.front().filter(|_| !self.is_silent())?;
        Some(*oldest + DISK_PATIENCE)
    }

    /// What the person is to know, if something is wrong.
    pub(super) fn notice(&self) -> Option<AgentNotice> {
        let why = match self.problem.as_ref()? {
            RecordProblem::Failed(why) => why.clone(),
            RecordProblem::Silent => {
                let seconds = DISK_PATIENCE.as_secs();
                format!("the audit log can't be written: the disk has not answered for {seconds} s")
            }
        };
        Some(AgentNotice::NoRoom { why })
    }
}

/// What of a row is known before it has its number.
pub(super) fn row(actor: &str, action: &str, session: Option<SessionId>, detail: String) -> AuditEvent {
    AuditEvent { actor: actor.to_owned(), action: action.to_owned(), session, detail }
}

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
            self.tell(None, LocalEvent::Notice(AgentNotice::Words(RECORD_IS_BACK.to_owned())));
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
        let waiting: Vec<PendingChangeId> = self.waiting.keys().copied().collect();
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

/// Told to the people at the device after [`AgentNotice::NoRoom`].
const RECORD_IS_BACK: &str = "the audit log can be written again; what a technician asks for can be allowed";
