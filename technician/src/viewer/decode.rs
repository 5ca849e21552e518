//! `nearhand decode`: the process that decodes the device's frames, and nothing else.
//!
//! The device chooses these bytes, and it may be in an attacker's hands. A flaw in a decoder would give the attacker
//! this process and nothing else: it has no keys, no session and no files. It reaches only its standard input and
//! output, can open and start nothing, and takes no more than [`MEMORY`]. When it fails, its parent starts another.
//!
//! In: pieces, each a length (4 bytes, little-endian) and a [`DecoderInput`]. Out: a length and a piece of the page's
//! operations ([`super::operations`]), or the length 0 after each frame. With `--png`, instead of operations, the
//! first frame that is exact as a PNG file.

use std::io::{self, BufReader, Read, Write};
use std::process::ExitCode;
use std::time::Instant;

use nearhand_proto::message::screen::{FrameEnd, MAX_FRAME};
use nearhand_proto::wire;
use nearhand_screen::{Canvas, Picture, Point, Rect, ScreenDecoder, Size};
use serde::{Deserialize, Serialize};

use super::operations::{FrameDone, PIECE, PageOperations};
use crate::platform;

/// Address space of the process, in bytes: the largest picture twice, the largest frame, what the decoder keeps of
/// earlier pictures, and the program.
pub const MEMORY: u64 = 1 << 30;
/// Longest piece in, in bytes.
pub const MAX_PIECE: usize = 64 * 1024;
/// Exit status: the bytes are no frame.
pub const NO_FRAME: u8 = 3;

/// What the process reads from its standard input.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum DecoderInput {
    /// A new beginning: nothing is known of earlier pictures.
    Begin {
        /// The epoch's number.
        epoch: u32,
    },
    /// A part of a frame, in order.
    Part {
        /// The frame's number.
        frame: u32,
        /// The part's bytes.
        bytes: Vec<u8>,
        /// Present in its last part.
        last: Option<FrameEnd>,
    },
}

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
enum DecodeStop {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the bytes are no frame")]
    NoFrame,
}

/// What is made of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecoderOutput {
    /// Operations for the page.
    Operations,
    /// One PNG file.
    Png,
}

/// Decodes until its input ends.
pub fn run(product: DecoderOutput) -> ExitCode {
    if let Err(error) = platform::confine(MEMORY) {
        // Without its limits the process must not decode; the parent tells the technician.
        let _ = writeln!(io::stderr(), "nearhand decode: can't give up rights: {error}");
        return ExitCode::FAILURE;
    }
    let mut input = BufReader::with_capacity(MAX_PIECE, io::stdin().lock());
    let mut output = io::stdout().lock();
    let decoded = match product {
        DecoderOutput::Operations => {
            decode(&mut input, |decoder, frame, done| operations(decoder, frame, done, &mut output))
        }
        DecoderOutput::Png => {
            let mut picture = Picture::black(Size { width: 1, height: 1 });
            decode(&mut input, |decoder, frame, done| file(decoder, frame, done, &mut picture, &mut output))
        }
    };
    match decoded {
        Ok(()) => ExitCode::SUCCESS,
        Err(DecodeStop::NoFrame) => NO_FRAME.into(),
        Err(DecodeStop::Io(_)) => ExitCode::FAILURE,
    }
}

fn decode(
    input: &mut impl Read,
    mut make: impl FnMut(&mut ScreenDecoder, &[u8], FrameDone) -> Result<(), DecodeStop>,
) -> Result<(), DecodeStop> {
    let (mut decoder, mut epoch) = (ScreenDecoder::new(), 0);
    let mut frame = Vec::new();
    let mut began = None;
    while let Some(piece) = next(input)? {
        match piece {
            DecoderInput::Begin { epoch: number } => {
                (decoder, epoch) = (ScreenDecoder::new(), number);
                frame.clear();
            }
            DecoderInput::Part { frame: number, bytes, last } => {
                let began = began.get_or_insert_with(Instant::now);
                if frame.len() + bytes.len() > MAX_FRAME {
                    return Err(DecodeStop::NoFrame);
                }
                frame.extend_from_slice(&bytes);
                let Some(FrameEnd { waited, capture, encode, exact }) = last else { continue };
                let bytes = u32::try_from(frame.len()).unwrap_or(u32::MAX);
                let arrival = micros(*began);
                let done = FrameDone {
                    epoch,
                    frame: number,
                    exact,
                    waited,
                    capture,
                    encode,
                    arrival,
                    decode: 0,
                    bytes,
                };
                make(&mut decoder, &frame, done)?;
                frame.clear();
                // Otherwise one large frame would hold its memory until the session ends.
                frame.shrink_to(1 << 20);
            }
        }
        if frame.is_empty() {
            began = None;
        }
    }
    Ok(())
}

fn operations(
    decoder: &mut ScreenDecoder,
    frame: &[u8],
    done: FrameDone,
    output: &mut impl Write,
) -> Result<(), DecodeStop> {
    let started = Instant::now();
    let mut painting = OperationWriter { operations: PageOperations::default(), output, broken: None };
    decoder.decode(frame, &mut painting).map_err(|_| DecodeStop::NoFrame)?;
    painting.operations.end(&FrameDone { decode: micros(started), ..done });
    painting.pieces()?;
    Ok(painting.finish()?)
}

fn file(
    decoder: &mut ScreenDecoder,
    frame: &[u8],
    done: FrameDone,
    picture: &mut Picture,
    output: &mut impl Write,
) -> Result<(), DecodeStop> {
    decoder.decode(frame, picture).map_err(|_| DecodeStop::NoFrame)?;
    if done.exact {
        let mut bytes = Vec::new();
        png(picture, &mut bytes).map_err(|_| DecodeStop::NoFrame)?;
        pieces(&bytes, output)?;
    }
    output.write_all(&[0; 4])?;
    Ok(output.flush()?)
}

fn png(picture: &Picture, to: &mut Vec<u8>) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(to, picture.size().width.into(), picture.size().height.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let rgb: Vec<u8> =
        picture.pixels().iter().flat_map(|pixel| pixel.to_be_bytes().into_iter().skip(1)).collect();
    encoder.write_header()?.write_image_data(&rgb)
}

fn pieces(bytes: &[u8], output: &mut impl Write) -> io::Result<()> {
    for piece in bytes.chunks(PIECE) {
        let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
        output.write_all(&length.to_le_bytes())?;
        output.write_all(piece)?;
    }
    Ok(())
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

fn next(input: &mut impl Read) -> Result<Option<DecoderInput>, DecodeStop> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = usize::try_from(u32::from_le_bytes(length)).ok().filter(|length| *length <= MAX_PIECE);
    let mut bytes = vec![0; length.ok_or(DecodeStop::NoFrame)?];
    input.read_exact(&mut bytes)?;
    wire::decode(&bytes).map(Some).map_err(|_| DecodeStop::NoFrame)
}

/// Writes operations out as they come, in pieces.
struct OperationWriter<'a, W> {
    operations: PageOperations,
    output: &'a mut W,
    broken: Option<io::Error>,
}

impl<W: Write> OperationWriter<'_, W> {
    fn flow(&mut self) {
        if self.operations.len() >= PIECE && self.broken.is_none() {
            self.broken = self.pieces().err();
        }
    }

    fn pieces(&mut self) -> io::Result<()> {
        pieces(&self.operations.take(), self.output)
    }

    fn finish(self) -> io::Result<()> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.output.write_all(&[0; 4])?;
        self.output.flush()
    }
}

impl<W: Write> Canvas for OperationWriter<'_, W> {
    fn resize(&mut self, size: Size) {
        self.operations.resize(size);
    }

    fn copy(&mut self, from: Rect, to: Point) {
        self.operations.copy(from, to);
        self.flow();
    }

    fn fill(&mut self, rect: Rect, color: u32) {
        self.operations.fill(rect, color);
        self.flow();
    }

    fn indexed(&mut self, rect: Rect, palette: &[u32], indices: &[u8]) {
        self.operations.indexed(rect, palette, indices);
        self.flow();
    }

    fn pixels(&mut self, rect: Rect, pixels: &[u32]) {
        self.operations.pixels(rect, pixels);
        self.flow();
    }

    fn jpeg(&mut self, rect: Rect, data: &[u8]) -> bool {
        let taken = self.operations.jpeg(rect, data);
        self.flow();
        taken
    }
}
