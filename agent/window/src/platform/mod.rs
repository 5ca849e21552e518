//! What the window needs of the desktop and no toolkit offers: where a press came from, a key for Stop that works
//! everywhere, a banner that stays above. On X11; on Wayland the compositor decides these, and nothing here runs.

mod banner_guard;
mod presses;

pub(crate) use banner_guard::Keeper;
pub(crate) use presses::{Kind, Presses};

/// The key for Stop, as it is written on keyboards.
pub(crate) const HOT_KEY: &str = "Ctrl+Alt+End";
