//! A runbook's stream: what there is, one run, its progress and its outcome.
//!
//! A driver. Whether a run may begin is asked of [`crate::runbook`]; a stream that ends, for any reason, stops its
//! run, which then undoes what it can.

use nearhand_proto::message::runbook::{RunbookMessage, RunbookRequest};
use nearhand_proto::message::session::FRAME_LIMIT;
use nearhand_proto::runbook::RunRefusal;
use nearhand_transport::framed::{self, FrameError};
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;

use super::stream::ServedSession;
use crate::runbook::ActiveRun;

/// Requests that may wait.
const REQUESTS: usize = 4;

/// Serves the stream to its end.
pub(super) async fn run(serving: &ServedSession, send: &mut SendStream, recv: &mut RecvStream) {
    let (to_us, mut requests) = mpsc::channel(REQUESTS);
    let talk = talk(serving, send, &mut requests);
    tokio::select! {
        outcome = talk => {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a runbook's stream");
            }
        }
        // The technician has gone, or makes no sense: the run is dropped with the conversation, and stops.
        () = read(recv, to_us) => {}
    }
}

/// Reads what the technician says. Ends when they have gone; not cancel-safe, so it runs by itself.
async fn read(recv: &mut RecvStream, to: mpsc::Sender<RunbookRequest>) {
    while let Ok(request) = framed::read(recv, FRAME_LIMIT).await {
        if to.send(request).await.is_err() {
            return;
        }
    }
}

async fn talk(
    serving: &ServedSession,
    send: &mut SendStream,
    requests: &mut mpsc::Receiver<RunbookRequest>,
) -> Result<(), FrameError> {
    let (hub, runbooks) = (&serving.hub, &serving.runbooks);
    while let Some(request) = requests.recv().await {
        let answer = match request {
            RunbookRequest::List => {
                let attended = hub.read(|sessions, _| sessions.is_attended());
                RunbookMessage::Listed(runbooks.list(hub, attended))
            }
            RunbookRequest::Show(name) => match runbooks.show(hub, &name) {
                Ok(manifest) => RunbookMessage::Shown(Box::new(manifest)),
                Err(refused) => RunbookMessage::Refused(refused),
            },
            RunbookRequest::Cancel => RunbookMessage::Refused(RunRefusal::Protocol),
            RunbookRequest::Run { order, manifest } => {
                let (session, technician) = (serving.session, &serving.technician);
                let begun = runbooks.order(hub, session, technician, &order, manifest.as_deref()).await;
                match begun {
                    Ok(running) => return follow(running, send, requests).await,
                    Err(refused) => RunbookMessage::Refused(refused),
                }
            }
        };
        framed::write(send, &answer, FRAME_LIMIT).await?;
    }
    Ok(())
}

/// Tells what happens until it is over.
async fn follow(
    mut running: ActiveRun,
    send: &mut SendStream,
    requests: &mut mpsc::Receiver<RunbookRequest>,
) -> Result<(), FrameError> {
    loop {
        tokio::select! {
            told = running.told.recv() => {
                let Some(told) = told else { return Ok(()) };
                framed::write(send, &told, FRAME_LIMIT).await?;
                if matches!(told, RunbookMessage::Over(_)) {
                    return Ok(());
                }
            }
            Some(_) = requests.recv() => running.cancel("cancelled by the technician"),
        }
    }
}
