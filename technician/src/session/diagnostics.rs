//! A diagnostics run on the device, as the technician follows it.

use std::time::Duration;

use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::{DiagnosticsEvent, REPORT_LIMIT, SessionRefusal, StreamOpen};
use nearhand_proto::text;
use nearhand_report::model::{Finding, Report};
use nearhand_report::parse::{self, ParseError};
use nearhand_transport::framed::FrameError;
use tokio::time::timeout;

use super::handle::TechnicianSession;
use super::stream::StreamError;
use crate::exit::{ExitCode, HasExitCode};

/// A run is tried again after a lost connection, this often.
const TRIES: u32 = 3;
/// Longest silence of a run: the slowest check's time and more.
const SILENCE: Duration = Duration::from_secs(60);

/// Progress of a diagnostics run.
#[derive(Clone, Debug)]
pub enum DiagnosticsProgress {
    /// The number of checks that will run.
    Started(u32),
    /// A check is under way.
    Checking(String),
    /// A check has come out.
    Finding(Box<Finding>),
    /// The connection was lost; the run starts again.
    Again,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosticsError {
    /// The agent refused.
    #[error("{0}")]
    Refused(SessionRefusal),
    /// The grant ended, or the session did, while it ran.
    #[error("the run was cut off: the grant or the session ended")]
    CutOff,
    /// The agent could not finish it.
    #[error("the device could not finish the run: {0}")]
    Failed(String),
    /// The report makes no sense.
    #[error("the device's report can't be read: {0}")]
    Report(#[from] ParseError),
    /// More than a report may have.
    #[error("the device sent more than a report may have ({REPORT_LIMIT} bytes): cut off")]
    TooLarge,
    /// The agent's messages make no sense.
    #[error("the agent's answer makes no sense")]
    Protocol(#[source] FrameError),
}

impl HasExitCode for DiagnosticsError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(refusal) => ExitCode::of_refusal(refusal),
            Self::CutOff => ExitCode::SessionLost,
            Self::Failed(_) | Self::TooLarge | Self::Protocol(_) | Self::Report(_) => ExitCode::Unexpected,
        }
    }
}

enum DiagnosticsAttemptError {
    /// Worth another try on another connection.
    Connection,
    Final(DiagnosticsError),
}

impl TechnicianSession {
    /// Runs diagnostics; needs the grant. After a lost connection the run starts again.
    ///
    /// # Errors
    /// [`DiagnosticsError`]: the agent refuses, the run fails or is cut off, or its report is too large or can't
    /// be read.
    pub async fn diagnose(
        &self,
        set: CheckSet,
        mut progress: impl FnMut(DiagnosticsProgress),
    ) -> Result<Report, DiagnosticsError> {
        for _ in 0..TRIES {
            let connection = self.connection().await.ok_or(DiagnosticsError::CutOff)?;
            match self.run(set, &mut progress).await {
                Ok(report) => return Ok(report),
                Err(DiagnosticsAttemptError::Final(error)) => return Err(error),
                Err(DiagnosticsAttemptError::Connection) => progress(DiagnosticsProgress::Again),
            }
            // Until the loss is noticed everywhere, the old connection still seems to stand.
            connection.closed().await;
        }
        Err(DiagnosticsError::CutOff)
    }

    async fn run(
        &self,
        set: CheckSet,
        progress: &mut impl FnMut(DiagnosticsProgress),
    ) -> Result<Report, DiagnosticsAttemptError> {
        let (_sender, mut receiver) = self.open_stream(&StreamOpen::Diagnostics { set }, 0).await?;
        let mut json = Vec::new();
        loop {
            let event = timeout(SILENCE, receiver.next()).await;
            let silent =
                || DiagnosticsAttemptError::Final(DiagnosticsError::Failed("it fell silent".to_owned()));
            match event.map_err(|_| silent())?? {
                DiagnosticsEvent::Started { total } => progress(DiagnosticsProgress::Started(total)),
                DiagnosticsEvent::Checking { id } => {
                    progress(DiagnosticsProgress::Checking(text::one_line(&id, 64)));
                }
                DiagnosticsEvent::Finding(json) => {
                    // Only for the eye; the report is what counts.
                    if let Ok(finding) = serde_json::from_str(&json) {
                        progress(DiagnosticsProgress::Finding(Box::new(finding)));
                    }
                }
                DiagnosticsEvent::Report { part, last } => {
                    if json.len() + part.len() > REPORT_LIMIT {
                        return Err(DiagnosticsAttemptError::Final(DiagnosticsError::TooLarge));
                    }
                    json.extend_from_slice(&part);
                    if last {
                        return parse::parse(&json).map_err(|e| DiagnosticsAttemptError::Final(e.into()));
                    }
                }
                DiagnosticsEvent::Failed(why) => {
                    let why = text::one_line(&why, 200);
                    return Err(DiagnosticsAttemptError::Final(DiagnosticsError::Failed(why)));
                }
            }
        }
    }
}

impl From<StreamError> for DiagnosticsAttemptError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Lost => Self::Connection,
            StreamError::Refused(refusal) => Self::Final(DiagnosticsError::Refused(refusal)),
            StreamError::NotGranted | StreamError::DisplayGone | StreamError::Over => {
                Self::Final(DiagnosticsError::CutOff)
            }
            StreamError::Protocol(error) => Self::Final(DiagnosticsError::Protocol(error)),
        }
    }
}
