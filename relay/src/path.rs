//! The forwarding path as the control plane sees it.
//!
//! A trait, so that the control plane can be tested without a forwarding thread. Must not live here: anything
//! about datagrams (see `forward`).

use std::time::Instant;

use nearhand_proto::forward::BindGrant;
use nearhand_proto::id::SessionId;

use crate::forward::{Forwarder, OfferError, SessionCounters};

/// The path of sessions through this relay.
pub trait ForwardingPath: Send + Sync {
    /// Lets the two sides of a session bind until `until`; technician's grant first. Other grants than before
    /// replace the session's bindings.
    ///
    /// # Errors
    /// [`PathError`]: the path holds as many sessions as it can, or another session uses one of the tokens.
    fn offer(&self, session: SessionId, grants: [BindGrant; 2], until: Instant) -> Result<(), PathError>;

    /// Ends a session's forwarding at once; what went over it, if it was there.
    fn end(&self, session: SessionId) -> Option<PathUsage>;

    /// What went over a session's path so far; `None` if it has none.
    fn usage(&self, session: SessionId) -> Option<PathUsage>;

    /// Counters since the start.
    fn totals(&self) -> PathTotals;
}

/// A session can't have a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There are as many as there can be.
    #[error("the forwarding path holds as many sessions as it can")]
    Full,
    /// The grants collide with another session's.
    #[error("a bind token is in use")]
    TokenInUse,
}

/// What went over a session's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathUsage {
    /// Bytes of UDP payload, both ways.
    pub bytes: u64,
    /// Whether a side is bound now.
    pub bound: bool,
}

/// Counters of the whole path since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathTotals {
    /// Datagrams forwarded since the start.
    pub packets: u64,
    /// Bytes of UDP payload forwarded.
    pub bytes: u64,
    /// Datagrams dropped, by reason.
    pub dropped: Vec<(&'static str, u64)>,
    /// Binds, by result.
    pub binds: Vec<(&'static str, u64)>,
    /// Sides bound now.
    pub bound: u64,
    /// Sessions that have or may have a path now.
    pub sessions: u64,
    /// Hints sent to addresses that aren't bound.
    pub hints: u64,
}

impl ForwardingPath for Forwarder {
    fn offer(&self, session: SessionId, grants: [BindGrant; 2], until: Instant) -> Result<(), PathError> {
        Forwarder::offer(self, session, grants, until).map_err(|error| match error {
            OfferError::Full { .. } => PathError::Full,
            OfferError::TokenInUse => PathError::TokenInUse,
        })
    }

    fn end(&self, session: SessionId) -> Option<PathUsage> {
        Forwarder::end(self, session).map(usage)
    }

    fn usage(&self, session: SessionId) -> Option<PathUsage> {
        self.session_counters(session).map(usage)
    }

    fn totals(&self) -> PathTotals {
        let counted = self.snapshot();
        PathTotals {
            packets: counted.packets,
            bytes: counted.bytes,
            dropped: vec![
                ("malformed", counted.dropped_malformed),
                ("unbound", counted.dropped_unbound),
                ("peer_unbound", counted.dropped_peer_unbound),
                ("rate_limited", counted.dropped_limited),
                ("congested", counted.dropped_congested),
                ("send_error", counted.dropped_send_error),
                ("control_overflow", counted.control_overflow),
            ],
            binds: vec![("ok", counted.binds_ok), ("refused", counted.binds_refused)],
            bound: counted.active_bindings,
            sessions: counted.sessions,
            hints: counted.hints,
        }
    }
}

fn usage(sides: SessionCounters) -> PathUsage {
    let bytes = sides.iter().fold(0_u64, |sum, side| sum.saturating_add(side.bytes));
    PathUsage { bytes, bound: sides.iter().any(|side| side.bound.is_some()) }
}
