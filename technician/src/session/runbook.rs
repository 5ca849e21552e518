//! A runbook on the device, as the technician follows it.

use std::time::Duration;

use nearhand_proto::identity::Signed;
use nearhand_proto::message::runbook::{RunbookEntry, RunbookMessage, RunbookRequest};
use nearhand_proto::message::session::StreamOpen;
use nearhand_proto::runbook::{Manifest, RunOrder, RunOutcome, RunRefusal, safe_note};
use nearhand_proto::text;
use tokio::time::timeout;

use super::handle::TechnicianSession;
use super::stream::{StreamError, StreamReceiver, StreamSender};
use crate::exit::{ExitCode, HasExitCode};

/// Longest silence of a run: the longest time that a runbook may take, and that of undoing it.
const SILENCE: Duration = Duration::from_secs(4000);
/// Longest wait for an answer that takes no work.
const ANSWER: Duration = Duration::from_secs(30);

/// Why a runbook did not run, or what came of it is not known.
#[derive(Debug, thiserror::Error)]
pub enum RunbookError {
    /// The stream is not possible, or no longer.
    #[error("{0}")]
    Stream(#[from] StreamError),
    /// The device doesn't run it.
    #[error("the device refuses: {0}")]
    Refused(RunRefusal),
    /// The device sent nothing for longer than a run may take.
    #[error("the device fell silent; order the same run again to learn what came of it")]
    Silent,
    /// The device sent what makes no sense.
    #[error("the device's answer makes no sense")]
    Nonsense,
}

impl HasExitCode for RunbookError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Stream(error) => error.exit_code(),
            Self::Refused(RunRefusal::Storage) => ExitCode::Full,
            Self::Refused(_) => ExitCode::RunbookRefused,
            Self::Silent => ExitCode::TimedOut,
            Self::Nonsense => ExitCode::Unexpected,
        }
    }
}

/// A runbook's stream.
#[derive(Debug)]
pub struct RunbookStream {
    sender: StreamSender,
    receiver: StreamReceiver,
}

impl TechnicianSession {
    /// Opens a runbook's stream; needs the grant.
    ///
    /// # Errors
    /// [`RunbookError`]: the agent refuses the stream, the connection is lost, or the session is over.
    pub async fn runbook(&self) -> Result<RunbookStream, RunbookError> {
        let (sender, receiver) = self.open_stream(&StreamOpen::Runbook, 0).await?;
        Ok(RunbookStream { sender, receiver })
    }
}

impl RunbookStream {
    async fn answer(&mut self, within: Duration) -> Result<RunbookMessage, RunbookError> {
        let heard = timeout(within, self.receiver.next()).await.map_err(|_| RunbookError::Silent)?;
        Ok(neutralised(heard?))
    }

    /// The runbooks that the device has.
    ///
    /// # Errors
    /// [`RunbookError`]: the device refuses, falls silent or answers something else, or the connection is lost.
    pub async fn list(&mut self) -> Result<Vec<RunbookEntry>, RunbookError> {
        self.sender.send(&RunbookRequest::List).await?;
        match self.answer(ANSWER).await? {
            RunbookMessage::Listed(list) => Ok(list),
            RunbookMessage::Refused(refused) => Err(RunbookError::Refused(refused)),
            _ => Err(RunbookError::Nonsense),
        }
    }

    /// The runbook of that name as the device has it.
    ///
    /// # Errors
    /// [`RunbookError`]: the device refuses, falls silent or shows another or an invalid runbook, or the
    /// connection is lost.
    pub async fn show(&mut self, name: &str) -> Result<Manifest, RunbookError> {
        self.sender.send(&RunbookRequest::Show(name.to_owned())).await?;
        match self.answer(ANSWER).await? {
            RunbookMessage::Shown(manifest) if manifest.check().is_empty() && manifest.name == name => {
                Ok(*manifest)
            }
            RunbookMessage::Refused(refused) => Err(RunbookError::Refused(refused)),
            _ => Err(RunbookError::Nonsense),
        }
    }

    /// Orders a run; what comes of it follows.
    ///
    /// # Errors
    /// [`RunbookError`]: the order can't be sent; the same order on a new stream tells what came of it.
    pub async fn order(
        &mut self,
        order: Signed<RunOrder>,
        manifest: Option<Signed<Manifest>>,
    ) -> Result<(), RunbookError> {
        let manifest = manifest.map(Box::new);
        Ok(self.sender.send(&RunbookRequest::Run { order: Box::new(order), manifest }).await?)
    }

    /// The next thing that happens. Not cancel-safe.
    ///
    /// # Errors
    /// [`RunbookError`]: the device falls silent, or the connection is lost; the same order tells what came of the
    /// run.
    pub async fn next(&mut self) -> Result<RunbookMessage, RunbookError> {
        self.answer(SILENCE).await
    }

    /// Both halves: one may be waited for while the other is used.
    pub fn halves(&mut self) -> (RunbookCancel<'_>, RunbookEvents<'_>) {
        (RunbookCancel(&mut self.sender), RunbookEvents(&mut self.receiver))
    }
}

/// Stops a run.
#[derive(Debug)]
pub struct RunbookCancel<'a>(&'a mut StreamSender);

impl RunbookCancel<'_> {
    /// Stops it; the outcome follows.
    ///
    /// # Errors
    /// [`RunbookError`]: the request can't be sent; the run may go on then.
    pub async fn cancel(&mut self) -> Result<(), RunbookError> {
        Ok(self.0.send(&RunbookRequest::Cancel).await?)
    }
}

/// What happens in a run.
#[derive(Debug)]
pub struct RunbookEvents<'a>(&'a mut StreamReceiver);

impl RunbookEvents<'_> {
    /// The next thing that happens. Not cancel-safe.
    ///
    /// # Errors
    /// [`RunbookError`]: the device falls silent, or the connection is lost; the same order tells what came of the
    /// run.
    pub async fn next(&mut self) -> Result<RunbookMessage, RunbookError> {
        let heard = timeout(SILENCE, self.0.next()).await.map_err(|_| RunbookError::Silent)?;
        Ok(neutralised(heard?))
    }
}

/// What the device wrote, made safe to show.
fn neutralised(heard: RunbookMessage) -> RunbookMessage {
    match heard {
        RunbookMessage::Saw(note) => RunbookMessage::Saw(safe_note(&note)),
        RunbookMessage::Refused(RunRefusal::Repeated(Some(outcome))) => {
            RunbookMessage::Refused(RunRefusal::Repeated(Some(Box::new(safe_outcome(&outcome)))))
        }
        RunbookMessage::Over(outcome) => RunbookMessage::Over(Box::new(safe_outcome(&outcome))),
        RunbookMessage::Listed(list) => RunbookMessage::Listed(
            list.into_iter()
                .map(|one| RunbookEntry {
                    name: text::one_line(&one.name, 64),
                    title: text::one_line(&one.title, 120),
                    ..one
                })
                .collect(),
        ),
        other => other,
    }
}

fn safe_outcome(outcome: &RunOutcome) -> RunOutcome {
    RunOutcome {
        why: text::one_line(&outcome.why, 300),
        runbook: text::one_line(&outcome.runbook, 64),
        notes: outcome.notes.iter().map(safe_note).collect(),
        ..outcome.clone()
    }
}
