//! The desktop process: it sees and uses a display, separate from the agent.
//!
//! `nearhand-agent desktop` runs as the user who is logged in, so that the agent, which may be root, never speaks to a
//! display; a crash of it ends the view and nothing else. [`protocol`] is what both say to each other. Inside,
//! [`child`] is the loop, `x11` the display behind the traits of [`source`]; what is decided is decided in pure parts:
//! [`keys`] and [`input`] (which keys to press), [`precedence`] (who has the pointer), [`damage`] (what to capture),
//! [`drawing`]. On the agent's side, [`find`] says which display there is and [`process`] starts and ends the desktop
//! process, by [`user_process`], which makes it the user's. No stream, grant or consent is known here.

mod buttons;
pub mod child;
mod clipboard_target;
mod coder;
mod damage;
mod drawing;
pub mod error;
pub mod find;
mod input;
mod keys;
mod monitor_choice;
mod outgoing;
pub mod picture;
pub mod platform;
mod precedence;
pub mod process;
pub mod protocol;
mod snapshot;
mod source;
pub mod user_process;
mod view;
mod window_layout;
pub mod windows;
mod x11;
mod x_text;
