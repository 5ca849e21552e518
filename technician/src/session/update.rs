//! What a session tells the command that opened it: who is at the other end, what happens, and how it ended.

use nearhand_proto::grant::Capabilities;
use nearhand_proto::message::local::ChatLine;
use nearhand_proto::message::session::{GrantedCapability, SessionEndReason, SessionRefusal};

/// What happens in a session.
#[derive(Clone, Debug)]
pub enum SessionUpdate {
    /// The connection was lost; a new one is being made.
    Interrupted,
    /// A new connection continues the session.
    Resumed,
    /// Packets don't pass right now; the connection still stands.
    PathStalled,
    /// Packets pass again on the same connection.
    PathRestored,
    /// The person at the device is being asked; the question expires after this many seconds.
    Asking(u32),
    /// A request was decided.
    Decided(u32, Result<Vec<GrantedCapability>, SessionRefusal>),
    /// What is granted changed, and why.
    Grants(Vec<GrantedCapability>, String),
    /// A chat message of the person, or a new mark on one's own.
    Chat(ChatLine),
    /// A remark of this program about the session, as a sentence.
    Remark(String),
    /// The session is over.
    Ended(SessionEnd),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The agent ended it.
    ByAgent(SessionEndReason),
    /// This side ended it.
    Here,
    /// The connection was lost and could not be resumed; why.
    Lost(String),
}

/// The device at the other end, verified.
#[derive(Clone, Debug)]
pub struct SessionDevice {
    /// Its label as the organisation signed it, or what it calls itself.
    pub name: String,
    /// Its operating system, as it says.
    pub os: String,
    /// The capabilities that it offers.
    pub offers: Capabilities,
    /// Whether it proved an enrolled device's key (else the support code).
    pub enrolled: bool,
}
