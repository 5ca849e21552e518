//! The handle that commands hold of a session: opens it, and hands requests to its task.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::chat::{ChatLog, SessionSide};
use nearhand_proto::credential::Credential;
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::CloseOutcome;
use nearhand_proto::message::local::ChatLine;
use nearhand_proto::message::session::{FRAME_LIMIT, FromTechnician};
use nearhand_proto::text;
use nearhand_transport::chat::SharedChat;
use nearhand_transport::framed;
use quinn::Connection;
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};

use super::error::SessionError;
use super::evidence::SessionEvidence;
use super::path;
use super::task::{ControlStream, QUEUE, SessionTask};
use super::update::{SessionDevice, SessionUpdate};
use crate::clock;
use crate::relay::{RelayClient, ResolvedTarget};

/// A session under way.
#[derive(Debug)]
pub struct TechnicianSession {
    id: SessionId,
    device: SessionDevice,
    key: PublicKey,
    credential: Option<Credential>,
    requests: mpsc::Sender<FromTechnician>,
    chat: Arc<SharedChat>,
    connection: watch::Receiver<Option<Connection>>,
    asked: std::sync::atomic::AtomicU32,
}

impl TechnicianSession {
    /// Opens a session: a path through the relay, both ends prove who they are, then nothing happens until the
    /// device grants it.
    ///
    /// # Errors
    /// [`SessionError`]; nothing but this end's credential was sent to an end that did not prove itself.
    pub async fn open(
        relay: Arc<RelayClient>,
        resolved: ResolvedTarget,
        reason: &str,
    ) -> Result<(Self, mpsc::Receiver<SessionUpdate>), SessionError> {
        let id = SessionId::random(&mut OsRng);
        let opened = relay.open(id, resolved.target).await?;
        let verified = match (&resolved.device, &opened.device) {
            (Some(_), Some(credential)) => Some(relay.verify_device(credential, &resolved)?),
            (Some(_), None) => return Err(SessionError::NoCredential),
            (None, _) => None,
        };
        let first = path::open(&relay, id, &opened, verified.as_ref(), resolved.code.as_ref()).await;
        let (path, peer, mut ready) = match first {
            Ok(met) => met,
            Err(error) => {
                // The relay removes the path by itself if it doesn't hear of this.
                let _ = relay.close(id, CloseOutcome::NotGranted, None).await;
                return Err(error);
            }
        };
        if let Some(device) = &verified {
            relay.remember_device(device)?;
        }
        let mut evidence = SessionEvidence::open(relay.home(), id)?;
        evidence.head(&ready.audit, &peer.device)?;
        let name = verified.as_ref().map_or_else(|| ready.facts.hostname.to_string(), |d| d.label.clone());
        let device = SessionDevice {
            name: text::one_line(&name, 64),
            os: ready.facts.os.to_string(),
            offers: ready.offers,
            enrolled: verified.is_some(),
        };
        let (key, credential) = (peer.device, opened.device.filter(|_| verified.is_some()));
        let (requests, inbox) = mpsc::channel(QUEUE);
        let (updates, receiver) = mpsc::channel(QUEUE);
        let chat = Arc::new(SharedChat::new(ChatLog::new(SessionSide::Technician)));
        let (connected, connection) = watch::channel(Some(path.connection.clone()));
        if !reason.is_empty() {
            framed::write(&mut ready.send, &FromTechnician::Reason(reason.to_owned()), FRAME_LIMIT).await?;
        }
        let task = SessionTask { relay, id, peer, chat: chat.clone(), evidence, updates, connected };
        tokio::spawn(task.run(path, ControlStream { send: ready.send, recv: ready.recv }, inbox));
        let asked = std::sync::atomic::AtomicU32::new(0);
        Ok((Self { id, device, key, credential, requests, chat, connection, asked }, receiver))
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The device at the other end.
    pub fn device(&self) -> &SessionDevice {
        &self.device
    }

    /// The key that the device has proved, and what the organisation says of it where it is enrolled.
    pub fn proved(&self) -> (PublicKey, Option<Credential>) {
        (self.key, self.credential.clone())
    }

    /// Asks for capabilities; the answer comes as [`SessionUpdate::Decided`] with the returned number.
    pub async fn ask(&self, capabilities: Capabilities, duration: Duration) -> u32 {
        let request = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        self.send(FromTechnician::Ask { request, capabilities, seconds, reason: String::new() }).await;
        request
    }

    /// Gives capabilities back.
    pub async fn give_up(&self, capabilities: Capabilities) {
        self.send(FromTechnician::GiveUp(capabilities)).await;
    }

    /// Says something to the person. `None`: it is empty or the chat is full.
    pub fn send_chat(&self, text: &str) -> Option<ChatLine> {
        let line = self.chat.with(|log| log.say(text, clock::now()))?;
        self.chat.changed();
        Some(line)
    }

    /// The technician has seen the person's messages up to `number`.
    pub fn mark_chat_seen(&self, number: u64) {
        self.chat.with(|log| log.saw(number));
        self.chat.changed();
    }

    /// The whole chat.
    pub fn chat_lines(&self) -> Vec<ChatLine> {
        self.chat.with(|log| log.lines().to_vec())
    }

    /// Ends the session; [`SessionUpdate::Ended`] follows.
    pub async fn end(&self) {
        self.send(FromTechnician::End).await;
    }

    async fn send(&self, request: FromTechnician) {
        // A session that has ended says so by its own update.
        let _ = self.requests.send(request).await;
    }

    /// Time to the device and back on the connection that stands, as it was measured last.
    pub fn round_trip(&self) -> Option<Duration> {
        self.connection.borrow().as_ref().map(Connection::rtt)
    }

    /// The connection that stands now, waited for while one is being made.
    pub(super) async fn connection(&self) -> Option<Connection> {
        let mut connection = self.connection.clone();
        let stands = connection.wait_for(Option::is_some).await.ok()?;
        stands.clone()
    }
}
