//! The screen as bytes: pictures are compared with what the viewer has, what changed is coded small, and decoded
//! from bytes that nobody trusts.
//!
//! A separate crate for two reasons: the relay has no use for it, and it is compiled optimised even in tests.
//! Pure: no socket, no clock, no display. Time is an argument.

pub mod canvas;
pub mod decode;
pub mod encode;
pub mod geometry;
pub mod pace;
pub mod picture;

mod bit_writer;
mod colour_model;
mod format;
mod grid;
mod jpeg;
mod photo;
mod pixel_layout;
mod range_coder;
mod table;

pub use canvas::Canvas;
pub use decode::{DecodeError, ScreenDecoder, first_size};
pub use encode::{EncodedFrame, FrameSettings, PendingUpdates, PhotoQuality, ScreenEncoder};
pub use geometry::{Point, Rect, Size};
pub use picture::Picture;
pub use pixel_layout::PixelLayout;
