//! A recording's file: read, and proved.
//!
//! A driver: reads files, decides nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use nearhand_screen::{Size, first_size};

use super::format::{FormatError, RecordingChunk, RecordingReader};
use super::proof::{RecordingProof, RecordingVerifier, TamperError};
use super::timeline::{PlaybackStep, PlaybackTimeline, TimelineError};

/// Most seek_points kept from which playing can begin.
const MOST_SEEK_POINTS: usize = 4096;
/// Buffer for reading, in bytes.
const BUFFER: usize = 256 * 1024;

/// A recording's chunks.
pub type Chunks = RecordingReader<BufReader<File>>;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No recording, or it can't be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It was changed.
    #[error("the recording was {0}")]
    Changed(#[from] TamperError),
}

/// What a first reading of a recording has found.
#[derive(Debug)]
pub struct RecordingSurvey {
    /// What the recording proves.
    pub proof: RecordingProof,
    /// Whether its messages keep to the rules of the screen's stream; where they don't, nothing more is shown.
    pub sound: bool,
    /// Playing time, in milliseconds.
    pub millis: u64,
    /// The largest width and the largest height of its pictures; `None` without one.
    pub size: Option<Size>,
    /// Playing times from which a picture can be made, in milliseconds.
    pub seek_points: Vec<u64>,
}

/// Opens a recording.
///
/// # Errors
/// [`FormatError`]: the file can't be opened or read, is no recording, or is of another version.
pub fn open(file: &Path) -> Result<Chunks, FormatError> {
    let file = File::open(file).map_err(FormatError::Io)?;
    RecordingReader::new(BufReader::with_capacity(BUFFER, file))
}

/// Reads a whole recording and checks the device's signatures.
///
/// # Errors
/// [`SourceError`]: the file can't be read, holds no whole chunk, or contradicts the device's signatures.
pub fn survey(file: &Path) -> Result<RecordingSurvey, SourceError> {
    let mut chunks = open(file)?;
    let (mut verifier, mut survey, mut any) = (RecordingVerifier::default(), SurveyBuilder::default(), false);
    let end = loop {
        match chunks.next() {
            Ok(Some(chunk)) => {
                verifier.add(&chunk)?;
                survey.add(chunk);
                any = true;
            }
            Ok(None) | Err(FormatError::Torn) if !any => return Err(FormatError::Torn.into()),
            Ok(None) => break None,
            Err(error @ FormatError::Io(_)) => return Err(error.into()),
            Err(error) => break Some(error),
        }
    };
    let proof = verifier.finish(end.as_ref())?;
    let SurveyBuilder { timeline, sound, width, height, seek_points } = survey;
    Ok(RecordingSurvey {
        proof,
        sound: sound.is_ok(),
        millis: timeline.now(),
        size: Size::checked(width, height),
        seek_points,
    })
}

/// Collects a survey chunk by chunk.
struct SurveyBuilder {
    timeline: PlaybackTimeline,
    sound: Result<(), TimelineError>,
    width: u16,
    height: u16,
    seek_points: Vec<u64>,
}

impl Default for SurveyBuilder {
    fn default() -> Self {
        Self {
            timeline: PlaybackTimeline::default(),
            sound: Ok(()),
            width: 0,
            height: 0,
            seek_points: Vec::new(),
        }
    }
}

impl SurveyBuilder {
    fn add(&mut self, chunk: RecordingChunk) {
        if self.sound.is_err() {
            return;
        }
        match self.timeline.add(chunk) {
            Ok([PlaybackStep::Begin, PlaybackStep::Frame { part, .. }]) => {
                if self.seek_points.len() < MOST_SEEK_POINTS {
                    self.seek_points.push(self.timeline.now());
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
pub struct RecordingPlayback {
    chunks: Chunks,
    timeline: PlaybackTimeline,
    second: Option<PlaybackStep>,
}

impl RecordingPlayback {
    /// From the beginning.
    ///
    /// # Errors
    /// [`FormatError`]: the file can't be opened or read, is no recording, or is of another version.
    pub fn start(file: &Path) -> Result<Self, FormatError> {
        Ok(Self { chunks: open(file)?, timeline: PlaybackTimeline::default(), second: None })
    }
}

/// The next act and when it is, in milliseconds; nothing at the end, and where nothing more makes sense.
impl Iterator for RecordingPlayback {
    type Item = (u64, PlaybackStep);

    fn next(&mut self) -> Option<(u64, PlaybackStep)> {
        if let Some(second) = self.second.take() {
            return Some((self.timeline.now(), second));
        }
        loop {
            let chunk = self.chunks.next().ok()??;
            let [first, second] = self.timeline.add(chunk).ok()?;
            self.second = Some(second).filter(|second| *second != PlaybackStep::Nothing);
            if first != PlaybackStep::Nothing {
                return Some((self.timeline.now(), first));
            }
        }
    }
}
