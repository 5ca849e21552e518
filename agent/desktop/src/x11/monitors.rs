//! Which monitors there are, by RandR 1.5; without it, the screen as one.

use nearhand_proto::message::screen::{FIRST_MONITOR, MAX_MONITORS, Monitor};
use nearhand_screen::{Rect, Size};
use x11rb::cookie::Cookie;
use x11rb::protocol::randr::{ConnectionExt as _, NotifyMask};
use x11rb::protocol::xproto::ConnectionExt as _;

use super::connection::{XConnection, ended, unless_refused, unsigned};
use crate::source::DisplayError;

/// Longest name of a monitor, in characters.
const MAX_NAME: usize = 64;

/// Asks to be told of changes, and for the monitors there are now.
pub(super) fn watch(link: &XConnection, size: Size) -> Result<Vec<Monitor>, DisplayError> {
    let version = link.conn.randr_query_version(1, 5);
    if let Ok(version) = version
        && unless_refused(version.reply())?.is_some()
    {
        let changes = NotifyMask::SCREEN_CHANGE | NotifyMask::CRTC_CHANGE | NotifyMask::OUTPUT_CHANGE;
        link.conn.randr_select_input(link.root, changes).map_err(ended)?;
        // Monitors that are only drawn differently on the same outputs are told as the root window's change.
        link.listen_to_windows(false)?;
    }
    list(link, size)
}

/// The monitors there are now, numbered from [`FIRST_MONITOR`] on.
pub(super) fn list(link: &XConnection, size: Size) -> Result<Vec<Monitor>, DisplayError> {
    // Without RandR the request can't even be made.
    let reply = link.conn.randr_get_monitors(link.root, true).ok().map(Cookie::reply);
    let reply = reply.map(unless_refused).transpose()?.flatten();
    let mut monitors = Vec::new();
    for info in reply.into_iter().flat_map(|reply| reply.monitors).take(MAX_MONITORS) {
        let area =
            Rect::new(unsigned(info.x), unsigned(info.y), info.width, info.height).intersect(size.rect());
        if area.is_empty() {
            continue;
        }
        let name = unless_refused(link.conn.get_atom_name(info.name).map_err(ended)?.reply())?;
        let name = name.map(|reply| String::from_utf8_lossy(&reply.name).chars().take(MAX_NAME).collect());
        monitors.push(Monitor {
            number: u8::try_from(monitors.len()).map_or(u8::MAX, |n| n.saturating_add(FIRST_MONITOR)),
            name: name.unwrap_or_default(),
            x: area.x,
            y: area.y,
            width: area.width,
            height: area.height,
            primary: info.primary,
        });
    }
    if monitors.is_empty() {
        monitors.push(whole(size));
    }
    if !monitors.iter().any(|monitor| monitor.primary)
        && let Some(first) = monitors.first_mut()
    {
        first.primary = true;
    }
    Ok(monitors)
}

fn whole(size: Size) -> Monitor {
    let name = "screen".to_owned();
    Monitor { number: FIRST_MONITOR, name, x: 0, y: 0, width: size.width, height: size.height, primary: true }
}
