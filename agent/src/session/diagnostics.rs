//! A diagnostics run for the technician: progress and findings as they come, then the whole report.

use nearhand_proto::message::local::Activity;
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::{DiagnosticsEvent, FRAME_LIMIT, REPORT_PART};
use nearhand_report::redact;
use nearhand_transport::framed::{self, FrameError};
use quinn::{RecvStream, SendStream, StoppedError, VarInt};

use super::stream::ServedSession;
use crate::off_loop::off_loop;
use nearhand_diagnostics::{self as diagnostics, RunEvent, RunOptions};

/// Longest finding sent as it comes, in bytes; a longer one is in the report only.
const MAX_FINDING: usize = FRAME_LIMIT - 1024;

/// Runs the checks. The technician cancels them by closing the stream, and [`super::serve`] by dropping this.
pub(super) async fn run(
    serving: &ServedSession,
    set: CheckSet,
    send: &mut SendStream,
    recv: &mut RecvStream,
) {
    serving.did(Activity::Diagnoses);
    let cancelled = given_up(send.stopped(), recv);
    let outcome = tokio::select! {
        outcome = stream(serving, set, send) => outcome,
        // What drops the run here ends its child programs.
        () = cancelled => Err(FrameError::Closed),
    };
    serving.did(if outcome.is_ok() { Activity::Diagnosed } else { Activity::DiagnosisBroken });
    // An agent idles for days between two runs; memory goes back at the end of the session.
    redact::forget_rules();
}

/// Ends when the technician no longer wants the answer, which they can say in two ways: they stop reading, or
/// they reset their side of the stream. They send nothing here, so finishing their side says nothing.
async fn given_up(
    stopped: impl Future<Output = Result<Option<VarInt>, StoppedError>>,
    recv: &mut RecvStream,
) {
    let reset = async {
        let mut byte = [0; 1];
        loop {
            match recv.read(&mut byte).await {
                Ok(Some(_)) => {}
                Ok(None) => core::future::pending().await,
                Err(_) => return,
            }
        }
    };
    tokio::select! {
        _ = stopped => {}
        () = reset => {}
    }
}

async fn stream(serving: &ServedSession, set: CheckSet, send: &mut SendStream) -> Result<(), FrameError> {
    let options = RunOptions { device_id: serving.hub.identity.device().to_string(), ..RunOptions::new(set) };
    let (_run, mut events) = diagnostics::run(options);
    while let Some(event) = events.recv().await {
        let message = match event {
            RunEvent::Started { total } => {
                DiagnosticsEvent::Started { total: u32::try_from(total).unwrap_or(u32::MAX) }
            }
            RunEvent::Checking { id } => DiagnosticsEvent::Checking { id: id.to_string() },
            RunEvent::Finding(mut finding) => {
                let json = off_loop(move || {
                    redact::finding(&mut finding);
                    serde_json::to_string(&finding).ok()
                });
                match json.await {
                    Some(json) if json.len() <= MAX_FINDING => DiagnosticsEvent::Finding(json),
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
    serving: &ServedSession,
    send: &mut SendStream,
    mut report: nearhand_report::model::Report,
) -> Result<(), FrameError> {
    let (counts, findings) = (report.counts, report.findings.len());
    let json = off_loop(move || {
        redact::redact(&mut report);
        serde_json::to_vec(&report).ok()
    });
    let json = json.await.unwrap_or_default();
    let detail =
        format!("{findings} findings: {} fail, {} warn; {} bytes", counts.fail, counts.warn, json.len());
    serving.hub.note("agent", "diagnostics", Some(serving.session), detail);
    let parts = json.chunks(REPORT_PART).count();
    for (i, part) in json.chunks(REPORT_PART).enumerate() {
        let message = DiagnosticsEvent::Report { part: part.to_vec(), last: i + 1 == parts };
        framed::write(send, &message, FRAME_LIMIT).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use nearhand_proto::identity::SecretKey;
    use nearhand_transport::tls::{self, ConnectionPurpose, ExpectedKey, SERVER_NAME};
    use quinn::{Connection, Endpoint};
    use rand_core::OsRng;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// Both ends of a connection over the loopback interface, and what keeps them alive.
    async fn pair() -> (Connection, Connection, [Endpoint; 2]) {
        let (ours, theirs) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
        let server = tls::server(&ours, b"test", ConnectionPurpose::Control).unwrap();
        let server = Endpoint::server(server, ([127, 0, 0, 1], 0).into()).unwrap();
        let keep_alive = Duration::from_secs(5);
        let config = tls::client(
            &theirs,
            ExpectedKey::Key(ours.public()),
            b"test",
            ConnectionPurpose::Control,
            keep_alive,
        );
        let client = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        let connecting =
            client.connect_with(config.unwrap(), server.local_addr().unwrap(), SERVER_NAME).unwrap();
        let incoming = server.accept().await.unwrap();
        let (there, here) = tokio::join!(connecting, async { incoming.await.unwrap() });
        (here, there.unwrap(), [server, client])
    }

    /// Runs `leave` at the technician's end; whether the agent's end noticed that it was given up.
    async fn noticed(leave: impl FnOnce(&Connection, SendStream, RecvStream)) -> bool {
        let (here, there, _endpoints) = pair().await;
        let (mut to, from) = there.open_bi().await.unwrap();
        to.write_all(b"x").await.unwrap();
        let (send, mut recv) = here.accept_bi().await.unwrap();
        let watch = async {
            timeout(Duration::from_millis(300), given_up(send.stopped(), &mut recv)).await.unwrap_err();
            leave(&there, to, from);
            timeout(SOON, given_up(send.stopped(), &mut recv)).await.is_ok()
        };
        watch.await
    }

    #[tokio::test]
    async fn a_technician_who_leaves_is_noticed_at_once_and_not_at_the_next_finding() {
        // Ctrl-C drops both: quinn finishes the one and stops the other.
        assert!(noticed(|_, to, from| drop((to, from))).await);
        assert!(
            noticed(|_, mut to, from| {
                to.reset(VarInt::from_u32(1)).unwrap();
                // Still reading: the reset alone must do.
                core::mem::forget(from);
            })
            .await
        );
        assert!(noticed(|connection, _, _| connection.close(VarInt::from_u32(0), b"")).await);
    }
}
