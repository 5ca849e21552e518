//! How the pointer looks, and where it is.

use nearhand_proto::message::screen::{CursorPicture, MAX_CURSOR, ScreenPoint};
use x11rb::protocol::xfixes::{ConnectionExt as _, CursorNotifyMask};
use x11rb::protocol::xproto::ConnectionExt as _;

use super::connection::{XConnection, ended, unless_refused, unsigned};
use crate::source::DisplayError;

/// Begins or ends telling of new shapes.
pub(super) fn watch(link: &XConnection, on: bool) -> Result<(), DisplayError> {
    let mask = if on { CursorNotifyMask::DISPLAY_CURSOR } else { CursorNotifyMask::default() };
    link.conn.xfixes_select_cursor_input(link.root, mask).map_err(ended)?;
    Ok(())
}

/// Where the pointer is, if it is on this screen.
pub(super) fn position(link: &XConnection) -> Result<Option<(u16, u16)>, DisplayError> {
    let reply = unless_refused(link.conn.query_pointer(link.root).map_err(ended)?.reply())?;
    let here = reply.filter(|reply| reply.same_screen);
    Ok(here.map(|reply| (unsigned(reply.root_x), unsigned(reply.root_y))))
}

/// How the pointer looks now. An arrow where the server doesn't say: it refuses (by its SECURITY extension) once the
/// program that made the cursor has ended, as `xsetroot` does at the beginning of many sessions.
pub(super) fn shape(link: &XConnection) -> Result<CursorPicture, DisplayError> {
    let reply = unless_refused(link.conn.xfixes_get_cursor_image().map_err(ended)?.reply())?;
    Ok(reply.map_or_else(arrow, |image| {
        picture(image.width, image.height, (image.xhot, image.yhot), &image.cursor_image)
    }))
}

/// Black in a white edge.
pub(super) fn arrow() -> CursorPicture {
    const ROWS: [&str; 19] = [
        "o",
        "oo",
        "oxo",
        "oxxo",
        "oxxxo",
        "oxxxxo",
        "oxxxxxo",
        "oxxxxxxo",
        "oxxxxxxxo",
        "oxxxxxxxxo",
        "oxxxxxxxxxo",
        "oxxxxxxooooo",
        "oxxxoxxo",
        "oxxo oxxo",
        "oxo  oxxo",
        "oo    oxxo",
        "o     oxxo",
        "       oxxo",
        "       ooo",
    ];
    const WIDTH: usize = 12;
    let pixel = |sign: Option<u8>| match sign {
        Some(b'o') => [0xff; 4],
        Some(b'x') => [0, 0, 0, 0xff],
        _ => [0; 4],
    };
    let rgba =
        ROWS.iter().flat_map(|row| (0..WIDTH).flat_map(move |x| pixel(row.as_bytes().get(x).copied())));
    CursorPicture { width: 12, height: 19, hot: ScreenPoint::default(), rgba: rgba.collect() }
}

/// The pointer's picture as it is sent: alpha divided out, and made smaller by a whole number where it is too large.
fn picture(width: u16, height: u16, hot: (u16, u16), argb: &[u32]) -> CursorPicture {
    let step = width.max(height).div_ceil(MAX_CURSOR).max(1);
    let (small_width, small_height) = (width / step, height / step);
    let mut rgba = Vec::with_capacity(usize::from(small_width) * usize::from(small_height) * 4);
    for y in 0..small_height {
        for x in 0..small_width {
            rgba.extend(average(argb, width, (x * step, y * step), step));
        }
    }
    let hot = ScreenPoint { x: hot.0 / step, y: hot.1 / step };
    CursorPicture { width: small_width, height: small_height, hot, rgba }
}

/// The average of a square of premultiplied pixels, as red, green, blue, alpha.
fn average(argb: &[u32], width: u16, at: (u16, u16), side: u16) -> [u8; 4] {
    let mut sums = [0_u32; 4];
    for y in at.1..at.1 + side {
        for x in at.0..at.0 + side {
            let index = usize::from(y) * usize::from(width) + usize::from(x);
            let pixel = argb.get(index).copied().unwrap_or(0).to_be_bytes();
            sums.iter_mut().zip(pixel).for_each(|(sum, channel)| *sum += u32::from(channel));
        }
    }
    let [alpha, colours @ ..] = sums;
    let [red, green, blue] = colours.map(|sum| byte((sum * 255 + alpha / 2).checked_div(alpha).unwrap_or(0)));
    [red, green, blue, byte(alpha / (u32::from(side) * u32::from(side)))]
}

fn byte(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_divided_out() {
        let cursor = picture(2, 1, (1, 0), &[0x8040_2000, 0x0000_0000]);
        assert_eq!(cursor.rgba, [0x80, 0x40, 0, 0x80, 0, 0, 0, 0]);
        assert_eq!((cursor.width, cursor.height, cursor.hot), (2, 1, ScreenPoint { x: 1, y: 0 }));
    }

    #[test]
    fn the_arrow_is_whole() {
        let cursor = arrow();
        assert_eq!(cursor.rgba.len(), usize::from(cursor.width) * usize::from(cursor.height) * 4);
        assert_eq!(cursor.rgba[..8], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    }

    #[test]
    fn a_large_pointer_is_made_smaller() {
        let cursor = picture(192, 100, (191, 99), &vec![0xff10_2030; 192 * 100]);
        assert_eq!((cursor.width, cursor.height), (96, 50));
        assert_eq!(cursor.hot, ScreenPoint { x: 95, y: 49 });
        assert_eq!(cursor.rgba.len(), 96 * 50 * 4);
        assert_eq!(cursor.rgba[..4], [0x10, 0x20, 0x30, 0xff]);
    }
}
