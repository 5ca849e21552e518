//! The screen as bytes: pictures are compared with what the viewer has, what changed is coded small, and decoded
//! from bytes that nobody trusts.
//!
//! A crate of its own for two reasons: the relay has no use for it, and it is compiled optimised even in tests.
//! Pure: no socket, no clock, no display. Time is an argument.

pub mod canvas;
pub mod decode;
pub mod encode;
pub mod geometry;
pub mod pace;
pub mod picture;

mod colours;
mod format;
mod jpeg;
mod photo;
mod range;

pub use canvas::Canvas;
pub use decode::{DecodeError, Decoder, first_size};
pub use encode::{Coded, Encoder, How, Natural, Owes};
pub use geometry::{Point, Rect, Size};
pub use picture::Picture;
