//! A worker for each receiver: takes what is due from the outbox, sends it, writes down what became of it.
//!
//! Nothing is kept here that isn't in the database: a relay that is killed sends again what it didn't write down, with
//! the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use nearhand_shared::text;
use nearhand_shared::time::UnixMillis;
use rand_core::{OsRng, RngCore};
use rustls::ClientConfig;
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::config::{Endpoint, Receiver, Target};
use super::mail::{MailError, Mailer};
use super::schedule::{self, Outcome};
use super::stream::{self, TrustError};
use super::{Notice, alertmanager, forms, http, webhook};
use crate::alarm::Kind;
use crate::store::{AlarmWrite, Outlet, Settled, Store, StoreError, Waiting};

/// Deliveries to one receiver that are under way at once.
const ABREAST: usize = 8;
/// Notices that are read at once.
const PAGE: usize = 100;
/// The database is looked at this often even when nothing happens: `receivers replay` writes there.
const LOOK: Duration = Duration::from_secs(5);
/// Alerts of one request to Alertmanager.
const ALERTS: usize = 500;
/// Longest answer that is kept or shown, in characters.
const MAX_ANSWER: usize = 300;

/// How deliveries went since the start.
#[derive(Debug, Default)]
pub struct Deliveries {
    counts: Mutex<BTreeMap<(String, &'static str), u64>>,
    lags: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl Deliveries {
    fn count(&self, receiver: &str, outcome: &Outcome, lag_ms: u64) {
        let key = (receiver.to_owned(), outcome.name());
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        if matches!(outcome, Outcome::Delivered(_)) {
            let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
            let lag = lags.entry(receiver.to_owned()).or_default();
            *lag = (lag.0.saturating_add(lag_ms), lag.1.saturating_add(1));
        }
    }

    /// Tries by receiver and result.
    pub fn counts(&self) -> Vec<((String, &'static str), u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }

    /// By receiver: milliseconds from what happened to its delivery, added up, and how many deliveries that were.
    pub fn lags(&self) -> Vec<(String, (u64, u64))> {
        let lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        lags.iter().map(|(name, lag)| (name.clone(), *lag)).collect()
    }
}

/// Why a receiver can't be sent to at all.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// Its certificates.
    #[error("receiver {0:?}")]
    Trust(String, #[source] TrustError),
    /// Its mail server.
    #[error("receiver {0:?}")]
    Mail(String, #[source] MailError),
}

/// A receiver that can be sent to.
pub struct Sender {
    receiver: Receiver,
    tls: Arc<ClientConfig>,
    mailer: Option<Mailer>,
    /// The relay's name, for syslog.
    host: String,
}

impl Sender {
    /// For a receiver; `host` is the relay's name.
    ///
    /// # Errors
    /// [`SenderError`].
    pub fn new(receiver: Receiver, host: &str) -> Result<Self, SenderError> {
        let name = || receiver.name.clone();
        let ca_file = receiver.ca_file.as_deref();
        let tls = stream::trust(ca_file).map_err(|error| SenderError::Trust(name(), error))?;
        let mailer = match &receiver.target {
            Target::Email(mail) => {
                Some(Mailer::new(mail, ca_file).map_err(|error| SenderError::Mail(name(), error))?)
            }
            _ => None,
        };
        Ok(Self { receiver, tls, mailer, host: host.to_owned() })
    }

    /// What the writer has to know of it.
    pub fn outlet(&self) -> Outlet {
        Outlet { name: self.receiver.name.clone(), at_least: self.receiver.at_least }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.receiver.name
    }

    /// Sends a marked test.
    pub async fn test(&self, notice: &Notice) -> Outcome {
        match &self.receiver.target {
            Target::Alertmanager(endpoint, _) => {
                self.post(endpoint, alertmanager::test(notice, now()).to_string(), Vec::new(), api).await
            }
            Target::Pagerduty(endpoint, key) => {
                let first = self.one(notice).await;
                if matches!(first, Outcome::Delivered(_)) {
                    // A test leaves no incident behind.
                    let end = forms::pagerduty(notice, key.expose(), "resolve").to_string();
                    return self.post(endpoint, end, Vec::new(), api).await;
                }
                first
            }
            _ => self.one(notice).await,
        }
    }

    /// Sends one notice.
    async fn one(&self, notice: &Notice) -> Outcome {
        match &self.receiver.target {
            Target::Webhook(endpoint, secrets) => {
                let body = webhook::body(notice).to_string();
                let headers = webhook::headers(&notice.id, &body, secrets, now());
                self.post(endpoint, body, headers, hook).await
            }
            Target::Pagerduty(endpoint, key) => {
                let action = forms::pagerduty_action(notice.kind);
                let body = forms::pagerduty(notice, key.expose(), action).to_string();
                self.post(endpoint, body, Vec::new(), api).await
            }
            Target::Otlp(endpoint) => {
                self.post(endpoint, forms::otlp(notice).to_string(), Vec::new(), otlp).await
            }
            Target::Email(_) | Target::Syslog(_) => self.many(&[notice]).await,
            Target::Alertmanager(..) => Outcome::Refused("Alertmanager is sent the whole state".to_owned()),
        }
    }

    /// Sends several notices in one message or connection.
    async fn many(&self, notices: &[&Notice]) -> Outcome {
        match (&self.receiver.target, &self.mailer) {
            (Target::Email(_), Some(mailer)) => mailer.send(notices).await,
            (Target::Syslog(to), _) => {
                let frames: Vec<u8> =
                    notices.iter().flat_map(|notice| forms::syslog(notice, &self.host)).collect();
                let tls = to.tls.then_some(&self.tls);
                // A log server stands inside; what must never be connected to still isn't.
                match stream::connect(&to.server, to.port, tls, true).await {
                    Ok(mut stream) => match stream::send_all(&mut *stream, &frames).await {
                        Ok(()) => Outcome::Delivered("taken".to_owned()),
                        Err(error) => Outcome::Failed(format!("the connection broke off: {error}")),
                    },
                    Err(error) => Outcome::Failed(text::chain(&error)),
                }
            }
            _ => Outcome::Refused("this receiver takes one notice at a time".to_owned()),
        }
    }

    async fn post(
        &self,
        to: &Endpoint,
        body: String,
        headers: Vec<(&'static str, String)>,
        judge: fn(u16, String) -> Outcome,
    ) -> Outcome {
        match http::post(to, &self.tls, headers, body).await {
            Ok(answer) => {
                let said = text::one_line(&format!("{} {}", answer.status, answer.body), MAX_ANSWER);
                judge(answer.status, said)
            }
            Err(error) => Outcome::Failed(text::chain(&error)),
        }
    }
}

/// Standard Webhooks: only 2xx is success, 410 is the end, everything else may pass.
fn hook(status: u16, said: String) -> Outcome {
    match status {
        200..=299 => Outcome::Delivered(said),
        410 => Outcome::Gone(said),
        _ => Outcome::Failed(said),
    }
}

/// What says 400 about a message says it the next time, too.
fn api(status: u16, said: String) -> Outcome {
    match status {
        200..=299 => Outcome::Delivered(said),
        400 | 413 | 422 => Outcome::Refused(said),
        _ => Outcome::Failed(said),
    }
}

fn otlp(status: u16, said: String) -> Outcome {
    let rejected = said
        .split_once(' ')
        .and_then(|(_, body)| serde_json::from_str::<Value>(body).ok())
        .and_then(|body| body.pointer("/partialSuccess/rejectedLogRecords").cloned())
        .is_some_and(|count| !(count.is_null() || count == 0 || count == "0"));
    match api(status, said) {
        Outcome::Delivered(said) if rejected => Outcome::Refused(said),
        other => other,
    }
}

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
            Target::Webhook(..) | Target::Pagerduty(..) | Target::Otlp(_) => self.each().await,
        }
    }

    /// Each on its own, several at once; of one alarm in order.
    async fn each(&self) -> Result<Next, StoreError> {
        let due = self.store.reader().due(self.sender.name(), now(), true, PAGE).await?;
        if due.now.is_empty() {
            return Ok(wait_for(due.next));
        }
        let mut tasks: JoinSet<(Waiting, Outcome)> = JoinSet::new();
        let mut done = Vec::new();
        for waiting in due.now {
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
            waiting.notice.alarm.severity == nearhand_shared::alarm::Severity::Critical
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
        let progress = settled.iter().any(|one| one.delivered);
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
