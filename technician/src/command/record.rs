//! `nearhand connect --record`: begins the file with its title, records the session, and says what became of the file.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::text;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::clock;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::recording::format::{RecordingChunk, RecordingTitle};
use crate::recording::recorded_session::RecordedSession;
use crate::recording::recorder::{RecordingFile, ScreenRecorder};
use crate::session::{SessionUpdate, TechnicianSession};

/// Updates that may wait.
const QUEUE: usize = 64;
/// Longest wait until the file is complete.
const PATIENCE: Duration = Duration::from_secs(10);

/// A recording whose title is written.
pub(super) struct BegunRecording(ScreenRecorder);

/// Begins the recording of a session that has just been opened.
pub(super) fn begin(
    ctx: &CommandContext,
    session: &TechnicianSession,
    place: RecordingFile,
) -> Result<BegunRecording, CommandFailure> {
    let identity = ctx.home()?.identity()?;
    let (key, credential) = session.proved();
    let title = RecordingTitle {
        session: session.id(),
        began: clock::now(),
        device: session.device().name.clone(),
        key,
        credential,
        technician: identity.name().to_owned(),
        organisation: identity.profile.organisation,
        organisation_name: text::one_line(&identity.profile.organisation_name, 64),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let signed = identity.key.sign(&title)?;
    let title = RecordingChunk::Title(signed, Box::new(identity.profile.credential));
    Ok(BegunRecording(place.begin(&title)?))
}

impl BegunRecording {
    /// The session for the viewer, its updates with remarks on the recording, and the recorder.
    pub(super) fn around(
        self,
        session: Arc<TechnicianSession>,
        mut updates: mpsc::Receiver<SessionUpdate>,
    ) -> (Arc<RecordedSession<TechnicianSession>>, mpsc::Receiver<SessionUpdate>, ScreenRecorder) {
        let (remark, mut remarks) = mpsc::channel(QUEUE);
        let (to, merged) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            loop {
                let update = tokio::select! {
                    biased;
                    Some(remark) = remarks.recv() => SessionUpdate::Remark(remark),
                    update = updates.recv() => match update {
                        Some(update) => update,
                        None => return,
                    },
                };
                if to.send(update).await.is_err() {
                    return;
                }
            }
        });
        let Self(recorder) = self;
        let link = RecordedSession::new(session, recorder.sender(), remark);
        (Arc::new(link), merged, recorder)
    }
}

/// Says what became of the file.
pub(super) async fn finish(ctx: &CommandContext, recorder: ScreenRecorder) -> Result<(), CommandFailure> {
    let path = std::path::absolute(recorder.path()).unwrap_or_else(|_| recorder.path().to_owned());
    let path = path.display().to_string();
    let Ok(outcome) = timeout(PATIENCE, recorder.ended()).await else {
        return Err(CommandFailure::new(ExitCode::Local, format!("{path} is still being written")));
    };
    if let Some(why) = &outcome.stopped {
        ctx.output.warn(&format!("the recording stopped before the session did: {path}: {why}"));
    }
    if ctx.output.is_json() {
        let (bytes, stopped) = (outcome.bytes, outcome.stopped);
        let event =
            serde_json::json!({"event": "recorded", "file": path, "bytes": bytes, "stopped": stopped});
        ctx.output.json(&event)?;
    } else {
        let size = outcome.bytes.div_ceil(1000);
        ctx.output.note(&format!("Recorded in {path} ({size} kB). `nearhand play` verifies and plays it."));
    }
    Ok(())
}
