//! Alarms in the database: the log, the alarms made from it, and who has to be told, in one transaction.

mod names;
mod outbox;
mod outlet;
mod read;
mod records;
mod rows;
mod transaction;
mod write;

pub use outbox::DueDeliveries;
pub use outlet::ReceiverOutlet;
pub use read::{AlarmCounts, DeadLetter, OutboxState};
pub(super) use transaction::AlarmTransaction;
pub(super) use write::apply;
pub use write::{AlarmWrite, MAX_OPEN, MAX_WINDOWS};
