//! What a recording proves: the device's signed heads are checked against its messages. Pure.
//!
//! A part begins with a head that covers no message and ends with a last head. Each head in between must match all
//! messages before it. Where a part has no last head, the messages after its newest one are not covered. A message
//! outside of all parts was inserted.

use nearhand_proto::credential::Credential;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::message::screen::FromScreen;
use nearhand_proto::recording_signature::{RecordingHash, ScreenHead};
use nearhand_proto::time::UnixMillis;

use super::format::{FormatError, RecordingChunk, RecordingTitle};

/// Most parts of a recording: a page that is reloaded every few seconds, all day.
const MAX_PARTS: usize = 10_000;

/// One part of a recording, as far as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingPart {
    /// Its number in the session.
    pub number: u32,
    /// When it began, by the device's clock.
    pub began: UnixMillis,
    /// How long it is, in milliseconds.
    pub millis: u32,
    /// Up to where it is signed, in milliseconds.
    pub signed: u32,
    /// Messages after the newest head.
    pub unsigned: u64,
    /// The device has signed that nothing follows in it.
    pub closed: bool,
}

/// Where a recording contradicts its signatures, and how.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("changed at frame {frame}, {at} ms after its beginning: {why}")]
pub struct TamperError {
    /// Frames before it in the whole recording, and this one.
    pub frame: u64,
    /// Playing time before it, in milliseconds.
    pub at: u64,
    /// What contradicts the signatures.
    pub why: TamperReason,
}

/// The ways in which a recording can contradict its signatures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TamperReason {
    /// The check doesn't fit.
    #[error("these bytes are not those that were written")]
    Check,
    /// The first chunk is no title, or a later one is.
    #[error("the title is missing, doubled, or was not signed by the technician whose credential it holds")]
    Title,
    /// Not the device's signature.
    #[error("the signature is not that of the device's key")]
    Signature,
    /// The device has signed other messages.
    #[error("what is here before this frame is not what the device has signed")]
    Content,
    /// Messages that belong to no part.
    #[error("messages stand where the device has signed that there are none")]
    Outside,
    /// Parts that can't be: of another session, or out of order.
    #[error("its parts are of another session or out of order")]
    Order,
}

/// What a recording proves.
#[derive(Clone, PartialEq, Debug)]
pub struct RecordingProof {
    /// The title, whose signature was checked.
    pub title: RecordingTitle,
    /// The credential of the technician who signed the title.
    pub technician: Credential,
    /// The parts of the recording, in order.
    pub parts: Vec<RecordingPart>,
    /// It ends in the middle of a chunk.
    pub torn: bool,
    /// Number of whole frames.
    pub frames: u64,
    /// The recording program's words on why it ends.
    pub remark: Option<String>,
}

impl RecordingProof {
    /// Playing time, in milliseconds.
    pub fn millis(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.millis)).sum()
    }

    /// Playing time that no signature covers, in milliseconds.
    pub fn uncovered(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.millis.saturating_sub(part.signed))).sum()
    }

    /// Numbers of parts that the device has begun and that are not here.
    pub fn missing(&self) -> u32 {
        let last = self.parts.last().map_or(0, |part| part.number);
        last.saturating_sub(u32::try_from(self.parts.len()).unwrap_or(u32::MAX))
    }

    /// Nothing is missing: all parts that were begun before the last one are here, and each to its signed end.
    pub fn is_whole(&self) -> bool {
        let closed = self.parts.iter().all(|part| part.closed && part.unsigned == 0);
        !self.torn && !self.parts.is_empty() && closed && self.missing() == 0
    }
}

/// Checks a recording chunk by chunk.
#[derive(Debug, Default)]
pub struct RecordingVerifier {
    title: Option<(RecordingTitle, Credential)>,
    parts: Vec<RecordingPart>,
    open: Option<RecordingHash>,
    frames: u64,
    remark: Option<String>,
}

impl RecordingVerifier {
    /// Checks the next chunk.
    ///
    /// # Errors
    /// [`TamperError`]: the chunk contradicts the device's signatures; it says at which frame and moment.
    pub fn add(&mut self, chunk: &RecordingChunk) -> Result<(), TamperError> {
        self.check(chunk).map_err(|why| self.changed(why))
    }

    /// All chunks were taken, up to the end or to where they can't be read.
    ///
    /// # Errors
    /// [`TamperError`]: the recording was changed where reading stopped, or it has no signed title.
    pub fn finish(self, end: Option<&FormatError>) -> Result<RecordingProof, TamperError> {
        let torn = match end {
            None => false,
            Some(FormatError::Torn) => true,
            Some(_) => return Err(self.changed(TamperReason::Check)),
        };
        let Self { title: Some((title, technician)), parts, frames, remark, .. } = self else {
            return Err(TamperError { frame: 0, at: 0, why: TamperReason::Title });
        };
        Ok(RecordingProof { title, technician, parts, torn, frames, remark })
    }

    fn changed(&self, why: TamperReason) -> TamperError {
        let at = self.parts.iter().map(|part| u64::from(part.millis)).sum();
        TamperError { frame: self.frames.saturating_add(1), at, why }
    }

    fn check(&mut self, chunk: &RecordingChunk) -> Result<(), TamperReason> {
        match (chunk, &self.title) {
            (RecordingChunk::Title(signed, credential), None) => {
                // Here only whether the credential's owner signed the title. Whether the credential counts is checked
                // before playing.
                let last = credential.links.last().and_then(|link| link.peek().ok());
                let title = last.and_then(|last| signed.open(&last.key).ok());
                self.title = Some((title.ok_or(TamperReason::Title)?, Credential::clone(credential)));
                Ok(())
            }
            (RecordingChunk::Title(..), Some(_)) | (_, None) => Err(TamperReason::Title),
            (RecordingChunk::Message(FromScreen::Head(head)), Some((title, _))) => {
                let (key, session) = (title.key, title.session);
                self.check_head(head, &key, session)
            }
            (RecordingChunk::Message(message), Some(_)) => self.check_message(message),
            (RecordingChunk::Remark(words), Some(_)) => {
                self.remark = Some(words.clone());
                Ok(())
            }
        }
    }

    fn check_message(&mut self, message: &FromScreen) -> Result<(), TamperReason> {
        let (Some(chain), Some(part)) = (&mut self.open, self.parts.last_mut()) else {
            return Err(TamperReason::Outside);
        };
        chain.take(message).map_err(|_| TamperReason::Content)?;
        part.unsigned += 1;
        match message {
            FromScreen::Clock(millis) if *millis < part.millis => return Err(TamperReason::Order),
            FromScreen::Clock(millis) => part.millis = *millis,
            FromScreen::Frame { last: Some(_), .. } => self.frames += 1,
            _ => {}
        }
        Ok(())
    }

    fn check_head(
        &mut self,
        signed: &Signed<ScreenHead>,
        key: &PublicKey,
        session: SessionId,
    ) -> Result<(), TamperReason> {
        let head = signed.open(key).map_err(|_| TamperReason::Signature)?;
        if head.session != session {
            return Err(TamperReason::Order);
        }
        let same = self.parts.last().is_some_and(|part| part.number == head.part);
        if head.messages == 0 && !head.last && !same {
            return self.begin(&head);
        }
        let (Some(chain), Some(part)) = (&self.open, self.parts.last_mut()) else {
            return Err(TamperReason::Outside);
        };
        if chain.head(head.millis, head.last) != head || head.millis < part.millis {
            return Err(TamperReason::Content);
        }
        (part.millis, part.signed, part.unsigned, part.closed) = (head.millis, head.millis, 0, head.last);
        if head.last {
            self.open = None;
        }
        Ok(())
    }

    fn begin(&mut self, head: &ScreenHead) -> Result<(), TamperReason> {
        let chain = RecordingHash::new(head.session, head.part, head.began);
        let follows = self.parts.last().is_none_or(|part| part.number < head.part);
        if !follows || head.part == 0 || self.parts.len() >= MAX_PARTS {
            return Err(TamperReason::Order);
        }
        if chain.head(head.millis, false) != *head {
            return Err(TamperReason::Content);
        }
        let (number, began) = (head.part, head.began);
        self.parts.push(RecordingPart { number, began, millis: 0, signed: 0, unsigned: 0, closed: false });
        (self.open, self.remark) = (Some(chain), None);
        Ok(())
    }
}
