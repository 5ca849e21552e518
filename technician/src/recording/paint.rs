//! `nearhand paint`: the process that makes pictures of a recording's frames, and nothing else.
//!
//! It has the same limits as the process that decodes for the viewer ([`crate::viewer::decode`]), for the same
//! reason: the device chose these bytes. That process hands JPEG pictures on to the browser; this one turns
//! everything into pixels.
//!
//! In: tasks, each a length (4 bytes, little-endian) and a [`PaintTask`]. Out, for each [`PaintTask::Show`]: width
//! and height (2 bytes each) and rows of red, green, blue.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use nearhand_proto::message::screen::MAX_FRAME;
use nearhand_proto::wire;
use nearhand_screen::{Picture, ScreenDecoder, Size};
use serde::{Deserialize, Serialize};

use crate::platform;
use crate::viewer::decode::{MAX_PIECE, MEMORY, NO_FRAME};

/// A task for the painting process.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum PaintTask {
    /// A new beginning: nothing is known of earlier pictures.
    Begin,
    /// A part of a frame, in order.
    Part {
        /// The part's bytes.
        bytes: Vec<u8>,
        /// The frame is whole with it.
        is_last: bool,
    },
    /// The picture is wanted as it is now.
    Show,
}

enum PaintStop {
    Io,
    NoFrame,
}

impl From<io::Error> for PaintStop {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

/// Paints until its input ends.
pub fn run() -> ExitCode {
    if let Err(error) = platform::confine(MEMORY) {
        // Without its limits the process must not decode; the parent tells the technician.
        let _ = writeln!(io::stderr(), "nearhand paint: can't give up rights: {error}");
        return ExitCode::FAILURE;
    }
    let mut input = BufReader::with_capacity(MAX_PIECE, io::stdin().lock());
    match paint(&mut input, &mut BufWriter::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(PaintStop::NoFrame) => NO_FRAME.into(),
        Err(PaintStop::Io) => ExitCode::FAILURE,
    }
}

fn paint(input: &mut impl Read, output: &mut impl Write) -> Result<(), PaintStop> {
    let mut decoder = ScreenDecoder::new();
    let mut picture = Picture::black(Size { width: 1, height: 1 });
    let mut frame = Vec::new();
    while let Some(task) = next(input)? {
        match task {
            PaintTask::Begin => {
                decoder = ScreenDecoder::new();
                frame.clear();
            }
            PaintTask::Part { bytes, is_last } => {
                if frame.len() + bytes.len() > MAX_FRAME {
                    return Err(PaintStop::NoFrame);
                }
                frame.extend_from_slice(&bytes);
                if is_last {
                    decoder.decode(&frame, &mut picture).map_err(|_| PaintStop::NoFrame)?;
                    frame.clear();
                    // Otherwise one large frame would hold its memory to the end.
                    frame.shrink_to(1 << 20);
                }
            }
            PaintTask::Show => show(&picture, output)?,
        }
    }
    Ok(())
}

fn show(picture: &Picture, output: &mut impl Write) -> io::Result<()> {
    let Size { width, height } = picture.size();
    output.write_all(&width.to_le_bytes())?;
    output.write_all(&height.to_le_bytes())?;
    let mut line = Vec::new();
    for y in 0..height {
        line.clear();
        line.extend(picture.row(0, y, width).iter().flat_map(|pixel| {
            let [_, red, green, blue] = pixel.to_be_bytes();
            [red, green, blue]
        }));
        output.write_all(&line)?;
    }
    output.flush()
}

fn next(input: &mut impl Read) -> Result<Option<PaintTask>, PaintStop> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let size = wire::frame_len(length, MAX_PIECE).map_err(|_| PaintStop::NoFrame)?;
    let mut bytes = vec![0; size];
    input.read_exact(&mut bytes)?;
    wire::decode(&bytes).map(Some).map_err(|_| PaintStop::NoFrame)
}
