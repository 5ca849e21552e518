//! Sessions on this device: who is in one, what is granted, who sees it, and the order in which that changes.
//!
//! A pure core. What happens comes in by a method with the time as an argument; what follows comes out as
//! [`SessionEffect`]s, in order. Nothing here sleeps, writes or sends.
//!
//! Two rules decide the order. What widens what a technician may do becomes a [`UnrecordedChange`]: it goes out with its row
//! for the record and comes into force in [`Sessions::put_in_force`], which takes the proof that the row is on the disk.
//! What narrows it (Stop, deny, taking back, expiry, a pause) counts at once, and its row follows.

mod activity;
mod change;
mod codes;
mod effect;
mod grants;
mod in_force;
mod kept;
mod kept_session;
mod lifecycle;
mod limits;
mod live_session;
mod pauses;
mod presence;
mod record_health;
mod rows;
mod screen;
mod state;
#[cfg(test)]
mod tests;
mod timestamp;
mod watchers;

pub use change::{ProposesChange, UnrecordedChange, UnrecordedChangeId};
pub use effect::{SessionEffect, SignedGrant};
pub use grants::CapabilityRequest;
pub use kept_session::KeptSession;
pub use live_session::{ArrivedSession, SessionTechnician};
pub use screen::OF_SCREEN;
pub use state::{MAX_SESSIONS, Sessions};
pub use timestamp::Timestamp;
pub use watchers::LocalUser;
