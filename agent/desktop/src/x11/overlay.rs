//! What the technician draws over the screen: a window without decoration that lets every click through and is only
//! where something is drawn, so that nothing has to be painted: its shape is the drawing.

use nearhand_screen::{Rect, Size};
use x11rb::connection::Connection;
use x11rb::protocol::shape::{ConnectionExt as _, SK, SO};
use x11rb::protocol::xproto::{
    ClipOrdering, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, Rectangle, StackMode, Window,
    WindowClass,
};

use super::connection::{XConnection, ended, signed};
use super::screen;
use crate::source::DisplayError;

/// A red that stands out on light and on dark, as `0xRRGGBB`.
const COLOUR: u32 = 0x00f0_2040;

/// The drawing's window.
pub(super) struct DrawingWindow {
    link: XConnection,
    window: Option<Window>,
}

impl DrawingWindow {
    pub(super) fn new(link: XConnection) -> Self {
        Self { link, window: None }
    }

    /// Shows these rectangles and nothing else.
    pub(super) fn show(&mut self, size: Size, rects: &[Rect]) -> Result<(), DisplayError> {
        let conn = self.link.conn.clone();
        if rects.is_empty() {
            if let Some(window) = self.window.take() {
                conn.destroy_window(window).map_err(ended)?;
            }
            return Ok(());
        }
        let window = match self.window {
            Some(window) => window,
            None => self.make()?,
        };
        let shape: Vec<Rectangle> = rects
            .iter()
            .map(|r| Rectangle { x: signed(r.x), y: signed(r.y), width: r.width, height: r.height })
            .collect();
        conn.shape_rectangles(SO::SET, SK::BOUNDING, ClipOrdering::UNSORTED, window, 0, 0, &shape)
            .map_err(ended)?;
        let above = ConfigureWindowAux::new()
            .width(u32::from(size.width))
            .height(u32::from(size.height))
            .stack_mode(StackMode::ABOVE);
        conn.configure_window(window, &above).map_err(ended)?;
        conn.map_window(window).map_err(ended)?;
        Ok(())
    }

    fn make(&mut self) -> Result<Window, DisplayError> {
        let conn = &self.link.conn;
        let window = conn.generate_id().map_err(|error| DisplayError::Ended(error.to_string()))?;
        let aux = CreateWindowAux::new()
            .override_redirect(1)
            .background_pixel(screen::pixel_of(&self.link, COLOUR).unwrap_or_default())
            .border_pixel(0)
            .save_under(1);
        conn.create_window(
            x11rb::COPY_DEPTH_FROM_PARENT,
            window,
            self.link.root,
            0,
            0,
            1,
            1,
            0,
            WindowClass::INPUT_OUTPUT,
            x11rb::COPY_FROM_PARENT,
            &aux,
        )
        .map_err(ended)?;
        // Nothing of it takes clicks.
        conn.shape_rectangles(SO::SET, SK::INPUT, ClipOrdering::UNSORTED, window, 0, 0, &[])
            .map_err(ended)?;
        self.window = Some(window);
        Ok(window)
    }
}
