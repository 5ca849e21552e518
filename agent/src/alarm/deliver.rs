//! To the relay: what waits in the spool, oldest first, until the relay says that it is on its disk.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::alarm::{AlarmBatch, MonitoringHello, ShutdownNotice};
use nearhand_proto::message::control::{RelayRefusal, RelayReply, RelayRequest};
use nearhand_proto::text::chain;
use nearhand_transport::control::{RelayConnection, RelayError, backoff};
use rand_core::{OsRng, RngCore};
use tokio::time::{sleep, timeout};

use super::handle::AlarmsHandle;
use crate::hub::Hub;

/// Longest wait before a batch is tried again.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// A relay that takes no alarms is asked again this rarely.
const REFUSED_RETRY: Duration = Duration::from_secs(600);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(800);

/// Sends whenever there is something to send and somebody to send it to; ends when the agent stops.
pub(crate) async fn run(hub: Arc<Hub>, alarms: Arc<AlarmsHandle>) {
    let mut relay = hub.relay.watch();
    loop {
        let connection = relay.borrow_and_update().clone();
        let gone = async {
            // An error means that the hub is gone, which is the same.
            let _ = relay.changed().await;
        };
        tokio::select! {
            () = serve(&hub, &alarms, connection) => return,
            () = gone => {}
            () = hub.stopped() => return,
        }
    }
}

/// Serves one connection; returns only when the alarms have ended.
async fn serve(hub: &Hub, alarms: &AlarmsHandle, connection: Option<RelayConnection>) {
    let Some(connection) = connection else { return core::future::pending().await };
    alarms.clock_ahead(hub.identity.clock_ahead_ms());
    let mut progress = alarms.progress();
    let mut introduced = None;
    let mut attempt = 0;
    loop {
        let now = *progress.borrow_and_update();
        let monitoring = MonitoringHello { stream: now.stream, profile: now.profile };
        match send(alarms, &connection, monitoring, &mut introduced).await {
            Ok(()) => {
                attempt = 0;
                alarms.delivered(None);
                if progress.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "alarms wait for the relay");
                alarms.delivered(Some(explained(&error)));
                if let RelayError::Refused(RelayRefusal::ForeignStream) = error {
                    alarms.is_foreign(monitoring.stream);
                }
                let wait = wait(&error, attempt, OsRng.next_u32());
                attempt = attempt.saturating_add(1);
                sleep(wait).await;
            }
        }
    }
}

/// How long to wait after the `attempt`th failure in a row (from 0).
fn wait(error: &RelayError, attempt: u32, random: u32) -> Duration {
    let least = Duration::from_secs(1);
    match error {
        RelayError::Refused(RelayRefusal::NotAllowed) => REFUSED_RETRY,
        RelayError::Refused(RelayRefusal::TooMany { seconds }) => {
            Duration::from_secs((*seconds).into()).clamp(least, REFUSED_RETRY)
        }
        // The next try is in another stream.
        RelayError::Refused(RelayRefusal::ForeignStream) if attempt == 0 => Duration::ZERO,
        _ => backoff(attempt, MAX_WAIT, random).max(least),
    }
}

/// What is wrong and what to do, for people.
fn explained(error: &RelayError) -> String {
    match error {
        RelayError::Refused(RelayRefusal::NotAllowed) => {
            "the relay takes no alarms: update it; they are kept here until then".to_owned()
        }
        other => chain(other),
    }
}

/// Sends everything that waits.
async fn send(
    alarms: &AlarmsHandle,
    connection: &RelayConnection,
    monitoring: MonitoringHello,
    introduced: &mut Option<MonitoringHello>,
) -> Result<(), RelayError> {
    if *introduced != Some(monitoring) {
        match connection.ask(&RelayRequest::Monitoring(monitoring)).await? {
            RelayReply::AlarmsStored { stream, through } if stream == monitoring.stream => {
                alarms.relay_has(stream, through);
            }
            _ => return Err(RelayError::Protocol("it answered something else than was asked")),
        }
        *introduced = Some(monitoring);
    }
    while let Some(batch) = alarms.batch().await {
        if batch.stream != monitoring.stream {
            // It has just changed: the next round says so first.
            return Ok(());
        }
        confirm(alarms, connection, batch).await?;
    }
    Ok(())
}

async fn confirm(
    alarms: &AlarmsHandle,
    connection: &RelayConnection,
    batch: AlarmBatch,
) -> Result<(), RelayError> {
    let (stream, first) = (batch.stream, batch.records.first().map_or(0, |record| record.seq));
    match connection.ask(&RelayRequest::Alarms(batch)).await? {
        RelayReply::AlarmsStored { stream: of, through } if of == stream && through >= first => {
            alarms.acknowledged(stream, through);
            Ok(())
        }
        RelayReply::AlarmsStored { .. } => {
            Err(RelayError::Protocol("it confirmed other alarms than it was sent"))
        }
        _ => Err(RelayError::Protocol("it answered something else than was asked")),
    }
}

/// Tells the relay that silence will follow; a relay that can't be told finds out by itself.
pub(crate) async fn say_goodbye(hub: &Hub, leaving: ShutdownNotice) {
    let Some(connection) = hub.relay.connection() else { return };
    match timeout(GOODBYE, connection.done(&RelayRequest::ShuttingDown(leaving))).await {
        Ok(Ok(())) => tracing::info!(?leaving, "the relay knows that this machine leaves"),
        Ok(Err(error)) => tracing::debug!(error = chain(&error), "the goodbye was not taken"),
        Err(_) => tracing::debug!("the relay did not answer the goodbye in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_as_long_as_the_relay_says_within_limits() {
        let refused = |refusal| RelayError::Refused(refusal);
        let busy = |seconds| wait(&refused(RelayRefusal::TooMany { seconds }), 0, 7).as_secs();
        assert_eq!((busy(0), busy(20), busy(u32::MAX)), (1, 20, 600));
        assert_eq!(wait(&refused(RelayRefusal::ForeignStream), 0, 7), Duration::ZERO);
        let (again, down) =
            (wait(&refused(RelayRefusal::ForeignStream), 3, 7), wait(&refused(RelayRefusal::Storage), 3, 7));
        assert_eq!(again, down);
        assert!(again >= Duration::from_secs(1) && again <= MAX_WAIT);
    }
}
