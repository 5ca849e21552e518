//! What the writer knows of the receivers.

use nearhand_proto::alarm::Severity;

/// A receiver, as the writer has to know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceiverOutlet {
    /// The receiver's name in the configuration.
    pub name: String,
    /// It is told of alarms that are, or were told to be, as bad as this.
    pub at_least: Severity,
}
