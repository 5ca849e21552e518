//! A recording as bytes: the messages of the screen's stream, in order, with the device's signatures. Pure: bytes in,
//! chunks out, and back.
//!
//! ```text
//! "nearhand-recording-1\n"
//! chunk: length (4 bytes, little-endian), one message in the wire's encoding, check (8 bytes)
//! chunk: …
//! ```
//!
//! The check is the beginning of the SHA-256 of the check's whole hash before it, the length and the message: a byte
//! that a disk has lost is found where it is. It does not stop an attacker who rewrites the file; the device's
//! signatures do ([`super::proof`]). Chunks are only ever appended: what is there after a crash counts.

use std::io::{self, Read};

use nearhand_proto::credential::Credential;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::{PublicKey, Signed, Statement};
use nearhand_proto::message::screen::FromScreen;
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire::{self, WireError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The first bytes of a recording; the number is the format's version.
pub const MAGIC: &[u8; 21] = b"nearhand-recording-1\n";
/// What all versions begin with.
const FAMILY: &[u8] = b"nearhand-recording-";
/// Largest message in a chunk, in bytes: the largest of a session's stream, and room.
pub const MAX_CHUNK: usize = 72 * 1024;
/// Bytes of a check.
const CHECK: usize = 8;
/// Largest recording, in bytes: what every file system takes in one file.
pub const MAX_FILE: u64 = 4_000_000_000;
/// Longest remark, in characters.
pub const MAX_REMARK: usize = 300;

/// The title of a recording: session, device and technician. Signed by the technician's key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RecordingTitle {
    /// The session that was recorded.
    pub session: SessionId,
    /// When the recording was begun, by the technician's clock.
    pub began: UnixMillis,
    /// The device's name as the organisation signed it, or what it calls itself.
    pub device: String,
    /// The key that the device has proved in the session's handshake, and signs with.
    pub key: PublicKey,
    /// What the organisation says of that key; in a session by support code there is nothing.
    pub credential: Option<Credential>,
    /// The technician's name, as their credential has it.
    pub technician: String,
    /// The technician's organisation.
    pub organisation: PublicKey,
    /// The organisation's name, as the technician's profile has it.
    pub organisation_name: String,
    /// Version of the program that recorded.
    pub program: String,
}

impl Statement for RecordingTitle {
    const CONTEXT: &'static str = "recording title";
}

/// A chunk. Grows by variants at its end, as messages do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RecordingChunk {
    /// The title, and the credential of the technician who signed it; only the first chunk is one.
    Title(Signed<RecordingTitle>, Box<Credential>),
    /// A message of the screen's stream.
    Message(FromScreen),
    /// Why it is cut here, in the recording program's words.
    Remark(String),
}

/// Why bytes are no recording, or no further.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Some other file.
    #[error("this is not a recording of Nearhand")]
    Other,
    /// A later version's.
    #[error("this recording was made by a later version of Nearhand: update this one")]
    Version,
    /// It ends in the middle of a chunk, or in zeros: the program or the machine that wrote it stopped.
    #[error("the recording ends in the middle of a chunk")]
    Torn,
    /// A chunk isn't what was written.
    #[error("a chunk of the recording was changed")]
    Changed,
    /// It can't be read.
    #[error("the recording can't be read")]
    Io(#[source] io::Error),
}

/// The running hash behind the checks.
#[derive(Clone, Debug)]
struct ChunkChecks([u8; 32]);

impl ChunkChecks {
    fn new() -> Self {
        Self(Sha256::digest(MAGIC).into())
    }

    fn next(&mut self, length: [u8; 4], message: &[u8]) -> [u8; CHECK] {
        let hash = Sha256::new().chain_update(self.0).chain_update(length).chain_update(message);
        self.0 = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        [a, b, c, d, e, f, g, h]
    }
}

/// Turns chunks into the bytes of a recording.
#[derive(Debug)]
pub struct ChunkWriter(ChunkChecks);

impl ChunkWriter {
    /// A recording's beginning.
    #[allow(clippy::new_without_default, reason = "what it makes must go behind the magic bytes")]
    pub fn new() -> Self {
        Self(ChunkChecks::new())
    }

    /// The bytes to append.
    ///
    /// # Errors
    /// [`WireError::TooLong`]: the chunk is longer than the format allows.
    pub fn chunk(&mut self, chunk: &RecordingChunk) -> Result<Vec<u8>, WireError> {
        let mut bytes = wire::frame(chunk, MAX_CHUNK)?;
        if let Some((length, message)) = bytes.split_first_chunk() {
            let check = self.0.next(*length, message);
            bytes.extend_from_slice(&check);
        }
        Ok(bytes)
    }
}

/// Reads a recording chunk by chunk and holds each against its check.
#[derive(Debug)]
pub struct RecordingReader<R> {
    input: R,
    checks: ChunkChecks,
    message: Vec<u8>,
}

impl<R: Read> RecordingReader<R> {
    /// Reads the first bytes.
    ///
    /// # Errors
    /// [`FormatError`]: the file can't be read, is no recording, is of another version, or ends too early.
    pub fn new(mut input: R) -> Result<Self, FormatError> {
        let mut magic = [0; MAGIC.len()];
        let read = fill(&mut input, &mut magic)?;
        let begins = magic.get(..read).unwrap_or_default();
        if begins != MAGIC {
            return Err(match begins {
                // Nothing but the beginning was written.
                _ if !begins.is_empty() && MAGIC.starts_with(begins) => FormatError::Torn,
                _ if begins.starts_with(FAMILY) => FormatError::Version,
                _ => FormatError::Other,
            });
        }
        Ok(Self { input, checks: ChunkChecks::new(), message: Vec::new() })
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// [`FormatError`]: the file can't be read, ends in the middle of a chunk, or was changed. Nothing can be read
    /// after it.
    #[allow(clippy::should_implement_trait, reason = "after an error nothing follows")]
    pub fn next(&mut self) -> Result<Option<RecordingChunk>, FormatError> {
        let mut length = [0; 4];
        match fill(&mut self.input, &mut length)? {
            0 => return Ok(None),
            4 if length == [0; 4] => return Err(self.zeros()?),
            4 => {}
            _ => return Err(FormatError::Torn),
        }
        let size = wire::frame_len(length, MAX_CHUNK).map_err(|_| FormatError::Changed)?;
        self.message.resize(size, 0);
        let mut check = [0; CHECK];
        if fill(&mut self.input, &mut self.message)? < size || fill(&mut self.input, &mut check)? < CHECK {
            return Err(FormatError::Torn);
        }
        if self.checks.next(length, &self.message) != check {
            return Err(FormatError::Changed);
        }
        wire::decode(&self.message).map(Some).map_err(|_| FormatError::Changed)
    }

    /// A file system that lost power may leave zeros where the end was being written.
    fn zeros(&mut self) -> Result<FormatError, FormatError> {
        let mut block = [0; 4096];
        loop {
            let read = fill(&mut self.input, &mut block)?;
            if block.iter().any(|byte| *byte != 0) {
                return Ok(FormatError::Changed);
            }
            if read < block.len() {
                return Ok(FormatError::Torn);
            }
        }
    }
}

/// Reads until the buffer is full or there is no more; how much there was.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, FormatError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FormatError::Io(error)),
        }
    }
    Ok(filled)
}
