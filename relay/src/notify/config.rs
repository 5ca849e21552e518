//! `[[receivers]]` of the configuration: what may be said of each kind, and what is wrong with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nearhand_proto::alarm::Severity;
use nearhand_relay_core::notify::schedule::RETRIES;
use nearhand_relay_core::notify::webhook::{BadWebhookSecret, WebhookSecret};
use serde::Deserialize;

use super::mqtt;
use super::secret::{HiddenText, SecretError};
use crate::host_name::parse_host;

/// PagerDuty's own address.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// Most receivers in a configuration.
pub const MAX_RECEIVERS: usize = 50;

/// Where notices can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiverKind {
    /// A webhook by the Standard Webhooks specification.
    Webhook,
    /// Alertmanager, API v2.
    Alertmanager,
    /// PagerDuty, Events API v2.
    Pagerduty,
    /// OpenTelemetry logs over HTTP as JSON.
    Otlp,
    /// E-mail over SMTP.
    Email,
    /// Syslog over TCP or TLS.
    Syslog,
    /// An MQTT broker.
    Mqtt,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailEncryption {
    /// TLS after a first plain exchange.
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// None: for a server on this machine.
    None,
}

/// One `[[receivers]]` section. Which keys it may have depends on its kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverSection {
    /// The receiver's name, as commands and metrics show it.
    pub name: String,
    /// The kind of receiver.
    pub kind: ReceiverKind,
    /// It is told of alarms that are, or were, as bad as this.
    #[serde(default = "at_least")]
    pub min_severity: Severity,
    /// It is told of an alarm only when nobody has attended to the alarm for this time, in seconds.
    pub escalate_after_seconds: Option<u64>,
    /// Seconds after each failed try; when they are used up, it is given up.
    pub retry_seconds: Option<Vec<u64>>,
    /// Where to send, for those over HTTP.
    pub url: Option<String>,
    /// Whether that may be in a private network.
    pub allow_private: Option<bool>,
    /// A PEM file of certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// A webhook's secret.
    pub secret_file: Option<PathBuf>,
    /// The one before, while it is being replaced.
    pub previous_secret_file: Option<PathBuf>,
    /// A bearer token.
    pub token_file: Option<PathBuf>,
    /// PagerDuty's routing key.
    pub routing_key_file: Option<PathBuf>,
    /// Alertmanager: seconds between two repetitions.
    pub resend_seconds: Option<u64>,
    /// E-mail and syslog: the server's name or address.
    pub server: Option<String>,
    /// The server's port; each kind has a default.
    pub port: Option<u16>,
    /// E-mail: how the connection is protected.
    pub encryption: Option<MailEncryption>,
    /// Syslog, MQTT: whether it is protected by TLS.
    pub tls: Option<bool>,
    /// MQTT: what topics begin with.
    pub topic: Option<String>,
    /// E-mail, MQTT: the account.
    pub username: Option<String>,
    /// File with the password of the login.
    pub password_file: Option<PathBuf>,
    /// E-mail: the sender.
    pub from: Option<String>,
    /// E-mail: who gets it.
    pub to: Option<Vec<String>>,
    /// E-mail: for how many seconds notices are collected, unless one is critical.
    pub digest_seconds: Option<u64>,
}

impl ReceiverSection {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [
            &self.ca_file,
            &self.secret_file,
            &self.previous_secret_file,
            &self.token_file,
            &self.routing_key_file,
            &self.password_file,
        ]
        .into_iter()
        .flatten()
    }
}

fn at_least() -> Severity {
    Severity::Info
}

/// Where to send over HTTP.
#[derive(Clone)]
pub struct HttpEndpoint {
    /// Whether by TLS.
    pub tls: bool,
    /// The name or address.
    pub host: String,
    /// The port in the address.
    pub port: u16,
    /// Path and query. May hold a secret: never shown.
    pub path: String,
    /// Whether the address may be private.
    pub allow_private: bool,
    /// Goes into `Authorization`.
    pub token: Option<HiddenText>,
}

/// A mail server, and what to write.
#[derive(Clone)]
pub struct MailSettings {
    /// Host name or address of the server.
    pub server: String,
    /// The server's port.
    pub port: u16,
    /// How the connection is protected.
    pub encryption: MailEncryption,
    /// Name and password.
    pub login: Option<(String, HiddenText)>,
    /// The address in `From`.
    pub from: lettre::message::Mailbox,
    /// Who gets it.
    pub to: Vec<lettre::message::Mailbox>,
    /// How long notices are collected.
    pub digest: Duration,
    /// Whether the server's address may be private.
    pub allow_private: bool,
}

/// A syslog server.
#[derive(Clone)]
pub struct SyslogServer {
    /// Host name or address of the server.
    pub server: String,
    /// The server's port.
    pub port: u16,
    /// Whether by TLS.
    pub tls: bool,
}

/// An MQTT broker.
#[derive(Clone)]
pub struct MqttBroker {
    /// Host name or address of the server.
    pub server: String,
    /// The server's port.
    pub port: u16,
    /// Whether by TLS.
    pub tls: bool,
    /// What topics begin with.
    pub topic: String,
    /// Name and password.
    pub login: Option<(String, HiddenText)>,
}

/// What a receiver of each kind needs.
#[derive(Clone)]
pub enum ReceiverTarget {
    /// A webhook, and the secrets that sign what is sent.
    Webhook(HttpEndpoint, Vec<WebhookSecret>),
    /// Alertmanager, repeated so often.
    Alertmanager(HttpEndpoint, Duration),
    /// PagerDuty, with its routing key.
    Pagerduty(HttpEndpoint, HiddenText),
    /// OpenTelemetry logs, posted as JSON.
    Otlp(HttpEndpoint),
    /// E-mail over SMTP, through one server.
    Email(Box<MailSettings>),
    /// Syslog by RFC 5424.
    Syslog(SyslogServer),
    /// A topic at an MQTT broker.
    Mqtt(Box<MqttBroker>),
}

/// A receiver, ready to be sent to.
#[derive(Clone)]
pub struct ReceiverSettings {
    /// The receiver's name, as commands and metrics show it.
    pub name: String,
    /// It is told of alarms that are, or were, as bad as this.
    pub at_least: Severity,
    /// It is told of an alarm only once that has stood unattended for so long.
    pub escalate_after: Option<Duration>,
    /// Seconds after each failed try.
    pub retries: Vec<u64>,
    /// A PEM file of certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// What the kind of receiver needs besides.
    pub target: ReceiverTarget,
}

/// Why a receiver can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// A key is missing, has no place in this kind, or makes no sense.
    #[error("receiver {name:?}: {key} {problem}")]
    Key {
        /// Name of the receiver in the configuration.
        name: String,
        /// The key with the unusable value.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A file with a secret can't be used.
    #[error("receiver {0:?}")]
    File(String, #[source] SecretError),
    /// A webhook's secret.
    #[error("receiver {0:?}")]
    Secret(String, #[source] BadWebhookSecret),
    /// Two have the same name.
    #[error("two receivers are called {0:?}")]
    Twice(String),
    /// There are more receivers than the relay serves.
    #[error("there can be {MAX_RECEIVERS} receivers at most")]
    TooMany,
}

/// All receivers. Files are relative to `dir`.
///
/// # Errors
/// [`ReceiverError`]: a receiver's section is wrong, its secret can't be read, two share a name, or there are too
/// many.
pub fn receivers(sections: &[ReceiverSection], dir: &Path) -> Result<Vec<ReceiverSettings>, ReceiverError> {
    if sections.len() > MAX_RECEIVERS {
        return Err(ReceiverError::TooMany);
    }
    let mut names = std::collections::BTreeSet::new();
    sections
        .iter()
        .map(|section| {
            if !names.insert(&section.name) {
                return Err(ReceiverError::Twice(section.name.clone()));
            }
            section.receiver(dir)
        })
        .collect()
}

impl ReceiverSection {
    fn key(&self, key: &'static str, problem: impl Into<String>) -> ReceiverError {
        ReceiverError::Key { name: self.name.clone(), key, problem: problem.into() }
    }

    fn receiver(&self, dir: &Path) -> Result<ReceiverSettings, ReceiverError> {
        self.check_name()?;
        self.check_keys()?;
        let target = match self.kind {
            ReceiverKind::Webhook => ReceiverTarget::Webhook(self.endpoint(dir, None)?, self.secrets(dir)?),
            ReceiverKind::Alertmanager => {
                let resend = self.resend_seconds.unwrap_or(60);
                if !(1..=3600).contains(&resend) {
                    return Err(self.key("resend_seconds", "can be 1 to 3600"));
                }
                let mut endpoint = self.endpoint(dir, None)?;
                endpoint.path = format!("{}/api/v2/alerts", endpoint.path.trim_end_matches('/'));
                ReceiverTarget::Alertmanager(endpoint, Duration::from_secs(resend))
            }
            ReceiverKind::Pagerduty => {
                let key = self.needed("routing_key_file", self.routing_key_file.as_ref())?;
                ReceiverTarget::Pagerduty(self.endpoint(dir, Some(PAGERDUTY))?, self.hidden(dir, key)?)
            }
            ReceiverKind::Otlp => {
                let mut endpoint = self.endpoint(dir, None)?;
                endpoint.path = format!("{}/v1/logs", endpoint.path.trim_end_matches('/'));
                ReceiverTarget::Otlp(endpoint)
            }
            ReceiverKind::Email => ReceiverTarget::Email(Box::new(self.mail(dir)?)),
            ReceiverKind::Syslog => {
                let tls = self.tls.unwrap_or(true);
                let port = self.port.unwrap_or(if tls { 6514 } else { 601 });
                ReceiverTarget::Syslog(SyslogServer { server: self.server()?, port, tls })
            }
            ReceiverKind::Mqtt => ReceiverTarget::Mqtt(Box::new(self.broker(dir)?)),
        };
        let retries = self.retry_seconds.clone().unwrap_or_else(|| RETRIES.to_vec());
        if retries.len() > 50 || retries.iter().any(|seconds| *seconds > 7 * 86_400) {
            return Err(self.key("retry_seconds", "can have 50 waits, each of a week at most"));
        }
        Ok(ReceiverSettings {
            name: self.name.clone(),
            at_least: self.min_severity,
            escalate_after: self.escalation()?,
            retries,
            ca_file: self.ca_file.as_ref().map(|file| dir.join(file)),
            target,
        })
    }

    fn check_name(&self) -> Result<(), ReceiverError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if (1..=64).contains(&self.name.len()) && self.name.chars().all(good) {
            return Ok(());
        }
        Err(self.key("name", "must be 1 to 64 letters, digits, '-', '_' and '.'"))
    }

    /// A key that its kind doesn't know would be silently without effect.
    fn check_keys(&self) -> Result<(), ReceiverError> {
        use ReceiverKind::{Alertmanager, Email, Mqtt, Otlp, Pagerduty, Syslog, Webhook};
        const HTTP: &[ReceiverKind] = &[Webhook, Alertmanager, Pagerduty, Otlp];
        let keys: [(&'static str, bool, &[ReceiverKind]); 19] = [
            ("url", self.url.is_some(), HTTP),
            ("allow_private", self.allow_private.is_some(), &[Webhook, Alertmanager, Pagerduty, Otlp, Email]),
            (
                "ca_file",
                self.ca_file.is_some(),
                &[Webhook, Alertmanager, Pagerduty, Otlp, Email, Syslog, Mqtt],
            ),
            (
                "escalate_after_seconds",
                self.escalate_after_seconds.is_some(),
                &[Webhook, Pagerduty, Otlp, Mqtt],
            ),
            ("secret_file", self.secret_file.is_some(), &[Webhook]),
            ("previous_secret_file", self.previous_secret_file.is_some(), &[Webhook]),
            ("token_file", self.token_file.is_some(), &[Webhook, Alertmanager, Otlp]),
            ("routing_key_file", self.routing_key_file.is_some(), &[Pagerduty]),
            ("resend_seconds", self.resend_seconds.is_some(), &[Alertmanager]),
            ("retry_seconds", self.retry_seconds.is_some(), &[Webhook, Pagerduty, Otlp, Email, Syslog, Mqtt]),
            ("server", self.server.is_some(), &[Email, Syslog, Mqtt]),
            ("port", self.port.is_some(), &[Email, Syslog, Mqtt]),
            ("encryption", self.encryption.is_some(), &[Email]),
            ("tls", self.tls.is_some(), &[Syslog, Mqtt]),
            ("topic", self.topic.is_some(), &[Mqtt]),
            ("username", self.username.is_some(), &[Email, Mqtt]),
            ("password_file", self.password_file.is_some(), &[Email, Mqtt]),
            ("from", self.from.is_some(), &[Email]),
            ("to", self.to.is_some() || self.digest_seconds.is_some(), &[Email]),
        ];
        match keys.into_iter().find(|(_, is_there, kinds)| *is_there && !kinds.contains(&self.kind)) {
            Some((key, ..)) => Err(self.key(key, "has no meaning for a receiver of this kind")),
            None => Ok(()),
        }
    }

    fn needed<'a, T>(&self, key: &'static str, value: Option<&'a T>) -> Result<&'a T, ReceiverError> {
        value.ok_or_else(|| self.key(key, "is missing"))
    }

    fn hidden(&self, dir: &Path, file: &Path) -> Result<HiddenText, ReceiverError> {
        HiddenText::read(&dir.join(file)).map_err(|error| ReceiverError::File(self.name.clone(), error))
    }

    fn secrets(&self, dir: &Path) -> Result<Vec<WebhookSecret>, ReceiverError> {
        let newest = self.needed("secret_file", self.secret_file.as_ref())?;
        core::iter::once(newest)
            .chain(&self.previous_secret_file)
            .map(|file| {
                WebhookSecret::parse(self.hidden(dir, file)?.expose())
                    .map_err(|error| ReceiverError::Secret(self.name.clone(), error))
            })
            .collect()
    }

    fn server(&self) -> Result<String, ReceiverError> {
        let server = self.needed("server", self.server.as_ref())?;
        let server = parse_host(server).map_err(|problem| self.key("server", problem.to_string()))?;
        Ok(server.to_owned())
    }

    fn endpoint(&self, dir: &Path, default: Option<&str>) -> Result<HttpEndpoint, ReceiverError> {
        let url = match (self.url.as_deref(), default) {
            (Some(url), _) | (None, Some(url)) => url,
            (None, None) => return Err(self.key("url", "is missing")),
        };
        let bad = |problem: &str| self.key("url", problem.to_owned());
        let uri: hyper::Uri = url.parse().map_err(|_| bad("is no URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("must begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("must hold no user or password: use token_file"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(bad("has no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let token = self.token_file.as_ref().map(|file| self.hidden(dir, file)).transpose()?;
        if token.is_some() && !tls && self.allow_private != Some(true) {
            return Err(bad("must begin with https:// where a token is sent"));
        }
        Ok(HttpEndpoint { tls, host, port, path, allow_private: self.allow_private.unwrap_or(false), token })
    }

    fn escalation(&self) -> Result<Option<Duration>, ReceiverError> {
        let Some(seconds) = self.escalate_after_seconds else { return Ok(None) };
        if !(1..=7 * 86_400).contains(&seconds) {
            return Err(self.key("escalate_after_seconds", "can be 1 to 604800"));
        }
        Ok(Some(Duration::from_secs(seconds)))
    }

    fn login(&self, dir: &Path) -> Result<Option<(String, HiddenText)>, ReceiverError> {
        match (&self.username, &self.password_file) {
            (Some(user), Some(file)) => Ok(Some((user.clone(), self.hidden(dir, file)?))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.key("password_file", "is missing")),
            (None, Some(_)) => Err(self.key("username", "is missing")),
        }
    }

    fn broker(&self, dir: &Path) -> Result<MqttBroker, ReceiverError> {
        let tls = self.tls.unwrap_or(true);
        let login = self.login(dir)?;
        if login.is_some() && !tls {
            return Err(self.key("tls", "can't be false where a password is sent"));
        }
        let topic = self.topic.clone().unwrap_or_else(|| "nearhand/alarms".to_owned());
        if !mqtt::is_topic(&topic) {
            return Err(self.key("topic", "must be a topic without wildcards, such as \"nearhand/alarms\""));
        }
        let port = self.port.unwrap_or(if tls { 8883 } else { 1883 });
        Ok(MqttBroker { server: self.server()?, port, tls, topic, login })
    }

    fn mail(&self, dir: &Path) -> Result<MailSettings, ReceiverError> {
        let mailbox = |key: &'static str, text: &String| {
            text.parse().map_err(|_| self.key(key, format!("{text:?} is no mail address")))
        };
        let encryption = self.encryption.unwrap_or(MailEncryption::Starttls);
        let login = self.login(dir)?;
        if login.is_some() && encryption == MailEncryption::None {
            return Err(self.key("encryption", "can't be \"none\" where a password is sent"));
        }
        let to = self.needed("to", self.to.as_ref())?;
        if to.is_empty() || to.len() > 50 {
            return Err(self.key("to", "must name 1 to 50 addresses"));
        }
        let port = match encryption {
            MailEncryption::Starttls => 587,
            MailEncryption::Tls => 465,
            MailEncryption::None => 25,
        };
        let digest = self.digest_seconds.unwrap_or(60);
        if digest > 86_400 {
            return Err(self.key("digest_seconds", "can be a day at most"));
        }
        Ok(MailSettings {
            server: self.server()?,
            port: self.port.unwrap_or(port),
            encryption,
            login,
            from: mailbox("from", self.needed("from", self.from.as_ref())?)?,
            to: to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?,
            digest: Duration::from_secs(digest),
            allow_private: self.allow_private.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct ReceiversFile {
        receivers: Vec<ReceiverSection>,
    }

    fn parse(dir: &Path, text: &str) -> Result<Vec<ReceiverSettings>, String> {
        let file: ReceiversFile = toml::from_str(text).map_err(|error| error.to_string())?;
        receivers(&file.receivers, dir).map_err(|error| nearhand_proto::text::chain(&error))
    }

    #[test]
    fn each_kind_takes_its_keys_and_no_other_and_secrets_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("a.secret");
        nearhand_transport::platform::write_private(&secret, b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
            .unwrap();
        let open = dir.path().join("open.secret");
        std::fs::write(&open, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let one = |rest: &str| parse(dir.path(), &format!("[[receivers]]\nname = \"ops\"\n{rest}"));
        let error = |rest: &str| one(rest).err().unwrap_or_default();
        let web = "kind = \"webhook\"\nurl = \"https://example.org/x?y\"\n";
        let found =
            one(&format!("{web}secret_file = \"a.secret\"\nmin_severity = \"error\"")).unwrap_or_default();
        let ReceiverTarget::Webhook(endpoint, secrets) = &found[0].target else { panic!() };
        assert_eq!(
            (endpoint.host.as_str(), endpoint.port, endpoint.path.as_str()),
            ("example.org", 443, "/x?y")
        );
        assert_eq!((secrets.len(), found[0].at_least, endpoint.allow_private), (1, Severity::Error, false));
        assert!(error(web).contains("secret_file is missing"));
        assert!(error(&format!("{web}secret_file = \"open.secret\"")).contains("chmod 600"));
        assert!(
            error(&format!("{web}secret_file = \"a.secret\"\ntls = true")).contains("tls has no meaning")
        );
        assert!(error(&format!("{web}secret = \"a\"")).contains("unknown field"));
        assert!(
            error("kind = \"webhook\"\nurl = \"ftp://a\"\nsecret_file = \"a.secret\"").contains("https://")
        );
        assert!(error("kind = \"otlp\"\nurl = \"http://u:p@a\"").contains("token_file"));
        assert!(error("kind = \"otlp\"\nurl = \"http://a\"\ntoken_file = \"a.secret\"").contains("https://"));
        assert!(one("kind = \"alertmanager\"\nurl = \"http://[::1]:9093\"").is_ok());
        assert!(
            error("kind = \"alertmanager\"\nurl = \"http://a\"\nresend_seconds = 0").contains("1 to 3600")
        );
        assert!(one("kind = \"syslog\"\nserver = \"logs.example\"").is_ok());
        let mail = "kind = \"email\"\nserver = \"mail.example\"\nfrom = \"Relay <a@b.example>\"\nto = [\"c@d.example\"]\n";
        assert!(one(mail).is_ok());
        assert!(error(&mail.replace("c@d.example", "c")).contains("no mail address"));
        assert!(
            error(&format!("{mail}username = \"a\"\npassword_file = \"a.secret\"\nencryption = \"none\""))
                .contains("password")
        );
        let mqtt = "kind = \"mqtt\"\nserver = \"broker.example\"\n";
        assert!(one(mqtt).is_ok());
        assert!(error(&format!("{mqtt}topic = \"a/#\"")).contains("without wildcards"));
        let login = "username = \"a\"\npassword_file = \"a.secret\"\n";
        assert!(one(&format!("{mqtt}{login}")).is_ok());
        assert!(error(&format!("{mqtt}{login}tls = false")).contains("where a password is sent"));
        assert!(error(&format!("{mqtt}escalate_after_seconds = 0")).contains("1 to 604800"));
        assert!(error(&format!("{mail}escalate_after_seconds = 5")).contains("no meaning"));
        assert!(error("kind = \"pagerduty\"").contains("routing_key_file is missing"));
        let twice = format!("[[receivers]]\nname = \"a\"\n{web}secret_file = \"a.secret\"\n").repeat(2);
        assert!(parse(dir.path(), &twice).err().is_some_and(|e| e.contains("two receivers")));
    }
}
