//! Who is told of alarms: what is told, how each kind of receiver wants it, and the workers that see to it.
//!
//! The relay's database is the truth; a receiver is a projection of it. Each notice lies in the outbox, written in
//! the same transaction as what it tells, until the receiver has it; its id is the same at every attempt, so that a
//! receiver can tell a repetition. What is sent, and when, [`nearhand_relay_core::notify`] decides. Drivers: [`worker`], [`sender`],
//! [`http`], `mail`, `mqtt`, `stream`.

pub mod config;
pub mod deliveries;
pub mod http;
pub mod mail;
pub mod mqtt;
pub mod secret;
pub mod sender;
pub mod stream;
pub mod worker;
