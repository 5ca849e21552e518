//! What the alarms' thread is asked and what it tells: the messages between it and the tasks around it.

use nearhand_proto::alarm::{AlarmBatch, DeviceProfile, DeviceReport, Severity};
use nearhand_proto::id::StreamId;
use nearhand_proto::time::UnixMillis;
use nearhand_rules::{InstanceStatus, SensorReading};
use tokio::sync::oneshot;

/// A request to the thread.
#[derive(Debug)]
pub(crate) enum AlarmOrder {
    /// Readings of a probe that runs in a separate task.
    Readings(Vec<SensorReading>),
    /// All known starts without an orderly stop before them, in seconds since 1970.
    UncleanStarts(Vec<u64>),
    /// Something to remember over a restart, under a key.
    Note(String, Vec<u8>),
    /// The relay's time is known: this machine's clock is that many milliseconds ahead of it.
    ClockAhead(i64),
    /// What is to be sent next.
    Batch(oneshot::Sender<Option<AlarmBatch>>),
    /// The relay has the stream up to this number; asked before anything is sent.
    RelayHas(StreamId, u64),
    /// The relay knows the stream as another device's.
    Foreign(StreamId),
    /// The relay has all up to this number.
    Acknowledged(StreamId, u64),
    /// The state of all alarms, rules and the spool.
    Status(oneshot::Sender<AlarmStatus>),
    /// Read the rules file again.
    Reload,
    /// The result of a diagnosis or a runbook that an alarm started.
    Reported(Box<DeviceReport>),
    /// Write everything and end.
    Stop(oneshot::Sender<()>),
}

/// What other tasks see of the thread without asking it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AlarmProgress {
    /// The spool's stream.
    pub(crate) stream: StreamId,
    /// What kind of machine it is.
    pub(crate) profile: DeviceProfile,
    /// Number of the newest entry on disk.
    pub(crate) newest: u64,
}

/// The state of all alarms, rules and the spool, for `nearhand-agent alarms`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct AlarmStatus {
    /// Alarms that are open, pending or recovering.
    pub(crate) standing: Vec<InstanceStatus>,
    /// Entries that wait for the relay.
    pub(crate) waiting: u64,
    /// When the oldest of them was written.
    pub(crate) oldest: Option<UnixMillis>,
    /// The stream that events are sent in.
    pub(crate) stream: StreamId,
    /// How many rules are in force.
    pub(crate) rules: usize,
    /// What is wrong with the rules file or the spool.
    pub(crate) problems: Vec<String>,
}

/// An alarm that began or got worse.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RaisedAlarm {
    /// The rule that raised it.
    pub(crate) rule: String,
    /// What it is about: a mount point, a unit; empty where there is only one.
    pub(crate) instance: String,
    /// Its severity when it was raised or got worse.
    pub(crate) severity: Severity,
    /// The runbook that the rule names.
    pub(crate) runbook: Option<String>,
    /// Whether the owner lets alarms start a diagnosis.
    pub(crate) diagnose: bool,
}
