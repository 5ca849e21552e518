//! What receivers of alarms are sent, where to, and when: the decisions behind the relay's workers.
//!
//! [`schedule`] says when a failed delivery is tried again, [`escalation`] whether a receiver with a delay hears of an alarm yet,
//! [`guard`] which addresses may be connected to. The other modules write a notice in the form of each kind of receiver.

pub mod alertmanager;
pub mod digest;
pub mod escalation;
pub mod forms;
pub mod guard;
pub mod schedule;
pub mod webhook;
