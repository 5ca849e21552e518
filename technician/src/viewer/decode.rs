//! `nearhand decode`: the process that decodes the device's frames, and nothing else.
//!
//! Whoever controls the device chooses these bytes. What a flaw in a decoder could give them is this process, which
//! has no keys, no session and no files: its standard input and output are all it can reach, it can open nothing
//! further, start nothing and take no more than [`MEMORY`]. When it fails, its parent starts another.
//!
//! In: pieces, each a length (4 bytes, little-endian) and a [`Piece`]. Out: a length and a piece of the page's
//! operations ([`super::ops`]), or the length 0 after each frame.

use std::io::{self, BufReader, Read, Write};
use std::process::ExitCode;
use std::time::Instant;

use nearhand_screen::{Canvas, Decoder, Point, Rect, Size};
use nearhand_shared::message::screen::{FrameEnd, MAX_FRAME};
use nearhand_shared::wire;
use serde::{Deserialize, Serialize};

use super::ops::{FrameDone, Operations, PIECE};
use crate::platform;

/// Address space of the process, in bytes: the largest picture twice, the largest frame, what the decoder keeps of
/// earlier pictures, and the program.
pub const MEMORY: u64 = 1 << 30;
/// Longest piece in, in bytes.
pub const MAX_PIECE: usize = 64 * 1024;
/// Exit status: the bytes are no frame.
pub const NO_FRAME: u8 = 3;

/// What the process is given.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Piece {
    /// A new beginning: nothing is known of earlier pictures.
    Begin {
        /// Its number.
        round: u32,
    },
    /// A part of a frame, in order.
    Part {
        /// The frame's number.
        frame: u32,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Present in its last part.
        last: Option<FrameEnd>,
    },
}

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the bytes are no frame")]
    NoFrame,
}

/// Decodes until its input ends.
pub fn run() -> ExitCode {
    if let Err(error) = platform::confine(MEMORY) {
        // Without walls there is no decoding; the parent says so.
        let _ = writeln!(io::stderr(), "nearhand decode: can't give up rights: {error}");
        return ExitCode::FAILURE;
    }
    let mut input = BufReader::with_capacity(MAX_PIECE, io::stdin().lock());
    match decode(&mut input, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::NoFrame) => NO_FRAME.into(),
        Err(Stop::Io(_)) => ExitCode::FAILURE,
    }
}

fn decode(input: &mut impl Read, output: &mut impl Write) -> Result<(), Stop> {
    let mut decoder = Decoder::new();
    let mut done = FrameDone::default();
    let mut frame = Vec::new();
    let mut began = None;
    while let Some(piece) = next(input)? {
        match piece {
            Piece::Begin { round } => {
                decoder = Decoder::new();
                frame.clear();
                done.round = round;
            }
            Piece::Part { frame: number, bytes, last } => {
                let began = began.get_or_insert_with(Instant::now);
                if frame.len() + bytes.len() > MAX_FRAME {
                    return Err(Stop::NoFrame);
                }
                frame.extend_from_slice(&bytes);
                let Some(FrameEnd { waited, capture, encode, exact }) = last else { continue };
                let (arrival, started) = (micros(*began), Instant::now());
                let mut painting = Painting { operations: Operations::default(), output, broken: None };
                decoder.decode(&frame, &mut painting).map_err(|_| Stop::NoFrame)?;
                let bytes = u32::try_from(frame.len()).unwrap_or(u32::MAX);
                let decode = micros(started);
                done = FrameDone {
                    frame: number,
                    exact,
                    waited,
                    capture,
                    encode,
                    arrival,
                    decode,
                    bytes,
                    ..done
                };
                painting.operations.end(&done);
                painting.finish()?;
                frame.clear();
                // One large frame must not be remembered for good.
                frame.shrink_to(1 << 20);
            }
        }
        if frame.is_empty() {
            began = None;
        }
    }
    Ok(())
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

fn next(input: &mut impl Read) -> Result<Option<Piece>, Stop> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = usize::try_from(u32::from_le_bytes(length)).ok().filter(|length| *length <= MAX_PIECE);
    let mut bytes = vec![0; length.ok_or(Stop::NoFrame)?];
    input.read_exact(&mut bytes)?;
    wire::decode(&bytes).map(Some).map_err(|_| Stop::NoFrame)
}

/// Writes operations out as they come, in pieces.
struct Painting<'a, W> {
    operations: Operations,
    output: &'a mut W,
    broken: Option<io::Error>,
}

impl<W: Write> Painting<'_, W> {
    fn flow(&mut self) {
        if self.operations.len() >= PIECE && self.broken.is_none() {
            self.broken = self.pieces().err();
        }
    }

    fn pieces(&mut self) -> io::Result<()> {
        for piece in self.operations.take().chunks(PIECE) {
            let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
            self.output.write_all(&length.to_le_bytes())?;
            self.output.write_all(piece)?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        self.pieces()?;
        self.output.write_all(&[0; 4])?;
        self.output.flush()
    }
}

impl<W: Write> Canvas for Painting<'_, W> {
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
