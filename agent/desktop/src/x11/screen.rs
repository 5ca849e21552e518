//! Capture of the root window: what was damaged, and its pixels.
//!
//! DAMAGE reports once that something changed and then is silent until it is asked what: a flood of drawing that
//! nobody has credit for wakes nobody. Pixels come through memory shared with the server (MIT-SHM with a descriptor,
//! which we read as a file: no mapped memory that changes under us), or through the connection where the server is
//! on another machine.

use std::os::fd::OwnedFd;

use nearhand_screen::{Picture, PixelLayout, Rect, Size};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::damage::{ConnectionExt as _, Damage, ReportLevel};
use x11rb::protocol::shm::{ConnectionExt as _, Seg};
use x11rb::protocol::xfixes::{ConnectionExt as _, Region};
use x11rb::protocol::xproto::{ConnectionExt as _, Drawable, ImageFormat, ImageOrder, VisualClass, Visualid};

use super::connection::{XConnection, ended, needed, new_id, signed, unless_refused, unsigned};
use crate::platform;
use crate::source::DisplayError;

/// Bytes that are read from the shared memory at a time: they stay in the processor's cache until converted.
const PIECE: usize = 128 * 1024;

struct SharedPixels {
    segment: Seg,
    memory: OwnedFd,
    len: usize,
}

/// The capture's state.
pub(super) struct ScreenCapture {
    link: XConnection,
    /// How the screen's pixels come.
    layout: PixelLayout,
    can_share: bool,
    shared: Option<SharedPixels>,
    damage: Option<(Damage, Region)>,
    piece: Vec<u8>,
}

impl ScreenCapture {
    pub(super) fn new(link: XConnection) -> Result<Self, DisplayError> {
        let layout = screen_layout(&link)?;
        needed("XFIXES", link.conn.xfixes_query_version(5, 0).map_err(ended)?.reply())?;
        needed("DAMAGE", link.conn.damage_query_version(1, 1).map_err(ended)?.reply())?;
        let can_share = can_share(&link)?;
        Ok(Self { link, layout, can_share, shared: None, damage: None, piece: Vec::new() })
    }

    /// Begins or ends watching for damage.
    pub(super) fn watch(&mut self, on: bool) -> Result<(), DisplayError> {
        let conn = &self.link.conn;
        if let Some((damage, region)) = self.damage.take_if(|_| !on) {
            conn.damage_destroy(damage).map_err(ended)?;
            conn.xfixes_destroy_region(region).map_err(ended)?;
        }
        if on && self.damage.is_none() {
            let damage = new_id(&self.link)?;
            let region = new_id(&self.link)?;
            conn.xfixes_create_region(region, &[]).map_err(ended)?;
            conn.damage_create(damage, self.link.root, ReportLevel::NON_EMPTY).map_err(ended)?;
            self.damage = Some((damage, region));
        }
        if !on {
            self.forget()?;
        }
        Ok(())
    }

    /// Takes what was damaged since the last time; after it, the next change is told again.
    pub(super) fn damage(&mut self) -> Result<Vec<Rect>, DisplayError> {
        let Some((damage, region)) = self.damage else { return Ok(Vec::new()) };
        let conn = &self.link.conn;
        conn.damage_subtract(damage, x11rb::NONE, region).map_err(ended)?;
        let reply = unless_refused(conn.xfixes_fetch_region(region).map_err(ended)?.reply())?;
        let rects = reply.map(|reply| reply.rectangles).unwrap_or_default();
        Ok(rects.iter().map(|r| Rect::new(unsigned(r.x), unsigned(r.y), r.width, r.height)).collect())
    }

    /// Captures. `false` if the server refused because the screen was just resized.
    pub(super) fn capture(
        &mut self,
        area: Rect,
        rects: &[Rect],
        picture: &mut Picture,
    ) -> Result<bool, DisplayError> {
        self.copy(self.link.root, self.layout, area, rects, picture)
    }

    fn copy(
        &mut self,
        from: Drawable,
        layout: PixelLayout,
        area: Rect,
        rects: &[Rect],
        picture: &mut Picture,
    ) -> Result<bool, DisplayError> {
        let len = |rect: &Rect| layout.row_bytes(rect.width) * usize::from(rect.height);
        let bytes: usize = rects.iter().map(len).sum();
        if self.can_share && self.shared.as_ref().is_none_or(|shared| shared.len < bytes) {
            self.share(bytes.max(len(&area)))?;
        }
        match &self.shared {
            Some(_) => self.through_memory(from, layout, area, rects, picture),
            None => self.through_connection(from, layout, area, rects, picture),
        }
    }

    /// All requests first, then all replies: one round trip.
    fn through_memory(
        &mut self,
        from: Drawable,
        layout: PixelLayout,
        area: Rect,
        rects: &[Rect],
        picture: &mut Picture,
    ) -> Result<bool, DisplayError> {
        let Some(shared) = &self.shared else { return Ok(false) };
        let mut cookies = Vec::with_capacity(rects.len());
        let mut offset = 0_usize;
        for rect in rects {
            let at = u32::try_from(offset).unwrap_or(u32::MAX);
            let (x, y) = (signed(area.x.saturating_add(rect.x)), signed(area.y.saturating_add(rect.y)));
            let format = u8::from(ImageFormat::Z_PIXMAP);
            let conn = &self.link.conn;
            let asked =
                conn.shm_get_image(from, x, y, rect.width, rect.height, u32::MAX, format, shared.segment, at);
            cookies.push((asked.map_err(ended)?, rect, offset));
            offset += layout.row_bytes(rect.width) * usize::from(rect.height);
        }
        let mut whole = true;
        for (cookie, rect, offset) in cookies {
            if unless_refused(cookie.reply())?.is_none() {
                whole = false;
                continue;
            }
            let row = layout.row_bytes(rect.width);
            let rows = (PIECE / row.max(1)).max(1);
            let mut read = 0;
            while read < usize::from(rect.height) {
                let count = rows.min(usize::from(rect.height) - read);
                self.piece.resize(count * row, 0);
                platform::read_at(&shared.memory, &mut self.piece, offset + read * row).map_err(|error| {
                    DisplayError::Ended(format!("its shared memory can't be read: {error}"))
                })?;
                let first = u16::try_from(read).unwrap_or(u16::MAX);
                picture.put_bytes(*rect, first, &self.piece, layout);
                read += count;
            }
        }
        Ok(whole)
    }

    fn through_connection(
        &self,
        from: Drawable,
        layout: PixelLayout,
        area: Rect,
        rects: &[Rect],
        picture: &mut Picture,
    ) -> Result<bool, DisplayError> {
        for rect in rects {
            let (x, y) = (signed(area.x.saturating_add(rect.x)), signed(area.y.saturating_add(rect.y)));
            let conn = &self.link.conn;
            let asked = conn.get_image(ImageFormat::Z_PIXMAP, from, x, y, rect.width, rect.height, u32::MAX);
            let Some(reply) = unless_refused(asked.map_err(ended)?.reply())? else { return Ok(false) };
            picture.put_bytes(*rect, 0, &reply.data, layout);
        }
        Ok(true)
    }

    /// A rectangle of what is kept apart from the screen; `None` if the server refused.
    pub(super) fn read(
        &mut self,
        from: Drawable,
        layout: PixelLayout,
        rect: Rect,
    ) -> Result<Option<Picture>, DisplayError> {
        let Some(size) = Size::checked(rect.width, rect.height) else { return Ok(None) };
        let mut picture = Picture::black(size);
        Ok(self.copy(from, layout, rect, &[size.rect()], &mut picture)?.then_some(picture))
    }

    /// Memory of that many bytes, shared with the server; none where that fails.
    fn share(&mut self, len: usize) -> Result<(), DisplayError> {
        self.forget()?;
        let Ok((memory, for_server)) = platform::anonymous_file(len) else {
            self.can_share = false;
            return Ok(());
        };
        let segment = new_id(&self.link)?;
        let attached = self.link.conn.shm_attach_fd(segment, for_server, false).map_err(ended)?.check();
        self.can_share = unless_refused(attached)?.is_some();
        if self.can_share {
            self.shared = Some(SharedPixels { segment, memory, len });
        }
        Ok(())
    }

    fn forget(&mut self) -> Result<(), DisplayError> {
        if let Some(shared) = self.shared.take() {
            self.link.conn.shm_detach(shared.segment).map_err(ended)?;
        }
        Ok(())
    }
}

/// Whether the server can share memory by descriptor: since MIT-SHM 1.2, and on the same machine only.
fn can_share(link: &XConnection) -> Result<bool, DisplayError> {
    let name = x11rb::protocol::shm::X11_EXTENSION_NAME;
    if link.conn.extension_information(name).map_err(ended)?.is_none()
        || !platform::is_local_socket(link.conn.stream())
    {
        return Ok(false);
    }
    let version = unless_refused(link.conn.shm_query_version().map_err(ended)?.reply())?;
    Ok(version.is_some_and(|version| (version.major_version, version.minor_version) >= (1, 2)))
}

/// How the screen's pixels come; displays that show places in a table of colours are not shown.
fn screen_layout(link: &XConnection) -> Result<PixelLayout, DisplayError> {
    let screen = link.conn.setup().roots.get(link.screen);
    let layout = screen.and_then(|screen| layout_of(link, screen.root_depth, screen.root_visual));
    layout.ok_or_else(|| {
        DisplayError::Lacks(format!(
            "true colour (its depth is {}; set it to 24 bits)",
            screen.map(|screen| screen.root_depth).unwrap_or_default()
        ))
    })
}

/// How pixels of that depth and visual come; `None`: not as colours.
pub(super) fn layout_of(link: &XConnection, depth: u8, visual: Visualid) -> Option<PixelLayout> {
    let setup = link.conn.setup();
    let format = setup.pixmap_formats.iter().find(|format| format.depth == depth)?;
    let screen = setup.roots.get(link.screen)?;
    let mut visuals = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
    let visual = visuals.find(|known| known.visual_id == visual)?;
    if !matches!(visual.class, VisualClass::TRUE_COLOR | VisualClass::DIRECT_COLOR) {
        return None;
    }
    let big_endian = setup.image_byte_order == ImageOrder::MSB_FIRST;
    let masks = [visual.red_mask, visual.green_mask, visual.blue_mask];
    PixelLayout::new(format.bits_per_pixel, format.scanline_pad, big_endian, masks)
}

/// The value of a pixel of the screen that has, as near as can be, this colour.
pub(super) fn pixel_of(link: &XConnection, colour: u32) -> Option<u32> {
    let screen = link.conn.setup().roots.get(link.screen)?;
    let mut visuals = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
    let visual = visuals.find(|known| known.visual_id == screen.root_visual)?;
    let place = |mask: u32, shift: u32| {
        let (most, value) =
            (u64::from(mask >> mask.trailing_zeros().min(31)), u64::from(colour >> shift & 0xff));
        u32::try_from(value * most / 255).unwrap_or(0) << mask.trailing_zeros().min(31)
    };
    Some(place(visual.red_mask, 16) | place(visual.green_mask, 8) | place(visual.blue_mask, 0))
}
