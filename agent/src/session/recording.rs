//! The device's part in a recording of its screen: the person is told, it is written down, and what is sent is signed.
//!
//! A driver. Begun and ended by the technician's word ([`FromViewer::Recording`]), which their program gives before
//! the first frame that it keeps. The agent hashes and signs, not the desktop process, which runs with a user's
//! rights and has no key.
//!
//! [`FromViewer::Recording`]: nearhand_proto::message::screen::FromViewer::Recording

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::id::SessionId;
use nearhand_proto::message::screen::FromScreen;
use nearhand_proto::recording_signature::RecordingHash;

use super::stream::ServedSession;
use crate::hub::Hub;

/// What passed is signed this long after it at the latest.
const SIGNED_WITHIN: Duration = Duration::from_secs(10);
/// And this long after the last message: a screen that rests is covered.
const AT_REST: Duration = Duration::from_secs(1);

/// Whether the technician records.
#[derive(Default)]
pub(super) struct SignedRecording(Option<RecordedPart>);

/// One part of a recording.
struct RecordedPart {
    chain: RecordingHash,
    began: Instant,
    /// Time told last.
    clock: u32,
    /// A frame's parts are on their way: nothing comes between them.
    in_frame: bool,
    /// Since when something has passed that isn't signed, and when something passed last.
    unsigned: Option<(Instant, Instant)>,
    told: RecordingNotice,
}

/// Says that it is over, however it ends.
struct RecordingNotice {
    hub: Arc<Hub>,
    session: SessionId,
    actor: String,
}

impl Drop for RecordingNotice {
    fn drop(&mut self) {
        self.hub.update(|sessions, now| sessions.recording_ended(now, self.session, &self.actor));
    }
}

/// It could not be written down, or the key can't sign: the stream has to end.
pub(super) struct NotWritten;

impl SignedRecording {
    /// The technician's word that they record from now on, or no longer. What is to be sent at once.
    pub(super) async fn order(
        &mut self,
        serving: &ServedSession,
        on: bool,
    ) -> Result<Option<FromScreen>, NotWritten> {
        if on == self.0.is_some() {
            return Ok(None);
        }
        if !on {
            return self.last();
        }
        let (hub, session) = (serving.hub.clone(), serving.session);
        let (begun, in_force) = hub.propose(|sessions, _| sessions.begin_recording(session, &serving.actor));
        let (_, part) = begun.map_err(|_| NotWritten)?;
        let told = RecordingNotice { hub, session, actor: serving.actor.clone() };
        in_force.wait().await.map_err(|_| NotWritten)?;
        let chain = RecordingHash::new(session, part, Hub::now());
        let began = Instant::now();
        let part = RecordedPart { chain, began, clock: 0, in_frame: false, unsigned: None, told };
        let first = part.sign(false)?;
        self.0 = Some(part);
        Ok(Some(first))
    }

    /// What is sent before a message: the time, where it has changed. Both are hashed.
    pub(super) fn passes(&mut self, message: &FromScreen) -> Result<Option<FromScreen>, NotWritten> {
        let Some(part) = &mut self.0 else { return Ok(None) };
        let millis = part.millis();
        let mut clock = None;
        if !part.in_frame && millis != part.clock {
            part.clock = millis;
            clock = Some(FromScreen::Clock(millis));
        }
        for message in clock.iter().chain([message]) {
            part.chain.take(message).map_err(|_| NotWritten)?;
        }
        part.in_frame = matches!(message, FromScreen::Frame { last: None, .. });
        let now = Instant::now();
        part.unsigned = Some((part.unsigned.map_or(now, |(since, _)| since), now));
        Ok(clock)
    }

    /// When [`SignedRecording::head`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let part = self.0.as_ref().filter(|part| !part.in_frame)?;
        part.unsigned.map(|(since, last)| (since + SIGNED_WITHIN).min(last + AT_REST))
    }

    /// The device's word for all that has passed.
    pub(super) fn head(&mut self) -> Result<Option<FromScreen>, NotWritten> {
        let Some(part) = &mut self.0 else { return Ok(None) };
        part.unsigned = None;
        part.sign(false).map(Some)
    }

    /// The part's last word.
    pub(super) fn last(&mut self) -> Result<Option<FromScreen>, NotWritten> {
        self.0.take().map(|part| part.sign(true)).transpose()
    }
}

impl RecordedPart {
    fn millis(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    fn sign(&self, last: bool) -> Result<FromScreen, NotWritten> {
        let head = self.chain.head(self.millis(), last);
        self.told.hub.identity.key().sign(&head).map(FromScreen::Head).map_err(|_| NotWritten)
    }
}
