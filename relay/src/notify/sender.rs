//! One try: a notice, or several, in the form that a receiver wants, over its transport, and what its answer means.
//! When to try, and what is due, is the worker's business.

use std::sync::Arc;
use std::time::SystemTime;

use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::AlarmNotice;
use nearhand_relay_core::notify::schedule::DeliveryOutcome;
use nearhand_relay_core::notify::{alertmanager, forms, webhook};
use rustls::ClientConfig;
use serde_json::Value;

use super::config::{HttpEndpoint, ReceiverSettings, ReceiverTarget};
use super::mail::{MailError, Mailer};
use super::stream::{self, TrustError};
use super::{http, mqtt};
use crate::store::ReceiverOutlet;

/// Longest answer that is kept or shown, in characters.
const MAX_ANSWER: usize = 300;

/// Why a receiver can't be sent to at all.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// Its certificates can't be read.
    #[error("receiver {0:?}")]
    Trust(String, #[source] TrustError),
    /// Its mail server.
    #[error("receiver {0:?}")]
    Mail(String, #[source] MailError),
}

/// A receiver that can be sent to.
pub struct ReceiverSender {
    pub(super) receiver: ReceiverSettings,
    tls: Arc<ClientConfig>,
    mailer: Option<Mailer>,
    /// The relay's name, for syslog.
    host: String,
}

impl ReceiverSender {
    /// For a receiver; `host` is the relay's name.
    ///
    /// # Errors
    /// [`SenderError`]: the receiver's `ca_file` can't be read, or TLS can't be set up; it names the receiver.
    pub fn new(receiver: ReceiverSettings, host: &str) -> Result<Self, SenderError> {
        let name = || receiver.name.clone();
        let ca_file = receiver.ca_file.as_deref();
        let tls = stream::trust(ca_file).map_err(|error| SenderError::Trust(name(), error))?;
        let mailer = match &receiver.target {
            ReceiverTarget::Email(mail) => {
                Some(Mailer::new(mail, ca_file).map_err(|error| SenderError::Mail(name(), error))?)
            }
            _ => None,
        };
        Ok(Self { receiver, tls, mailer, host: host.to_owned() })
    }

    /// What the writer has to know of it.
    pub fn outlet(&self) -> ReceiverOutlet {
        ReceiverOutlet { name: self.receiver.name.clone(), at_least: self.receiver.at_least }
    }

    /// The receiver's name in the configuration.
    pub fn name(&self) -> &str {
        &self.receiver.name
    }

    /// Sends a marked test.
    pub async fn test(&self, notice: &AlarmNotice) -> DeliveryOutcome {
        match &self.receiver.target {
            ReceiverTarget::Alertmanager(endpoint, _) => {
                self.post(
                    endpoint,
                    alertmanager::test(notice, UnixMillis::from_system(SystemTime::now())).to_string(),
                    Vec::new(),
                    api,
                )
                .await
            }
            ReceiverTarget::Pagerduty(endpoint, key) => {
                let first = self.one(notice).await;
                if matches!(first, DeliveryOutcome::Delivered(_)) {
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
    pub(super) async fn one(&self, notice: &AlarmNotice) -> DeliveryOutcome {
        match &self.receiver.target {
            ReceiverTarget::Webhook(endpoint, secrets) => {
                let body = webhook::body(notice).to_string();
                let headers =
                    webhook::headers(&notice.id, &body, secrets, UnixMillis::from_system(SystemTime::now()));
                self.post(endpoint, body, headers, hook).await
            }
            ReceiverTarget::Pagerduty(endpoint, key) => {
                let action = forms::pagerduty_action(notice.kind);
                let body = forms::pagerduty(notice, key.expose(), action).to_string();
                self.post(endpoint, body, Vec::new(), api).await
            }
            ReceiverTarget::Otlp(endpoint) => {
                self.post(endpoint, forms::otlp(notice).to_string(), Vec::new(), otlp).await
            }
            ReceiverTarget::Email(_) | ReceiverTarget::Syslog(_) | ReceiverTarget::Mqtt(_) => {
                self.many(&[notice]).await
            }
            ReceiverTarget::Alertmanager(..) => {
                DeliveryOutcome::Refused("Alertmanager is sent the whole state".to_owned())
            }
        }
    }

    /// Sends several notices in one message or connection.
    pub(super) async fn many(&self, notices: &[&AlarmNotice]) -> DeliveryOutcome {
        match (&self.receiver.target, &self.mailer) {
            (ReceiverTarget::Email(_), Some(mailer)) => mailer.send(notices).await,
            (ReceiverTarget::Mqtt(to), _) => {
                let messages: Vec<(String, String)> = notices
                    .iter()
                    .map(|notice| {
                        let alarm = &notice.alarm;
                        let topic = format!("{}/{}/{}", to.topic, alarm.device, alarm.rule);
                        (topic, webhook::body(notice).to_string())
                    })
                    .collect();
                let tls = to.tls.then_some(&self.tls);
                // As a log server, a broker stands inside.
                match stream::connect(&to.server, to.port, tls, true).await {
                    Ok(mut stream) => match mqtt::publish(&mut *stream, to.login.as_ref(), &messages).await {
                        Ok(()) => DeliveryOutcome::Delivered("acknowledged".to_owned()),
                        Err(error) => DeliveryOutcome::Failed(error.to_string()),
                    },
                    Err(error) => DeliveryOutcome::Failed(text::chain(&error)),
                }
            }
            (ReceiverTarget::Syslog(to), _) => {
                let frames: Vec<u8> =
                    notices.iter().flat_map(|notice| forms::syslog(notice, &self.host)).collect();
                let tls = to.tls.then_some(&self.tls);
                // A log server stands inside; what must never be connected to still isn't.
                match stream::connect(&to.server, to.port, tls, true).await {
                    Ok(mut stream) => match stream::send_all(&mut *stream, &frames).await {
                        Ok(()) => DeliveryOutcome::Delivered("taken".to_owned()),
                        Err(error) => DeliveryOutcome::Failed(format!("the connection broke off: {error}")),
                    },
                    Err(error) => DeliveryOutcome::Failed(text::chain(&error)),
                }
            }
            _ => DeliveryOutcome::Refused("this receiver takes one notice at a time".to_owned()),
        }
    }

    pub(super) async fn post(
        &self,
        to: &HttpEndpoint,
        body: String,
        headers: Vec<(&'static str, String)>,
        judge: fn(u16, String) -> DeliveryOutcome,
    ) -> DeliveryOutcome {
        match http::post(to, &self.tls, headers, body).await {
            Ok(answer) => {
                let said = text::one_line(&format!("{} {}", answer.status, answer.body), MAX_ANSWER);
                judge(answer.status, said)
            }
            Err(error) => DeliveryOutcome::Failed(text::chain(&error)),
        }
    }
}

/// Standard Webhooks: only 2xx is success, 410 is the end, everything else may pass.
fn hook(status: u16, said: String) -> DeliveryOutcome {
    match status {
        200..=299 => DeliveryOutcome::Delivered(said),
        410 => DeliveryOutcome::Gone(said),
        _ => DeliveryOutcome::Failed(said),
    }
}

/// What says 400 about a message says it the next time, too.
pub(super) fn api(status: u16, said: String) -> DeliveryOutcome {
    match status {
        200..=299 => DeliveryOutcome::Delivered(said),
        400 | 413 | 422 => DeliveryOutcome::Refused(said),
        _ => DeliveryOutcome::Failed(said),
    }
}

fn otlp(status: u16, said: String) -> DeliveryOutcome {
    let rejected = said
        .split_once(' ')
        .and_then(|(_, body)| serde_json::from_str::<Value>(body).ok())
        .and_then(|body| body.pointer("/partialSuccess/rejectedLogRecords").cloned())
        .is_some_and(|count| !(count.is_null() || count == 0 || count == "0"));
    match api(status, said) {
        DeliveryOutcome::Delivered(said) if rejected => DeliveryOutcome::Refused(said),
        other => other,
    }
}
