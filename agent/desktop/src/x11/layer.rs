//! One window's own pixels, even where other windows cover it: Composite makes the server keep them apart from the screen.
//!
//! **Pixels count only once the window's program has drawn them.** When the server begins to keep a window apart, or
//! the window changes its size, the new memory begins as a copy of what the screen shows there, which is other
//! windows'. So a layer knows nothing at first, asks the program to draw everything, and hands out only what DAMAGE
//! has reported since the memory was taken. The memory stays ours under its name when the server takes a new one: what
//! was drawn into that must not count for this one, which [`WindowLayer::fresh`]'s caller sees to.

use nearhand_screen::{Picture, PixelLayout, Rect};
use x11rb::protocol::composite::{ConnectionExt as _, Redirect};
use x11rb::protocol::damage::{ConnectionExt as _, Damage, ReportLevel};
use x11rb::protocol::xfixes::{ConnectionExt as _, Region};
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, EventMask, MapState, Pixmap, Rectangle, Visualid, Window,
    WindowClass,
};

use super::connection::{XConnection, ended, new_id, signed, unless_refused};
use super::screen::{ScreenCapture, layout_of};
use crate::source::DisplayError;
use crate::window_layout::ScreenArea;

/// Most windows inside a window that are asked to draw.
const MOST_INSIDE: usize = 512;

/// A window, kept apart.
pub(super) struct WindowLayer {
    link: XConnection,
    pub(super) window: Window,
    pixmap: Pixmap,
    damage: Damage,
    /// What was drawn since it was last believed.
    fresh: Region,
    /// What was drawn since the memory was taken.
    known: Region,
    scratch: Region,
    layout: PixelLayout,
    pub(super) border: u16,
    pub(super) place: ScreenArea,
}

/// Why there is no layer.
pub(super) enum NoLayer {
    /// There is no such window any more.
    Closed,
    /// It isn't drawn now.
    Hidden,
    /// Its pixels are of a kind that isn't shown.
    Strange,
}

impl WindowLayer {
    /// Keeps a window apart, and asks its program to draw it.
    pub(super) fn open(link: &XConnection, window: Window) -> Result<Result<Self, NoLayer>, DisplayError> {
        let conn = &link.conn;
        let news = EventMask::STRUCTURE_NOTIFY | EventMask::PROPERTY_CHANGE;
        let aux = ChangeWindowAttributesAux::new().event_mask(news);
        if unless_refused(conn.change_window_attributes(window, &aux).map_err(ended)?.check())?.is_none() {
            return Ok(Err(NoLayer::Closed));
        }
        let attributes = unless_refused(conn.get_window_attributes(window).map_err(ended)?.reply())?;
        let Some(attributes) = attributes else { return Ok(Err(NoLayer::Closed)) };
        if attributes.map_state != MapState::VIEWABLE || attributes.class != WindowClass::INPUT_OUTPUT {
            return Ok(Err(NoLayer::Hidden));
        }
        let redirect = conn.composite_redirect_window(window, Redirect::AUTOMATIC).map_err(ended)?.check();
        if unless_refused(redirect)?.is_none() {
            return Ok(Err(NoLayer::Hidden));
        }
        let made = Self::name(link, window, attributes.visual)?;
        if made.is_err() {
            conn.composite_unredirect_window(window, Redirect::AUTOMATIC).map_err(ended)?;
        }
        Ok(made)
    }

    fn name(
        link: &XConnection,
        window: Window,
        visual: Visualid,
    ) -> Result<Result<Self, NoLayer>, DisplayError> {
        let conn = &link.conn;
        let pixmap = new_id(link)?;
        let named = conn.composite_name_window_pixmap(window, pixmap).map_err(ended)?.check();
        if unless_refused(named)?.is_none() {
            return Ok(Err(NoLayer::Hidden));
        }
        let memory = unless_refused(conn.get_geometry(pixmap).map_err(ended)?.reply())?;
        let outside = unless_refused(conn.get_geometry(window).map_err(ended)?.reply())?;
        let (Some(memory), Some(outside)) = (memory, outside) else {
            conn.free_pixmap(pixmap).map_err(ended)?;
            return Ok(Err(NoLayer::Closed));
        };
        let border = outside.border_width;
        let (width, height) = (memory.width.checked_sub(2 * border), memory.height.checked_sub(2 * border));
        let layout = layout_of(link, memory.depth, visual);
        let (Some(width @ 1..), Some(height @ 1..), Some(layout)) = (width, height, layout) else {
            conn.free_pixmap(pixmap).map_err(ended)?;
            return Ok(Err(NoLayer::Strange));
        };
        let [damage, fresh, known, scratch] = [new_id(link)?, new_id(link)?, new_id(link)?, new_id(link)?];
        for region in [fresh, known, scratch] {
            conn.xfixes_create_region(region, &[]).map_err(ended)?;
        }
        conn.damage_create(damage, window, ReportLevel::NON_EMPTY).map_err(ended)?;
        // It begins with the whole window, which nobody has drawn.
        conn.damage_subtract(damage, x11rb::NONE, x11rb::NONE).map_err(ended)?;
        let place = ScreenArea { x: 0, y: 0, width, height };
        let link = link.clone();
        let mut layer = Self { link, window, pixmap, damage, fresh, known, scratch, layout, border, place };
        layer.find_place()?;
        layer.ask_to_draw()?;
        Ok(Ok(layer))
    }

    /// Where it is now.
    pub(super) fn find_place(&mut self) -> Result<(), DisplayError> {
        let conn = &self.link.conn;
        let asked = conn.translate_coordinates(self.window, self.link.root, 0, 0).map_err(ended)?;
        if let Some(at) = unless_refused(asked.reply())? {
            (self.place.x, self.place.y) = (at.dst_x.into(), at.dst_y.into());
        }
        Ok(())
    }

    /// Paints the background of the window and of all inside it, and tells their program that they have to be drawn.
    fn ask_to_draw(&self) -> Result<(), DisplayError> {
        let conn = &self.link.conn;
        let mut windows = vec![self.window];
        let mut next = 0;
        while let Some(window) = windows.get(next).copied() {
            next += 1;
            // Refused for those that only take input; nothing to draw there.
            conn.clear_area(true, window, 0, 0, 0, 0).map_err(ended)?;
            let tree = unless_refused(conn.query_tree(window).map_err(ended)?.reply())?;
            let inside = tree.into_iter().flat_map(|tree| tree.children);
            windows.extend(inside.take(MOST_INSIDE.saturating_sub(windows.len())));
        }
        Ok(())
    }

    /// What was drawn since it was last believed. It counts as known only after [`WindowLayer::believe`], which must not be called
    /// if the window has changed its memory meanwhile.
    pub(super) fn fresh(&self) -> Result<Vec<Rect>, DisplayError> {
        let conn = &self.link.conn;
        conn.damage_subtract(self.damage, x11rb::NONE, self.scratch).map_err(ended)?;
        conn.xfixes_union_region(self.fresh, self.scratch, self.fresh).map_err(ended)?;
        self.fetch(self.fresh)
    }

    pub(super) fn believe(&self) -> Result<(), DisplayError> {
        let conn = &self.link.conn;
        conn.xfixes_union_region(self.known, self.fresh, self.known).map_err(ended)?;
        conn.xfixes_set_region(self.fresh, &[]).map_err(ended)?;
        Ok(())
    }

    /// Copies what is known of `rect`, which counts from the layer's corner, to `x` and `y` of the picture. `false` if
    /// the server refused.
    pub(super) fn copy(
        &self,
        capture: &mut ScreenCapture,
        rect: Rect,
        (x, y): (u16, u16),
        picture: &mut Picture,
    ) -> Result<bool, DisplayError> {
        let conn = &self.link.conn;
        let wanted =
            Rectangle { x: signed(rect.x), y: signed(rect.y), width: rect.width, height: rect.height };
        conn.xfixes_set_region(self.scratch, &[wanted]).map_err(ended)?;
        conn.xfixes_intersect_region(self.scratch, self.known, self.scratch).map_err(ended)?;
        let known = self.fetch(self.scratch)?;
        if known.is_empty() {
            return Ok(true);
        }
        let at = Rect { x: rect.x + self.border, y: rect.y + self.border, ..rect };
        let Some(pixels) = capture.read(self.pixmap, self.layout, at)? else { return Ok(false) };
        for part in known {
            let (dx, dy) = (part.x.saturating_sub(rect.x), part.y.saturating_sub(rect.y));
            for row in 0..part.height {
                let from = pixels.row(dx, dy + row, part.width);
                let to = picture.row_mut(x.saturating_add(dx), y.saturating_add(dy + row), part.width);
                if from.len() == to.len() {
                    to.copy_from_slice(from);
                }
            }
        }
        Ok(true)
    }

    fn fetch(&self, region: Region) -> Result<Vec<Rect>, DisplayError> {
        let reply = unless_refused(self.link.conn.xfixes_fetch_region(region).map_err(ended)?.reply())?;
        let rects = reply.map(|reply| reply.rectangles).unwrap_or_default();
        let screen = nearhand_screen::Size { width: self.place.width, height: self.place.height };
        let place =
            |r: &Rectangle| ScreenArea { x: r.x.into(), y: r.y.into(), width: r.width, height: r.height };
        Ok(rects.iter().filter_map(|r| place(r).on_screen(screen)).collect())
    }
}

impl Drop for WindowLayer {
    fn drop(&mut self) {
        let conn = &self.link.conn;
        // The server refuses what is gone already; a broken connection is noticed elsewhere.
        let _ = conn.damage_destroy(self.damage);
        for region in [self.fresh, self.known, self.scratch] {
            let _ = conn.xfixes_destroy_region(region);
        }
        let _ = conn.free_pixmap(self.pixmap);
        let _ = conn.composite_unredirect_window(self.window, Redirect::AUTOMATIC);
        let quiet = ChangeWindowAttributesAux::new().event_mask(EventMask::NO_EVENT);
        let _ = conn.change_window_attributes(self.window, &quiet);
    }
}
