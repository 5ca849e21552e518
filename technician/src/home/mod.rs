//! The technician's directory: keys, profile, known devices, revocations, sessions' evidence.
//!
//! Everything here is for its owner only (0700, files 0600), written whole or not at all, and read back with
//! an error that says which file is missing, damaged or open to others and what to do. Reading, deciding and
//! writing one file happens under one lock, so that two programs can't undo each other's work. Must not live
//! here: the network, printing, and what a credential or a list means (see `nearhand_proto::credential`).

mod directory;
mod error;
mod known_devices;
mod pending_change;
mod profile;

pub use directory::ClientHome;
pub use error::{ClientHomeError, IdentityChange};
pub(crate) use known_devices::same_label;
pub use known_devices::{DeviceFamiliarity, KeyChanged, KnownDevice, KnownDevices};
pub use pending_change::PendingIdentity;
pub use profile::{IdentityError, TechnicianIdentity, TechnicianProfile};

#[cfg(test)]
mod tests;
