//! Frames become operations on a canvas. Safe on any bytes: every rectangle is checked before it is used, memory
//! depends on the picture's size alone, and work on the length of the bytes and the size, whichever is less.

use thiserror::Error;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::canvas::Canvas;
use crate::format::{
    CACHED_TILES, COVER, FrameModel, HAS_SIDE_DATA, IS_FIRST, OPERATION, Operation, OperationHead, SEAL,
    VERSION, take_length,
};
use crate::geometry::{MAX_PIXELS, Point, Rect, Size};
use crate::picture::Picture;
use crate::range_coder::{RangeCoder, RangeDecoder};
use crate::{jpeg, photo};

/// Most bytes of memory that a decoder holds: the picture, kept tiles, the model of colours, and while it works one
/// rectangle and one JPEG picture, each at most as large as the picture.
pub const MAX_MEMORY: usize = 4 * MAX_PIXELS + CACHED_TILES * 4 * 64 * 64 + (4 << 20) + 12 * MAX_PIXELS;

/// Why a frame wasn't decoded. What the canvas shows is then no longer what the device shows: begin again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It begins with a version that isn't known here.
    #[error("the screen's frame has a format that this version doesn't know: update this program")]
    Version,
    /// No first frame came before it, or one before it failed.
    #[error("the screen's frame depends on one that is missing: start the screen view again")]
    Missing,
    /// The picture's size is none.
    #[error("the screen's frame claims a size of {0} x {1} pixels, which no screen has")]
    Size(u16, u16),
    /// It ends too early.
    #[error("the screen's frame ends too early: start the screen view again")]
    Short,
    /// Its bytes make no sense.
    #[error("the screen's frame is damaged: start the screen view again")]
    Damaged,
    /// It asks for more work than any frame needs.
    #[error("the screen's frame asks for more work than a frame may: start the screen view again")]
    Work,
}

/// Decodes the frames of one [`ScreenEncoder`](crate::ScreenEncoder), in order and none left out. A first frame of another
/// encoder starts over.
#[derive(Debug, Default)]
pub struct ScreenDecoder {
    state: Option<DecoderState>,
}

#[derive(Debug)]
struct DecoderState {
    model: FrameModel,
    /// What the canvas shows, except where it is a lossy picture.
    shown: Picture,
    kept: Vec<Box<[u32]>>,
    next_kept: usize,
    pixels: Vec<u32>,
    palette: PaletteBuilder,
}

impl ScreenDecoder {
    /// One that waits for a first frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// The picture's size, once known.
    pub fn size(&self) -> Option<Size> {
        self.state.as_ref().map(|state| state.shown.size())
    }

    /// Decodes one frame onto the canvas.
    ///
    /// # Errors
    /// See [`DecodeError`]; a part of the frame may be on the canvas. Only a first frame is taken after that.
    pub fn decode(&mut self, bytes: &[u8], canvas: &mut impl Canvas) -> Result<(), DecodeError> {
        let state = self.state.take();
        let (flags, rest) = bytes.split_first().ok_or(DecodeError::Short)?;
        if flags & 0xf0 != VERSION || flags & 0x0c != 0 {
            return Err(DecodeError::Version);
        }
        let (mut state, rest) = if flags & IS_FIRST == 0 {
            (state.ok_or(DecodeError::Missing)?, rest)
        } else {
            let ([w0, w1, h0, h1], rest) = rest.split_first_chunk().ok_or(DecodeError::Short)?;
            let (width, height) = (u16::from_le_bytes([*w0, *w1]), u16::from_le_bytes([*h0, *h1]));
            let size = Size::checked(width, height).ok_or(DecodeError::Size(width, height))?;
            canvas.resize(size);
            (DecoderState::new(size), rest)
        };
        let (coded, side_data) = if flags & HAS_SIDE_DATA == 0 {
            (rest, &[][..])
        } else {
            let (length, rest) = take_length(rest).ok_or(DecodeError::Short)?;
            rest.split_at_checked(length).ok_or(DecodeError::Short)?
        };
        state.frame(coded, side_data, canvas)?;
        self.state = Some(state);
        Ok(())
    }
}

/// The size that a first frame claims; `None` for any other, and for a size that no picture has.
pub fn first_size(frame: &[u8]) -> Option<Size> {
    let [flags, w0, w1, h0, h1] = *frame.first_chunk()?;
    let size = Size::checked(u16::from_le_bytes([w0, w1]), u16::from_le_bytes([h0, h1]));
    size.filter(|_| flags & IS_FIRST != 0)
}

impl DecoderState {
    fn new(size: Size) -> Self {
        Self {
            model: FrameModel::new(size),
            shown: Picture::black(size),
            kept: Vec::new(),
            next_kept: 0,
            pixels: Vec::new(),
            palette: PaletteBuilder::new(),
        }
    }

    fn frame(
        &mut self,
        coded: &[u8],
        mut side_data: &[u8],
        canvas: &mut impl Canvas,
    ) -> Result<(), DecodeError> {
        let mut reader = RangeDecoder::new(coded);
        let mut work = self.shown.size().pixels().saturating_add(1 << 16) * COVER;
        loop {
            let none = OperationHead { kind: Operation::End, rect: Rect::default() };
            let place = self.model.place(&mut reader, none);
            if reader.spent() {
                return Err(DecodeError::Short);
            }
            let place = place.ok_or(DecodeError::Damaged)?;
            work = work.checked_sub(place.rect.pixels() + OPERATION).ok_or(DecodeError::Work)?;
            let rect = place.rect;
            match place.kind {
                Operation::End => break,
                Operation::Copy => self.copy(&mut reader, rect, canvas)?,
                Operation::Keep => self.keep(rect),
                Operation::Restore => self.restore(&mut reader, rect, canvas)?,
                Operation::Fill => {
                    let colour = self.model.colours.colour(&mut reader, 0);
                    self.shown.fill(rect, colour);
                    canvas.fill(rect, colour);
                }
                Operation::Paint => self.paint(&mut reader, rect, canvas)?,
                Operation::Jpeg => {
                    let quality = self.model.quality(&mut reader, 0);
                    let data = self.side_data(&mut reader, &mut side_data)?;
                    lossy(rect, quality, data, canvas)?;
                }
                Operation::Photo => {
                    let data = self.side_data(&mut reader, &mut side_data)?;
                    self.photo(rect, data, canvas)?;
                }
            }
        }
        if reader.raw(8, 0) != SEAL || reader.spent() {
            return Err(DecodeError::Damaged);
        }
        // No encoder writes anything after the end.
        if reader.left() > 0 || !side_data.is_empty() { Err(DecodeError::Damaged) } else { Ok(()) }
    }

    fn copy(
        &mut self,
        reader: &mut RangeDecoder<'_>,
        target: Rect,
        canvas: &mut impl Canvas,
    ) -> Result<(), DecodeError> {
        let from = self.model.source(reader, target, Point::default()).ok_or(DecodeError::Damaged)?;
        let to = Point { x: target.x, y: target.y };
        self.shown.copy(from, to);
        canvas.copy(from, to);
        Ok(())
    }

    fn keep(&mut self, tile: Rect) {
        let mut pixels = Vec::with_capacity(tile.pixels());
        for y in tile.y..tile.y.saturating_add(tile.height) {
            pixels.extend_from_slice(self.shown.row(tile.x, y, tile.width));
        }
        let pixels = pixels.into_boxed_slice();
        match self.kept.get_mut(self.next_kept) {
            Some(place) => *place = pixels,
            None => self.kept.push(pixels),
        }
        self.next_kept = (self.next_kept + 1) % CACHED_TILES;
    }

    fn restore(
        &mut self,
        reader: &mut RangeDecoder<'_>,
        rect: Rect,
        canvas: &mut impl Canvas,
    ) -> Result<(), DecodeError> {
        let slot = self.model.slot(reader, 0);
        let kept = self.kept.get(slot).ok_or(DecodeError::Damaged)?;
        let own = self.model.grid.tile(self.model.grid.cell_at(rect.x, rect.y));
        if kept.len() != own.pixels() || !own.contains(rect) {
            return Err(DecodeError::Damaged);
        }
        self.pixels.clear();
        let skip = usize::from(rect.x - own.x);
        for line in kept.chunks_exact(own.width.into()).skip((rect.y - own.y).into()).take(rect.height.into())
        {
            self.pixels.extend_from_slice(line.get(skip..skip + usize::from(rect.width)).unwrap_or_default());
        }
        self.show(rect, canvas);
        Ok(())
    }

    fn paint(
        &mut self,
        reader: &mut RangeDecoder<'_>,
        rect: Rect,
        canvas: &mut impl Canvas,
    ) -> Result<(), DecodeError> {
        self.pixels.clear();
        self.pixels.resize(rect.pixels(), 0);
        if !self.model.colours.rectangle(reader, rect.width.into(), &mut self.pixels, 0) {
            return Err(DecodeError::Short);
        }
        self.show(rect, canvas);
        Ok(())
    }

    fn photo(&mut self, rect: Rect, data: &[u8], canvas: &mut impl Canvas) -> Result<(), DecodeError> {
        if data.len() < photo::least_bytes(rect.pixels()) {
            return Err(DecodeError::Short);
        }
        self.pixels.clear();
        self.pixels.resize(rect.pixels(), 0);
        photo::decode(rect.width.into(), &mut self.pixels, data)
            .map_err(|photo::TruncatedPhoto| DecodeError::Short)?;
        self.shown.put(rect, &self.pixels);
        canvas.pixels(rect, &self.pixels);
        Ok(())
    }

    /// Shows the pixels as an indexed picture if their colours are few.
    fn show(&mut self, rect: Rect, canvas: &mut impl Canvas) {
        self.shown.put(rect, &self.pixels);
        match self.palette.index(&self.pixels) {
            Some(([colour], _)) => canvas.fill(rect, *colour),
            Some((palette, indices)) => canvas.indexed(rect, palette, indices),
            None => canvas.pixels(rect, &self.pixels),
        }
    }

    fn side_data<'a>(
        &mut self,
        reader: &mut RangeDecoder<'_>,
        side_data: &mut &'a [u8],
    ) -> Result<&'a [u8], DecodeError> {
        let length = self.model.length(reader, 0);
        let (data, rest) = side_data.split_at_checked(length).ok_or(DecodeError::Short)?;
        *side_data = rest;
        Ok(data)
    }
}

/// A lossy picture, if there is enough of it.
fn lossy(rect: Rect, quality: u8, data: &[u8], canvas: &mut impl Canvas) -> Result<(), DecodeError> {
    if data.len() < jpeg::least_bytes(rect.width, rect.height) {
        return Err(DecodeError::Short);
    }
    let file = jpeg::with_header(quality, rect.width, rect.height, data);
    if !canvas.jpeg(rect, &file) {
        let pixels = jpeg_pixels(&file, rect.width, rect.height).ok_or(DecodeError::Damaged)?;
        canvas.pixels(rect, &pixels);
    }
    Ok(())
}

/// The pixels of a JPEG file of exactly that size, whose header is [`jpeg::with_header`]'s.
pub(crate) fn jpeg_pixels(file: &[u8], width: u16, height: u16) -> Option<Vec<u32>> {
    let options = DecoderOptions::default()
        .set_max_width(width.into())
        .set_max_height(height.into())
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    let bytes = decoder.decode().ok()?;
    let pixels: Vec<u32> = bytes
        .as_chunks::<3>()
        .0
        .iter()
        .map(|[r, g, b]| u32::from(*r) << 16 | u32::from(*g) << 8 | u32::from(*b))
        .collect();
    (pixels.len() == usize::from(width) * usize::from(height)).then_some(pixels)
}

/// Finds the colours of a picture.
struct PaletteBuilder {
    /// Colour and index by hash; a colour's generation in the upper byte says whether it belongs to this picture.
    table: Vec<(u32, u32)>,
    round: u32,
    colours: Vec<u32>,
    indices: Vec<u8>,
}

impl core::fmt::Debug for PaletteBuilder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PaletteBuilder({})", self.colours.len())
    }
}

impl PaletteBuilder {
    fn new() -> Self {
        Self { table: vec![(0, 0); 1024], round: 0, colours: Vec::new(), indices: Vec::new() }
    }

    /// Palette and indices; `None` with more than 256 colours.
    fn index(&mut self, pixels: &[u32]) -> Option<(&[u32], &[u8])> {
        self.round += 1;
        if self.round > 0x00ff_ffff {
            self.table.fill((0, 0));
            self.round = 1;
        }
        self.colours.clear();
        self.indices.clear();
        self.indices.reserve(pixels.len());
        let (mut last, mut last_index) = (u32::MAX, 0_u8);
        for pixel in pixels {
            if *pixel != last {
                last_index = self.place(*pixel)?;
                last = *pixel;
            }
            self.indices.push(last_index);
        }
        Some((&self.colours, &self.indices))
    }

    /// The index of a colour, a new one if need be.
    #[inline]
    fn place(&mut self, colour: u32) -> Option<u8> {
        let mut at = (colour.wrapping_mul(0x9e37_79b1) >> 22) as usize;
        loop {
            let (known, index) = self.table.get_mut(at)?;
            if *index >> 8 != self.round {
                let new = u8::try_from(self.colours.len()).ok()?;
                (*known, *index) = (colour, self.round << 8 | u32::from(new));
                self.colours.push(colour);
                return Some(new);
            }
            if *known == colour {
                return Some((*index & 0xff) as u8);
            }
            at = (at + 1) & 1023;
        }
    }
}
