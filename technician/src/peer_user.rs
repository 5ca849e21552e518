//! Whose program is at the other end of a connection on this machine: what the system says, and what is decided by.

/// Whose program has connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerUser {
    /// The user's who started this program.
    Own,
    /// Another user's.
    Other,
    /// The system doesn't say.
    Unknown,
}
