//! The agent's shared state: what drives the sessions ([`driver`], which carries out their [`effects`]), who the device is
//! and whom it trusts ([`identity`]), the connection to the relay ([`relay_link`]), what local programs are told
//! ([`local_events`], [`local_watcher`]), support codes and requests for help.

mod codes;
mod driver;
mod effects;
mod help;
mod identity;
mod keep;
mod kept_sessions;
mod local_events;
mod local_watcher;
mod relay_link;
#[cfg(test)]
mod tests;

pub(crate) use driver::{ALWAYS_OFFERED, DESKTOP_OFFERS, Hub, ToSession, UntilInForce};
pub(crate) use keep::ReturningSession;
pub(crate) use kept_sessions::SessionKeys;
pub(crate) use local_watcher::LocalWatcher;
