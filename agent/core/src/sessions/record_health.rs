//! Whether the record can be written: a disk that is full, broken or silent allows nothing new, and the person is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nearhand_proto::audit::AuditEvent;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::AgentNotice;

/// A row that is not on the disk after this long is waited for no longer: the technician is refused and the person told.
/// Worn SD cards stall for a second or two; a technician who hears nothing asks again after about as long as this.
pub(super) const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// What is known of the record's disk.
#[derive(Debug, Default)]
pub(super) struct RecordHealth {
    /// When each row that is not on the disk yet was handed over, the oldest first.
    pub(super) rows: VecDeque<Instant>,
    pub(super) problem: Option<RecordProblem>,
}

/// Why rows are not on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum RecordProblem {
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
        Some(AgentNotice::RecordUnwritable { why })
    }
}

/// What of a row is known before it has its number.
pub(super) fn row(actor: &str, action: &str, session: Option<SessionId>, detail: String) -> AuditEvent {
    AuditEvent { actor: actor.to_owned(), action: action.to_owned(), session, detail }
}
