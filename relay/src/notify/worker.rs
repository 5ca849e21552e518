//! A worker for each receiver: takes what is due from the outbox, has it sent, writes down what became of it.
//!
//! Nothing is kept here that isn't in the database: a relay that is killed sends again what it didn't write down, with
//! the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::Kind;
use nearhand_relay_core::alarm::Notice;
use nearhand_relay_core::notify::schedule::{self, Outcome};
use nearhand_relay_core::notify::schedule::{Fate, Settled, Waiting};
use nearhand_relay_core::notify::{alertmanager, escalation};
use rand_core::{OsRng, RngCore};
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::config::{Endpoint, Target};
use super::deliveries::Deliveries;
use super::sender::{Sender, api};
use crate::store::{AlarmWrite, Store, StoreError};

/// Deliveries to one receiver that are under way at once.
const ABREAST: usize = 8;
/// Notices that are read at once.
const PAGE: usize = 100;
/// The database is looked at this often even when nothing happens: `receivers replay` writes there.
const LOOK: Duration = Duration::from_secs(5);
/// Alerts of one request to Alertmanager.
const ALERTS: usize = 500;

/// Starts a worker for each receiver.
pub fn start(store: &Store, senders: Vec<Sender>, deliveries: &Arc<Deliveries>) -> Vec<JoinHandle<()>> {
    senders
        .into_iter()
        .map(|sender| {
            let worker =
                Worker { store: store.clone(), sender: Arc::new(sender), deliveries: Arc::clone(deliveries) };
            tokio::spawn(worker.run())
        })
        .collect()
}

struct Worker {
    store: Store,
    sender: Arc<Sender>,
    deliveries: Arc<Deliveries>,
}

/// What to do after a round.
enum Next {
    /// Look again at once.
    Again,
    /// Wait for news, but no longer than this.
    Wait(Duration),
    /// Wait this long, whatever happens.
    Pause(Duration),
}

impl Worker {
    async fn run(self) {
        let mut newest = self.store.newest_alarm();
        let mut resend = Instant::now();
        loop {
            newest.borrow_and_update();
            let next = match self.round(&mut resend).await {
                Ok(next) => next,
                Err(error) => {
                    let name = self.sender.name();
                    tracing::warn!(receiver = name, error = %error.in_full(), "deliveries wait for the database");
                    Next::Pause(LOOK)
                }
            };
            match next {
                Next::Again => {}
                Next::Wait(most) => {
                    // The store is closed.
                    if let Ok(Err(_)) = timeout(most.min(LOOK), newest.changed()).await {
                        return;
                    }
                }
                Next::Pause(time) => sleep(time).await,
            }
        }
    }

    async fn round(&self, resend: &mut Instant) -> Result<Next, StoreError> {
        if self.store.reader().disabled(self.sender.name()).await?.is_some() {
            return Ok(Next::Pause(LOOK));
        }
        match &self.sender.receiver.target {
            Target::Alertmanager(endpoint, every) => self.converge(endpoint, *every, resend).await,
            Target::Email(mail) => self.digest(mail.digest).await,
            Target::Syslog(_) => self.together().await,
            Target::Mqtt(_) if self.sender.receiver.escalate_after.is_none() => self.together().await,
            Target::Webhook(..) | Target::Pagerduty(..) | Target::Otlp(_) | Target::Mqtt(_) => {
                self.each().await
            }
        }
    }

    /// Each on its own, several at once; of one alarm in order.
    async fn each(&self) -> Result<Next, StoreError> {
        let due = self.store.reader().due(self.sender.name(), now(), true, PAGE).await?;
        if due.now.is_empty() {
            return Ok(wait_for(due.next));
        }
        let due = match self.sender.receiver.escalate_after {
            Some(delay) => self.unattended(due.now, delay).await?,
            None => due.now,
        };
        if due.is_empty() {
            return Ok(Next::Again);
        }
        let mut tasks: JoinSet<(Waiting, Outcome)> = JoinSet::new();
        let mut done = Vec::new();
        for waiting in due {
            if tasks.len() >= ABREAST {
                done.extend(tasks.join_next().await.and_then(Result::ok));
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
    async fn unattended(&self, due: Vec<Waiting>, delay: Duration) -> Result<Vec<Waiting>, StoreError> {
        let (reader, name, at) = (self.store.reader(), self.sender.name(), now());
        let (mut tell, mut settled) = (Vec::new(), Vec::new());
        for waiting in due {
            let notice = &waiting.notice;
            let told = reader.has_heard(name, notice).await?;
            let alarm = reader.alarm_itself(&notice.alarm.id).await?;
            let (fate, answer) = match escalation::step(notice, told, alarm.as_ref(), delay, at) {
                escalation::Step::Tell => {
                    tell.push(waiting);
                    continue;
                }
                escalation::Step::Wait(until) => {
                    (Fate::Again(until), "not yet: somebody may take care of it")
                }
                escalation::Step::Pass => (Fate::Passed, "somebody took care of it in time"),
            };
            let (receiver, number, attempts) = (name.to_owned(), notice.number, waiting.attempts);
            settled.push(Settled { receiver, number, attempts, fate, answer: answer.to_owned() });
        }
        if !settled.is_empty() {
            self.store.write_alarm(AlarmWrite::Settle(settled, at)).await?;
        }
        Ok(tell)
    }

    /// All that wait, in order, once the first of them may be tried.
    async fn queue(&self) -> Result<Vec<Waiting>, StoreError> {
        // Whatever its time: behind one that waits for its next try, nothing goes out.
        Ok(self.store.reader().due(self.sender.name(), UnixMillis(u64::MAX), false, PAGE).await?.now)
    }

    /// All that wait, over one connection.
    async fn together(&self) -> Result<Next, StoreError> {
        let queue = self.queue().await?;
        match queue.first() {
            Some(first) if first.due <= now() => self.send_together(queue).await,
            first => Ok(wait_for(first.map(|first| first.due))),
        }
    }

    async fn send_together(&self, waiting: Vec<Waiting>) -> Result<Next, StoreError> {
        let notices: Vec<&Notice> = waiting.iter().map(|waiting| &waiting.notice).collect();
        let outcome = self.sender.many(&notices).await;
        self.settle(waiting.into_iter().map(|waiting| (waiting, outcome.clone())).collect()).await
    }

    /// Collected, unless something is critical.
    async fn digest(&self, collect: Duration) -> Result<Next, StoreError> {
        let queue = self.queue().await?;
        let Some(first) = queue.first() else { return Ok(wait_for(None)) };
        let urgent = |waiting: &Waiting| {
            waiting.notice.alarm.severity == nearhand_proto::alarm::Severity::Critical
                && matches!(waiting.notice.kind, Kind::Raised | Kind::Worsened)
        };
        let at_once = queue.len() >= PAGE || queue.iter().any(urgent);
        let ready = match first.attempts {
            0 if at_once => first.due,
            0 => first.due.after(collect),
            _ => first.due,
        };
        if ready > now() {
            return Ok(wait_for(Some(ready)));
        }
        self.send_together(queue).await
    }

    /// The whole state, when it has changed and every so often.
    async fn converge(
        &self,
        endpoint: &Endpoint,
        every: Duration,
        resend: &mut Instant,
    ) -> Result<Next, StoreError> {
        let reader = self.store.reader();
        let due = reader.due(self.sender.name(), UnixMillis(u64::MAX), false, PAGE).await?;
        if due.now.is_empty() && Instant::now() < *resend {
            return Ok(Next::Wait(resend.saturating_duration_since(Instant::now())));
        }
        let at_least = self.sender.receiver.at_least;
        let firing = reader.told_alarms(at_least).await?;
        let since = UnixMillis(now().0.saturating_sub(alertmanager::ENDED_FOR));
        let mut endings = reader.notices_since(since, alertmanager::ENDING).await?;
        endings.retain(|notice| notice.alarm.told_worst >= Some(at_least));
        let alerts = alertmanager::alerts(&firing, &endings, every, now());
        match self.push(endpoint, alerts).await {
            Ok(refused) => {
                *resend = Instant::now() + every;
                let done = due
                    .now
                    .into_iter()
                    .map(|waiting| {
                        let outcome = match refused.get(&waiting.notice.alarm.id.to_string()) {
                            Some(said) => Outcome::Refused(said.clone()),
                            None => Outcome::Delivered("in the state that was sent".to_owned()),
                        };
                        (waiting, outcome)
                    })
                    .collect();
                self.settle(done).await
            }
            Err(said) => {
                let outcome = Outcome::Failed(said);
                self.deliveries.count(self.sender.name(), &outcome, 0);
                tracing::info!(receiver = self.sender.name(), answer = outcome.answer(), "not delivered yet");
                // What waits stays as it is: the state is sent anew until it is taken.
                Ok(Next::Pause(every.min(LOOK)))
            }
        }
    }

    /// Sends alerts in parts; a part that is refused is halved until those are found that are to blame.
    async fn push(
        &self,
        endpoint: &Endpoint,
        alerts: Vec<Value>,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut refused = BTreeMap::new();
        // The last is sent next.
        let mut parts: Vec<Vec<Value>> = alerts.chunks(ALERTS).rev().map(<[Value]>::to_vec).collect();
        while let Some(mut part) = parts.pop() {
            let body = Value::Array(part.clone()).to_string();
            match self.sender.post(endpoint, body, Vec::new(), api).await {
                Outcome::Delivered(_) => {}
                Outcome::Refused(said) if part.len() == 1 => {
                    let id = part.first().and_then(|alert| alert.pointer("/labels/alarm_id")?.as_str());
                    refused.insert(id.unwrap_or_default().to_owned(), said);
                }
                Outcome::Refused(_) => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push(rest);
                    parts.push(part);
                }
                Outcome::Failed(said) | Outcome::Gone(said) => return Err(said),
            }
        }
        Ok(refused)
    }

    /// Writes down what became of deliveries.
    async fn settle(&self, done: Vec<(Waiting, Outcome)>) -> Result<Next, StoreError> {
        let (at, name) = (now(), self.sender.name().to_owned());
        let mut settled: Vec<Settled> = Vec::with_capacity(done.len());
        let mut unhappy = BTreeSet::new();
        let mut gone = None;
        for (waiting, outcome) in &done {
            self.deliveries.count(&name, outcome, at.0.saturating_sub(waiting.notice.at.0));
            let retries = &self.sender.receiver.retries;
            settled.push(schedule::settle(&name, waiting, outcome, retries, at, OsRng.next_u32()));
            match outcome {
                Outcome::Delivered(_) => {}
                Outcome::Gone(said) => gone = Some(said.clone()),
                Outcome::Failed(said) | Outcome::Refused(said) => _ = unhappy.insert(said.clone()),
            }
        }
        for answer in unhappy.iter().take(3) {
            tracing::info!(receiver = name, answer, "not delivered");
        }
        let progress = settled.iter().any(|one| one.fate == Fate::Delivered);
        self.store.write_alarm(AlarmWrite::Settle(settled, at)).await?;
        if let Some(said) = gone {
            tracing::warn!(receiver = name, answer = said, "the receiver wants no more: disabled");
            self.store.write_alarm(AlarmWrite::Disable(name, said, at)).await?;
        }
        Ok(if progress || done.is_empty() {
            Next::Again
        } else {
            Next::Wait(LOOK.min(Duration::from_secs(1)))
        })
    }
}

fn wait_for(next: Option<UnixMillis>) -> Next {
    Next::Wait(next.map_or(LOOK, |at| Duration::from_millis(at.0.saturating_sub(now().0).max(1))))
}

fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}
