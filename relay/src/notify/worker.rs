//! A worker for each receiver: takes what is due from the outbox, has it sent, writes down what became of it.
//!
//! Nothing is kept here that isn't in the database: a relay that is killed sends again what it didn't write down, with
//! the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::AlarmNotice;
use nearhand_relay_core::notify::schedule::{self, DeliveryOutcome};
use nearhand_relay_core::notify::schedule::{DeliveryFate, PendingDelivery, SettledDelivery};
use nearhand_relay_core::notify::{alertmanager, digest, escalation};
use rand_core::{OsRng, RngCore};
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::config::{HttpEndpoint, ReceiverTarget};
use super::deliveries::Deliveries;
use super::sender::{ReceiverSender, api};
use crate::store::{AlarmWrite, Store, StoreError};

/// Deliveries to one receiver that are under way at once.
const ABREAST: usize = 8;
/// Notices that are read at once.
const PAGE: usize = 100;
/// Notices of one mail.
const DIGEST: usize = 2_000;
/// How long deliveries of one reading are begun: then what has become urgent meanwhile has its turn.
const SLICE: Duration = Duration::from_secs(1);
/// Most alarms that Alertmanager is told of; the worst, and of those the oldest.
const MAX_FIRING: usize = 20_000;
/// Most endings that are repeated to it.
const MAX_ENDINGS: usize = 5_000;
/// The database is looked at this often even when nothing happens: `receivers replay` writes there.
const LOOK: Duration = Duration::from_secs(5);
/// Alerts of one request to Alertmanager.
const ALERTS: usize = 500;

/// Starts a worker for each receiver.
pub fn start(
    store: &Store,
    senders: Vec<ReceiverSender>,
    deliveries: &Arc<Deliveries>,
) -> Vec<JoinHandle<()>> {
    senders
        .into_iter()
        .map(|sender| {
            let worker = DeliveryWorker {
                store: store.clone(),
                sender: Arc::new(sender),
                deliveries: Arc::clone(deliveries),
            };
            tokio::spawn(worker.run())
        })
        .collect()
}

struct DeliveryWorker {
    store: Store,
    sender: Arc<ReceiverSender>,
    deliveries: Arc<Deliveries>,
}

/// What to do after a round.
enum NextRound {
    /// Look again at once.
    Again,
    /// Wait for news, but no longer than this.
    Wait(Duration),
    /// Wait this long, even if there is news.
    Pause(Duration),
}

impl DeliveryWorker {
    async fn run(self) {
        let mut newest = self.store.newest_alarm();
        let (mut resend, mut sent) = (Instant::now(), None);
        loop {
            newest.borrow_and_update();
            let next = match self.round(&mut resend, &mut sent).await {
                Ok(next) => next,
                Err(error) => {
                    let name = self.sender.name();
                    tracing::warn!(receiver = name, error = %error.in_full(), "deliveries wait for the database");
                    NextRound::Pause(LOOK)
                }
            };
            match next {
                NextRound::Again => {}
                NextRound::Wait(most) => {
                    // The store is closed.
                    if let Ok(Err(_)) = timeout(most.min(LOOK), newest.changed()).await {
                        return;
                    }
                }
                NextRound::Pause(time) => sleep(time).await,
            }
        }
    }

    async fn round(
        &self,
        resend: &mut Instant,
        sent: &mut Option<UnixMillis>,
    ) -> Result<NextRound, StoreError> {
        if self.store.reader().disabled(self.sender.name()).await?.is_some() {
            return Ok(NextRound::Pause(LOOK));
        }
        match &self.sender.receiver.target {
            ReceiverTarget::Alertmanager(endpoint, every) => self.converge(endpoint, *every, resend).await,
            ReceiverTarget::Email(mail) => self.digest(mail.digest, sent).await,
            ReceiverTarget::Syslog(_) => self.together().await,
            ReceiverTarget::Mqtt(_) if self.sender.receiver.escalate_after.is_none() => self.together().await,
            ReceiverTarget::Webhook(..)
            | ReceiverTarget::Pagerduty(..)
            | ReceiverTarget::Otlp(_)
            | ReceiverTarget::Mqtt(_) => self.each().await,
        }
    }

    /// Each on its own, several at once; of one alarm in order.
    async fn each(&self) -> Result<NextRound, StoreError> {
        let due = self.store.reader().due(self.sender.name(), now(), true, PAGE).await?;
        if due.now.is_empty() {
            return Ok(wait_for(due.next));
        }
        let due = match self.sender.receiver.escalate_after {
            Some(delay) => self.unattended(due.now, delay).await?,
            None => due.now,
        };
        if due.is_empty() {
            return Ok(NextRound::Again);
        }
        let began = Instant::now();
        let mut tasks: JoinSet<(PendingDelivery, DeliveryOutcome)> = JoinSet::new();
        let mut done = Vec::new();
        for waiting in due {
            if tasks.len() >= ABREAST {
                done.extend(tasks.join_next().await.and_then(Result::ok));
            }
            if began.elapsed() >= SLICE {
                break;
            }
            let sender = Arc::clone(&self.sender);
            tasks.spawn(async move {
                let outcome = sender.one(&waiting.notice).await;
                (waiting, outcome)
            });
        }
        while let Some(joined) = tasks.join_next().await {
            done.extend(joined.ok());
        }
        self.settle(done).await
    }

    /// Those of the due whose alarms have stood unattended for long enough; the others are put off or passed over.
    async fn unattended(
        &self,
        due: Vec<PendingDelivery>,
        delay: Duration,
    ) -> Result<Vec<PendingDelivery>, StoreError> {
        let (reader, name, at) = (self.store.reader(), self.sender.name(), now());
        let (mut tell, mut settled) = (Vec::new(), Vec::new());
        for waiting in due {
            let notice = &waiting.notice;
            let told = reader.has_heard(name, notice).await?;
            let alarm = reader.alarm_itself(&notice.alarm.id).await?;
            let (fate, answer) = match escalation::step(notice, told, alarm.as_ref(), delay, at) {
                escalation::EscalationStep::Tell => {
                    tell.push(waiting);
                    continue;
                }
                escalation::EscalationStep::Wait(until) => {
                    (DeliveryFate::Again(until), "not yet: somebody may take care of it")
                }
                escalation::EscalationStep::Pass => {
                    (DeliveryFate::Passed, "somebody took care of it in time")
                }
            };
            let (receiver, number, attempts) = (name.to_owned(), notice.number, waiting.attempts);
            settled.push(SettledDelivery { receiver, number, attempts, fate, answer: answer.to_owned() });
        }
        if !settled.is_empty() {
            self.store.write_alarm(AlarmWrite::Settle(settled, at)).await?;
        }
        Ok(tell)
    }

    /// All that wait, of each alarm in order.
    async fn queue(&self, limit: usize) -> Result<Vec<PendingDelivery>, StoreError> {
        // Deliveries that are not due yet are read, too: nothing overtakes one that waits for its next try.
        Ok(self.store.reader().due(self.sender.name(), UnixMillis(u64::MAX), false, limit).await?.now)
    }

    /// All that wait, over one connection.
    async fn together(&self) -> Result<NextRound, StoreError> {
        let queue = self.queue(PAGE).await?;
        match digest::ready(&queue, Duration::ZERO, None) {
            Some(ready) if ready <= now() => self.send_together(queue).await,
            ready => Ok(wait_for(ready)),
        }
    }

    async fn send_together(&self, waiting: Vec<PendingDelivery>) -> Result<NextRound, StoreError> {
        let notices: Vec<&AlarmNotice> = waiting.iter().map(|waiting| &waiting.notice).collect();
        let outcome = self.sender.many(&notices).await;
        self.settle(waiting.into_iter().map(|waiting| (waiting, outcome.clone())).collect()).await
    }

    /// Collected, unless something is critical.
    async fn digest(
        &self,
        collect: Duration,
        sent: &mut Option<UnixMillis>,
    ) -> Result<NextRound, StoreError> {
        let queue = self.queue(DIGEST).await?;
        match digest::ready(&queue, collect, *sent) {
            Some(ready) if ready <= now() => {
                *sent = Some(now());
                self.send_together(queue).await
            }
            ready => Ok(wait_for(ready)),
        }
    }

    /// What has changed, and every so often the whole state.
    async fn converge(
        &self,
        endpoint: &HttpEndpoint,
        every: Duration,
        resend: &mut Instant,
    ) -> Result<NextRound, StoreError> {
        let reader = self.store.reader();
        let due = reader.due(self.sender.name(), UnixMillis(u64::MAX), false, PAGE).await?;
        let whole = Instant::now() >= *resend;
        if due.now.is_empty() && !whole {
            return Ok(NextRound::Wait(resend.saturating_duration_since(Instant::now())));
        }
        let alerts =
            if whole { self.whole_state(every).await? } else { self.changes(&due.now, every).await? };
        match self.push(endpoint, alerts).await {
            Ok(refused) => {
                if whole {
                    *resend = Instant::now() + every;
                }
                let done = due
                    .now
                    .into_iter()
                    .map(|waiting| {
                        let outcome = match refused.get(&waiting.notice.alarm.id.to_string()) {
                            Some(said) => DeliveryOutcome::Refused(said.clone()),
                            None => DeliveryOutcome::Delivered("in the state that was sent".to_owned()),
                        };
                        (waiting, outcome)
                    })
                    .collect();
                self.settle(done).await
            }
            Err(said) => {
                let outcome = DeliveryOutcome::Failed(said);
                self.deliveries.count(self.sender.name(), &outcome, 0);
                tracing::info!(receiver = self.sender.name(), answer = outcome.answer(), "not delivered yet");
                // What waits stays as it is: the state is sent again until the receiver takes it.
                Ok(NextRound::Pause(every.min(LOOK)))
            }
        }
    }

    /// Everything that fires, and what has ended lately.
    async fn whole_state(&self, every: Duration) -> Result<Vec<Value>, StoreError> {
        let (reader, at_least) = (self.store.reader(), self.sender.receiver.at_least);
        let firing = reader.told_alarms(at_least, MAX_FIRING).await?;
        if firing.len() >= MAX_FIRING {
            let name = self.sender.name();
            tracing::warn!(receiver = name, "more alarms fire than are sent: {MAX_FIRING}, the worst first");
        }
        let since = UnixMillis(now().0.saturating_sub(alertmanager::ENDED_FOR));
        let mut endings = reader.notices_since(since, alertmanager::ENDING, MAX_ENDINGS).await?;
        endings.retain(|notice| notice.alarm.told_worst >= Some(at_least));
        Ok(alertmanager::alerts(&firing, &endings, every, now()))
    }

    /// The alarms that notices are about, as they stand. The others were sent with the whole state.
    async fn changes(&self, due: &[PendingDelivery], every: Duration) -> Result<Vec<Value>, StoreError> {
        let reader = self.store.reader();
        let mut firing = BTreeMap::new();
        for waiting in due {
            let id = waiting.notice.alarm.id;
            let alarm = match firing.contains_key(&id) {
                true => None,
                false => reader.alarm_itself(&id).await?,
            };
            if let Some(alarm) = alarm.filter(|alarm| alarm.told.is_some()) {
                firing.insert(id, (alarm, waiting.notice.device_name.clone()));
            }
        }
        let mut endings: Vec<AlarmNotice> = due
            .iter()
            .map(|waiting| waiting.notice.clone())
            .filter(|notice| alertmanager::ENDING.contains(&notice.kind))
            .collect();
        endings.sort_by_key(|notice| notice.number);
        let firing: Vec<_> = firing.into_values().collect();
        Ok(alertmanager::alerts(&firing, &endings, every, now()))
    }

    /// Sends alerts in parts; a part that is refused is halved until those are found that are to blame.
    async fn push(
        &self,
        endpoint: &HttpEndpoint,
        alerts: Vec<Value>,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut refused = BTreeMap::new();
        // The last is sent next.
        let mut parts: Vec<Vec<Value>> = alerts.chunks(ALERTS).rev().map(<[Value]>::to_vec).collect();
        while let Some(mut part) = parts.pop() {
            let body = Value::Array(part.clone()).to_string();
            match self.sender.post(endpoint, body, Vec::new(), api).await {
                DeliveryOutcome::Delivered(_) => {}
                DeliveryOutcome::Refused(said) if part.len() == 1 => {
                    let id = part.first().and_then(|alert| alert.pointer("/labels/alarm_id")?.as_str());
                    refused.insert(id.unwrap_or_default().to_owned(), said);
                }
                DeliveryOutcome::Refused(_) => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push(rest);
                    parts.push(part);
                }
                DeliveryOutcome::Failed(said) | DeliveryOutcome::Gone(said) => return Err(said),
            }
        }
        Ok(refused)
    }

    /// Writes down what became of deliveries.
    async fn settle(&self, done: Vec<(PendingDelivery, DeliveryOutcome)>) -> Result<NextRound, StoreError> {
        let (at, name) = (now(), self.sender.name().to_owned());
        let mut settled: Vec<SettledDelivery> = Vec::with_capacity(done.len());
        let mut unhappy = BTreeSet::new();
        let mut gone = None;
        for (waiting, outcome) in &done {
            self.deliveries.count(&name, outcome, at.0.saturating_sub(waiting.notice.at.0));
            let retries = &self.sender.receiver.retries;
            settled.push(schedule::settle(&name, waiting, outcome, retries, at, OsRng.next_u32()));
            match outcome {
                DeliveryOutcome::Delivered(_) => {}
                DeliveryOutcome::Gone(said) => gone = Some(said.clone()),
                DeliveryOutcome::Failed(said) | DeliveryOutcome::Refused(said) => {
                    _ = unhappy.insert(said.clone());
                }
            }
        }
        for answer in unhappy.iter().take(3) {
            tracing::info!(receiver = name, answer, "not delivered");
        }
        let progress = settled.iter().any(|one| one.fate == DeliveryFate::Delivered);
        self.store.write_alarm(AlarmWrite::Settle(settled, at)).await?;
        if let Some(said) = gone {
            tracing::warn!(receiver = name, answer = said, "the receiver wants no more: disabled");
            self.store.write_alarm(AlarmWrite::Disable(name, said, at)).await?;
        }
        Ok(if progress || done.is_empty() {
            NextRound::Again
        } else {
            NextRound::Wait(LOOK.min(Duration::from_secs(1)))
        })
    }
}

fn wait_for(next: Option<UnixMillis>) -> NextRound {
    NextRound::Wait(next.map_or(LOOK, |at| Duration::from_millis(at.0.saturating_sub(now().0).max(1))))
}

fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}
