//! A recording's file: read, and proved.
//!
//! A driver: reads files, decides nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use nearhand_screen::{Size, first_size};

use super::format::{Chunk, FormatError, Reader};
use super::proof::{Changed, Proof, Verifier};
use super::timeline::{Act, Nonsense, Timeline};

/// Most places kept from which playing can begin.
const MOST_PLACES: usize = 4096;
/// Buffer for reading, in bytes.
const BUFFER: usize = 256 * 1024;

/// A recording's chunks.
pub type Chunks = Reader<BufReader<File>>;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No recording, or it can't be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It was changed.
    #[error("the recording was {0}")]
    Changed(#[from] Changed),
}

/// What was found out about a recording when it was read once.
#[derive(Debug)]
pub struct Survey {
    /// What it proves.
    pub proof: Proof,
    /// Whether its messages keep to the rules of the screen's stream; where they don't, nothing more is shown.
    pub sound: bool,
    /// Playing time, in milliseconds.
    pub millis: u64,
    /// The largest width and the largest height of its pictures; `None` without one.
    pub size: Option<Size>,
    /// Playing times from which a picture can be made, in milliseconds.
    pub places: Vec<u64>,
}

/// Opens a recording.
///
/// # Errors
/// [`FormatError`].
pub fn open(file: &Path) -> Result<Chunks, FormatError> {
    let file = File::open(file).map_err(FormatError::Io)?;
    Reader::new(BufReader::with_capacity(BUFFER, file))
}

/// Reads a whole recording and holds it against the device's word.
///
/// # Errors
/// [`SourceError`].
pub fn survey(file: &Path) -> Result<Survey, SourceError> {
    let mut chunks = open(file)?;
    let (mut verifier, mut looking, mut any) = (Verifier::default(), Looking::default(), false);
    let end = loop {
        match chunks.next() {
            Ok(Some(chunk)) => {
                verifier.take(&chunk)?;
                looking.look(chunk);
                any = true;
            }
            Ok(None) | Err(FormatError::Torn) if !any => return Err(FormatError::Torn.into()),
            Ok(None) => break None,
            Err(error @ FormatError::Io(_)) => return Err(error.into()),
            Err(error) => break Some(error),
        }
    };
    let proof = verifier.finish(end.as_ref())?;
    let Looking { timeline, sound, width, height, places } = looking;
    Ok(Survey {
        proof,
        sound: sound.is_ok(),
        millis: timeline.now(),
        size: Size::checked(width, height),
        places,
    })
}

/// What is to be known before anything is shown.
struct Looking {
    timeline: Timeline,
    sound: Result<(), Nonsense>,
    width: u16,
    height: u16,
    places: Vec<u64>,
}

impl Default for Looking {
    fn default() -> Self {
        Self { timeline: Timeline::default(), sound: Ok(()), width: 0, height: 0, places: Vec::new() }
    }
}

impl Looking {
    fn look(&mut self, chunk: Chunk) {
        if self.sound.is_err() {
            return;
        }
        match self.timeline.take(chunk) {
            Ok([Act::Begin, Act::Frame { part, .. }]) => {
                if self.places.len() < MOST_PLACES {
                    self.places.push(self.timeline.now());
                }
                if let Some(size) = first_size(&part) {
                    self.width = self.width.max(size.width);
                    self.height = self.height.max(size.height);
                }
            }
            Ok(_) => {}
            Err(nonsense) => self.sound = Err(nonsense),
        }
    }
}

/// What a recording shows, moment by moment.
#[derive(Debug)]
pub struct Showing {
    chunks: Chunks,
    timeline: Timeline,
    second: Option<Act>,
}

impl Showing {
    /// From the beginning.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn start(file: &Path) -> Result<Self, FormatError> {
        Ok(Self { chunks: open(file)?, timeline: Timeline::default(), second: None })
    }
}

/// The next act and when it is, in milliseconds; nothing at the end, and where nothing more makes sense.
impl Iterator for Showing {
    type Item = (u64, Act);

    fn next(&mut self) -> Option<(u64, Act)> {
        if let Some(second) = self.second.take() {
            return Some((self.timeline.now(), second));
        }
        loop {
            let chunk = self.chunks.next().ok()??;
            let [first, second] = self.timeline.take(chunk).ok()?;
            self.second = Some(second).filter(|second| *second != Act::Nothing);
            if first != Act::Nothing {
                return Some((self.timeline.now(), first));
            }
        }
    }
}
