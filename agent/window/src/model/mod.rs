//! What the window knows and decides: inputs in, effects out. Time is an argument; nothing here draws, sleeps or opens a
//! socket.
//!
//! Lives here: what the agent reported, what the person chose, which page follows. Must not live here: drawing (`ui`),
//! the connection to the agent (`agent_client`), the origin of a press (`platform`).

pub(crate) mod activity;
mod consent_prompt;
pub(crate) mod input;
pub(crate) mod messages;
pub(crate) mod phrases;
mod render;
mod session_review;
mod shown_session;
mod state;
mod update;
pub(crate) mod view;

pub(crate) use input::{HomeTab, PressSource, SaveOutcome, StopKey, UserAction, WindowEffect, WindowInput};
pub(crate) use state::WindowModel;

#[cfg(test)]
mod tests;
