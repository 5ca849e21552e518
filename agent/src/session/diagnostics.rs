//! A diagnostics run for the technician: progress and findings as they come, then the whole report.

use nearhand_shared::message::session::{DiagnosticsEvent, FRAME_LIMIT, REPORT_PART};
use nearhand_shared::report::model::CheckSet;
use nearhand_shared::report::redact;
use nearhand_shared::transport::framed::{self, FrameError};
use quinn::{RecvStream, SendStream};

use super::serve::Serving;
use crate::diagnostics::{self, RunEvent, RunOptions};

/// Longest finding sent as it comes, in bytes; a longer one is in the report only.
const MAX_FINDING: usize = FRAME_LIMIT - 1024;

/// Runs the checks; closing the stream at the other end cancels them.
pub(super) async fn run(serving: &Serving, set: CheckSet, send: &mut SendStream, recv: &mut RecvStream) {
    let (hub, session) = (&serving.hub, serving.session);
    hub.activity(session, "diagnostics are running");
    let cancelled = async {
        // The technician sends nothing here: any end of their side of the stream but a plain one cancels.
        let mut byte = [0; 1];
        loop {
            match recv.read(&mut byte).await {
                Ok(Some(_)) => {}
                Ok(None) => core::future::pending().await,
                Err(_) => return,
            }
        }
    };
    let outcome = tokio::select! {
        outcome = stream(serving, set, send) => outcome,
        () = cancelled => Err(FrameError::Closed),
    };
    let text = match outcome {
        Ok(()) => "diagnostics are done; the report was sent",
        Err(_) => "diagnostics were broken off",
    };
    hub.activity(session, text);
    // An agent idles for days between two runs.
    redact::forget_rules();
    crate::platform::give_back_memory();
}

async fn stream(serving: &Serving, set: CheckSet, send: &mut SendStream) -> Result<(), FrameError> {
    let options = RunOptions { device_id: serving.hub.device().to_string(), ..RunOptions::new(set) };
    let (_run, mut events) = diagnostics::run(options);
    while let Some(event) = events.recv().await {
        let message = match event {
            RunEvent::Started { total } => {
                DiagnosticsEvent::Started { total: u32::try_from(total).unwrap_or(u32::MAX) }
            }
            RunEvent::Checking { id } => DiagnosticsEvent::Checking { id: id.to_string() },
            RunEvent::Finding(mut finding) => {
                redact::finding(&mut finding);
                match serde_json::to_string(&finding) {
                    Ok(json) if json.len() <= MAX_FINDING => DiagnosticsEvent::Finding(json),
                    _ => continue,
                }
            }
            RunEvent::Finished(report) => return finish(serving, send, *report).await,
        };
        framed::write(send, &message, FRAME_LIMIT).await?;
    }
    let failed = DiagnosticsEvent::Failed("the run ended without a report".to_owned());
    framed::write(send, &failed, FRAME_LIMIT).await
}

async fn finish(
    serving: &Serving,
    send: &mut SendStream,
    mut report: nearhand_shared::report::model::Report,
) -> Result<(), FrameError> {
    redact::redact(&mut report);
    let counts = report.counts;
    let json = serde_json::to_vec(&report).unwrap_or_default();
    let detail = format!(
        "{} findings: {} fail, {} warn; {} bytes",
        report.findings.len(),
        counts.fail,
        counts.warn,
        json.len()
    );
    // The run was allowed and is over; a log that is full now refuses the next one.
    let _ = serving.hub.audit("agent", "diagnostics", Some(serving.session), detail);
    let parts = json.chunks(REPORT_PART).count();
    for (i, part) in json.chunks(REPORT_PART).enumerate() {
        let message = DiagnosticsEvent::Report { part: part.to_vec(), last: i + 1 == parts };
        framed::write(send, &message, FRAME_LIMIT).await?;
    }
    Ok(())
}
