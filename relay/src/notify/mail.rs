//! E-mail: one message for what was collected, handed to its server.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use nearhand_relay_core::alarm::AlarmNotice;
use nearhand_relay_core::notify::forms;
use nearhand_relay_core::notify::schedule::DeliveryOutcome;

use super::config::{MailEncryption, MailSettings};
use super::stream;

/// How long the server may take for a command.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A mail server that can be sent to.
pub struct Mailer {
    tls: Tls,
    mail: MailSettings,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The certificates in the `ca_file` can't be read.
    #[error("can't read certificates from the ca_file")]
    Certificates,
    /// TLS can't be set up with them.
    #[error("TLS can't be set up for the mail server")]
    Tls(#[source] lettre::transport::smtp::Error),
}

impl Mailer {
    /// For a server.
    ///
    /// # Errors
    /// [`MailError`]: `ca_file` holds no certificates that can be read, or TLS can't be set up.
    pub fn new(mail: &MailSettings, ca_file: Option<&Path>) -> Result<Self, MailError> {
        let mut parameters = TlsParameters::builder(mail.server.clone());
        if let Some(file) = ca_file {
            let pem = std::fs::read(file).map_err(|_| MailError::Certificates)?;
            parameters = parameters
                .add_root_certificate(Certificate::from_pem(&pem).map_err(|_| MailError::Certificates)?);
        }
        let parameters = || parameters.clone().build_rustls().map_err(MailError::Tls);
        let tls = match mail.encryption {
            // Never without: a server that offers no TLS gets nothing.
            MailEncryption::Starttls => Tls::Required(parameters()?),
            MailEncryption::Tls => Tls::Wrapper(parameters()?),
            MailEncryption::None => Tls::None,
        };
        Ok(Self { tls, mail: mail.clone() })
    }

    /// Sends one message about all of them.
    pub async fn send(&self, notices: &[&AlarmNotice]) -> DeliveryOutcome {
        let message = match self.message(notices) {
            Ok(message) => message,
            Err(error) => return DeliveryOutcome::Refused(format!("the message can't be made: {error}")),
        };
        // Resolved here, so that the address is judged which is connected to.
        let addresses =
            match stream::resolve(&self.mail.server, self.mail.port, self.mail.allow_private).await {
                Ok(addresses) => addresses,
                Err(error) => return DeliveryOutcome::Failed(nearhand_proto::text::chain(&error)),
            };
        let mut outcome = DeliveryOutcome::Failed(format!("{} has no address", self.mail.server));
        for address in addresses {
            match self.transport(address).send(message.clone()).await {
                Ok(answer) => {
                    let said: Vec<&str> = answer.message().collect();
                    return DeliveryOutcome::Delivered(format!("{} {}", answer.code(), said.join(" ")));
                }
                Err(error) => {
                    outcome = DeliveryOutcome::Failed(nearhand_proto::text::chain(&error));
                    // What the server has said, another address of it would say as well.
                    if error.status().is_some() {
                        break;
                    }
                }
            }
        }
        outcome
    }

    /// To one address of the server; TLS goes by its name all the same.
    fn transport(&self, address: SocketAddr) -> AsyncSmtpTransport<Tokio1Executor> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
            .port(address.port())
            .tls(self.tls.clone())
            .timeout(Some(TIMEOUT));
        let transport = match &self.mail.login {
            Some((user, password)) => {
                transport.credentials(Credentials::new(user.clone(), password.expose().to_owned()))
            }
            None => transport,
        };
        transport.build()
    }

    fn message(&self, notices: &[&AlarmNotice]) -> Result<Message, lettre::error::Error> {
        let (subject, body) = forms::mail(notices);
        // The same at every attempt, so that a reader's program can tell a repetition.
        let first = notices.first().map(|notice| notice.id.as_str()).unwrap_or_default();
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        let mut message = Message::builder()
            .from(self.mail.from.clone())
            .message_id(Some(format!("<{first}.{}@{}>", notices.len(), self.mail.from.email.domain())))
            .subject(subject)
            .raw_header(HeaderValue::new(auto, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.mail.to {
            message = message.to(to.clone());
        }
        message.body(body)
    }
}
