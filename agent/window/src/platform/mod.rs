//! What the window needs of the desktop and no toolkit offers: the origin of a press, a Stop key that works everywhere, a
//! banner that stays on top. On X11 only: on Wayland the compositor decides these, and nothing here runs.

mod banner_guard;
mod presses;

use slint::winit_030::winit::raw_window_handle::RawWindowHandle;

pub(crate) use banner_guard::BannerGuard;
pub(crate) use presses::{PressKind, PressWatcher};

/// The X window behind a handle; `None` on Wayland.
pub(crate) fn x_window_id(handle: RawWindowHandle) -> Option<u32> {
    match handle {
        RawWindowHandle::Xlib(handle) => u32::try_from(handle.window).ok(),
        RawWindowHandle::Xcb(handle) => Some(handle.window.get()),
        _ => None,
    }
}
