//! The conversation with the relay: one QUIC connection, one stream for each request, and the streams on
//! which the relay speaks unasked.
//!
//! How a relay is dialled and asked is in `nearhand_transport::control`; this module has the technician's requests.
//!
//! The relay's key is pinned. What the relay says of others counts only as far as the organisation has signed it.
//! A driver: sockets and timers live here, decisions in [`target`], [`crate::home`] and `shared`. Must not
//! live here: printing, and the session end to end.

mod change;
mod error;
mod pushes;
mod revocations;
pub mod target;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nearhand_proto::audit::{AuditHead, AuditRow};
use nearhand_proto::credential::Credential;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    CloseCode, CloseOutcome, DeviceEntry, ListPage, OpenedSession, PersonEntry, RelayHello, RelayPush,
    RelayRefusal, RelayReply, RelayRequest, RelayWelcome, SessionEntry, SessionTarget,
};
use nearhand_transport::control::{self, backoff, random_part};
use rand_core::{OsRng, RngCore};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep};

pub use change::admit;
pub use error::RelayClientError;
pub use target::{DeviceError, ExpectedDevice, ResolvedTarget, TargetError, VerifiedDevice};

use crate::clock;
use crate::home::{ClientHome, ClientHomeError, IdentityChange, PendingIdentity, TechnicianIdentity};

/// Longest wait between two tries: a session outlives its connection by a minute, and several must fit.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Pushes that a slow reader may be behind.
const PUSHES: usize = 64;
/// Most pages of a list that are fetched: 20,000 devices.
const MAX_PAGES: usize = 100;

/// A connection to the technician's relay that can be renewed.
#[derive(Debug)]
pub struct RelayClient {
    home: ClientHome,
    identity: TechnicianIdentity,
    link: Mutex<LiveConnection>,
    pushes: broadcast::Sender<RelayPush>,
}

/// The part that a reconnect replaces.
#[derive(Debug, Clone)]
struct LiveConnection {
    connection: control::RelayConnection,
    welcome: Arc<RelayWelcome>,
}

impl RelayClient {
    /// Connects with the profile in `home`. If a claim, a join or a rotation was begun there and its end isn't
    /// known, the relay is asked which identity it knows, and `home` follows.
    ///
    /// # Errors
    /// [`RelayClientError`]: `home` holds no profile or can't be used, or the relay can't be reached or refuses
    /// this identity.
    pub async fn connect(home: &ClientHome) -> Result<Self, RelayClientError> {
        let Some(pending) = home.pending()? else { return Self::connect_as(home, home.identity()?).await };
        match pending.step {
            IdentityChange::Rotation => Self::settle_rotation(home, &pending).await,
            IdentityChange::Claim | IdentityChange::Join => Self::settle_admission(home, &pending).await,
        }
    }

    /// The new identity first: there may be no old one.
    async fn settle_admission(
        home: &ClientHome,
        pending: &PendingIdentity,
    ) -> Result<Self, RelayClientError> {
        match Self::connect_as(home, pending.identity.clone()).await {
            Ok(connection) => {
                home.commit(pending)?;
                Ok(connection)
            }
            Err(e)
                if is_unknown(&e)
                    || matches!(e.refusal(), Some(RelayRefusal::Unclaimed | RelayRefusal::NotAllowed)) =>
            {
                tracing::info!(step = %pending.step, "the relay does not know of it: forgotten");
                home.abandon()?;
                Self::connect_as(home, home.identity()?).await
            }
            Err(e) => Err(e),
        }
    }

    /// The old key first: a relay that has agreed doesn't take it any more. The other way round it might take
    /// the new one from its chain alone, and it would never learn of the old one's retirement.
    async fn settle_rotation(home: &ClientHome, pending: &PendingIdentity) -> Result<Self, RelayClientError> {
        let old = match home.identity() {
            Ok(old) => Self::connect_as(home, old).await,
            // It was being put in its place, so the relay had agreed.
            Err(ClientHomeError::Unsettled(_)) => {
                Err(control::RelayError::Refused(RelayRefusal::Revoked).into())
            }
            Err(e) => return Err(e.into()),
        };
        match old {
            Ok(connection) if connection.identity.key.public() != pending.identity.key.public() => {
                tracing::info!("the relay had not been asked for the new key: forgotten");
                home.abandon()?;
                Ok(connection)
            }
            Err(e) if is_unknown(&e) || is_revoked(&e) => {
                let connection = Self::connect_as(home, pending.identity.clone()).await?;
                home.commit(pending)?;
                Ok(connection)
            }
            Ok(connection) => {
                home.commit(pending)?;
                Ok(connection)
            }
            Err(e) => Err(e),
        }
    }

    async fn connect_as(home: &ClientHome, identity: TechnicianIdentity) -> Result<Self, RelayClientError> {
        let (pushes, _) = broadcast::channel(PUSHES);
        let link = open_link(home, &identity, &pushes).await?;
        Ok(Self { home: home.clone(), identity, link: Mutex::new(link), pushes })
    }

    /// Connects again after a loss, with growing random waits between the tries, for at most `within`.
    ///
    /// # Errors
    /// The last try's [`RelayClientError`]; at once one that won't go away by itself.
    pub async fn reconnect(&self, within: Duration) -> Result<(), RelayClientError> {
        let until = Instant::now() + within;
        self.current().connection.close();
        let mut last = control::RelayError::Silent.into();
        for attempt in 0.. {
            match tokio::time::timeout_at(until, open_link(&self.home, &self.identity, &self.pushes)).await {
                Ok(Ok(link)) => {
                    *self.lock() = link;
                    return Ok(());
                }
                Ok(Err(e)) if !e.is_passing() => return Err(e),
                Ok(Err(e)) => {
                    let wait = backoff(attempt, MAX_WAIT, OsRng.next_u32());
                    if Instant::now() + wait >= until {
                        return Err(e);
                    }
                    tracing::info!(error = %e, wait_ms = wait.as_millis(), "the relay can't be reached yet");
                    last = e;
                    sleep(wait).await;
                }
                Err(_) => break,
            }
        }
        Err(last)
    }

    /// A random part of the time in which a relay that said [`RelayPush::Goodbye`] wants its peers back.
    pub fn part_of(within_ms: u32) -> Duration {
        random_part(Duration::from_millis(within_ms.into()), OsRng.next_u32())
    }

    /// The UDP address at which the relay answers, for binding a session's path.
    pub fn relay_addr(&self) -> SocketAddr {
        self.current().connection.relay_addr()
    }

    /// The technician's profile, key and credential.
    pub fn identity(&self) -> &TechnicianIdentity {
        &self.identity
    }

    /// The technician's directory.
    pub fn home(&self) -> &ClientHome {
        &self.home
    }

    /// The relay's answer to the hello of the present connection.
    pub fn welcome(&self) -> Arc<RelayWelcome> {
        self.current().welcome
    }

    /// What the relay says unasked from now on, across reconnects. Revocations have been applied by then.
    pub fn pushes(&self) -> broadcast::Receiver<RelayPush> {
        self.pushes.subscribe()
    }

    /// Returns once the present connection is lost or closed.
    pub async fn closed(&self) {
        self.current().connection.closed().await;
    }

    /// Returns once the relay has closed the present connection because this end was revoked; never otherwise.
    pub async fn revoked(&self) {
        match self.current().connection.closed().await {
            control::RelayError::Closed(CloseCode::Revoked) => {}
            _ => core::future::pending().await,
        }
    }

    /// Ends the connection and lets the relay know.
    pub async fn finish(&self) {
        self.current().connection.finish().await;
    }

    /// Asks for a session.
    ///
    /// # Errors
    /// [`RelayClientError`]: the relay refuses, as when the device is not connected, or the connection is lost.
    pub async fn open(
        &self,
        session: SessionId,
        target: SessionTarget,
    ) -> Result<OpenedSession, RelayClientError> {
        match self.request(&RelayRequest::Open { session, target }).await? {
            RelayReply::Opened(opened) => Ok(opened),
            _ => Err(RelayClientError::nonsense("no path was offered")),
        }
    }

    /// Asks for a new path for a session that lost its connection.
    ///
    /// # Errors
    /// [`RelayClientError`]: the relay refuses, as when the session is over, or the connection is lost.
    pub async fn reopen(&self, session: SessionId) -> Result<OpenedSession, RelayClientError> {
        match self.request(&RelayRequest::Reopen { session }).await? {
            RelayReply::Opened(opened) => Ok(opened),
            _ => Err(RelayClientError::nonsense("no path was offered")),
        }
    }

    /// Says that a session is over, with the head of this end's log as evidence.
    ///
    /// # Errors
    /// [`RelayClientError`]: the relay knows no such session, or the connection is lost.
    pub async fn close(
        &self,
        session: SessionId,
        outcome: CloseOutcome,
        audit: Option<Signed<AuditHead>>,
    ) -> Result<(), RelayClientError> {
        self.done(&RelayRequest::Close { session, outcome, audit }).await
    }

    /// All devices of the organisation, page by page.
    ///
    /// # Errors
    /// [`RelayClientError`]: the relay refuses, its list is out of order, or the connection is lost.
    pub async fn devices(&self) -> Result<Vec<DeviceEntry>, RelayClientError> {
        let mut all: Vec<DeviceEntry> = Vec::new();
        for _ in 0..MAX_PAGES {
            let after = all.last().map(|d| d.id);
            let RelayReply::Devices(page) = self.request(&RelayRequest::Devices { after }).await? else {
                return Err(RelayClientError::nonsense("no list of devices"));
            };
            // In order, or paging would never end. A page may be short: what counts is what a frame takes.
            if page.entries.iter().any(|d| after.is_some_and(|after| d.id <= after)) {
                return Err(RelayClientError::nonsense("its list of devices is out of order"));
            }
            let ends = page.entries.is_empty() || page.left == 0;
            all.extend(page.entries);
            if ends {
                break;
            }
        }
        Ok(all)
    }

    /// All people of the organisation, page by page.
    ///
    /// # Errors
    /// [`RelayClientError`]: the relay refuses or answers something else, or the connection is lost.
    pub async fn people(&self) -> Result<Vec<PersonEntry>, RelayClientError> {
        let mut all: Vec<PersonEntry> = Vec::new();
        for _ in 0..MAX_PAGES {
            let after = all.last().map(|p| p.id);
            let RelayReply::People(page) = self.request(&RelayRequest::People { after }).await? else {
                return Err(RelayClientError::nonsense("no list of people"));
            };
            if page.entries.iter().any(|p| after.is_some_and(|after| p.id <= after)) {
                return Err(RelayClientError::nonsense("its list of people is out of order"));
            }
            let ends = page.entries.is_empty() || page.left == 0;
            all.extend(page.entries);
            if ends {
                break;
            }
        }
        Ok(all)
    }

    /// The caller's newest sessions, an administrator's all, at most a page of them, and how many earlier ones there are.
    ///
    /// # Errors
    /// [`RelayClientError`]: the relay refuses or answers something else, or the connection is lost.
    pub async fn sessions(&self) -> Result<ListPage<SessionEntry>, RelayClientError> {
        match self.request(&RelayRequest::Sessions { before: None }).await? {
            RelayReply::Sessions(sessions) => Ok(sessions),
            _ => Err(RelayClientError::nonsense("no list of sessions")),
        }
    }

    /// The relay's audit rows after a number, and the keys that it says signed its log. Not verified.
    ///
    /// # Errors
    /// [`RelayClientError`]: the relay refuses or answers something else, or the connection is lost.
    pub async fn audit(&self, after: u64) -> Result<(Vec<PublicKey>, Vec<AuditRow>), RelayClientError> {
        match self.request(&RelayRequest::Audit { after }).await? {
            RelayReply::Audit { keys, rows } => Ok((keys, rows)),
            _ => Err(RelayClientError::nonsense("no audit rows")),
        }
    }

    /// Finds what the technician typed: a support code, or an enrolled device by id, label or the
    /// beginning of its id.
    ///
    /// # Errors
    /// [`TargetError`]: the text is no code or device, no device or several devices fit it, or the relay can't be
    /// asked.
    pub async fn resolve_target(&self, text: &str) -> Result<ResolvedTarget, TargetError> {
        match target::parse(text)? {
            target::TypedTarget::Code(code) => Ok(ResolvedTarget::by_code(code)),
            target::TypedTarget::Device { asked, or_code } => {
                let devices = self.devices().await?;
                let organisation = &self.identity.profile.organisation;
                let revocations = self.home.revocations().map_err(RelayClientError::Home)?;
                target::resolve(&asked, &devices, organisation, &revocations, clock::now())
                    .or_else(|missing| target::meant(missing, or_code))
            }
        }
    }

    /// Checks the credential that the relay handed over for a device: signed by the organisation, not revoked,
    /// the device that was meant, and with a key that the one it is known by vouches for. Changes nothing:
    /// see [`RelayClient::remember_device`].
    ///
    /// # Errors
    /// [`DeviceError`]: the attempt must end; no option continues it.
    pub fn verify_device(
        &self,
        credential: &Credential,
        target: &ResolvedTarget,
    ) -> Result<VerifiedDevice, DeviceError> {
        let organisation = &self.identity.profile.organisation;
        let (revocations, known) = (self.home.revocations()?, self.home.known_devices()?);
        target::verify(credential, target, organisation, &revocations, &known, clock::now())
    }

    /// Remembers a device once it has proved its key in the session's handshake.
    ///
    /// # Errors
    /// [`RelayClientError::Home`]: the file of known devices can't be read or written.
    pub fn remember_device(&self, device: &VerifiedDevice) -> Result<(), RelayClientError> {
        let now = clock::now();
        Ok(self
            .home
            .update_known_devices(|known| known.remember(device.id, device.key, &device.label, now))?)
    }

    /// A request that is answered with [`RelayReply::Done`].
    ///
    /// # Errors
    /// [`RelayClientError`]: the relay refuses or answers something else, or the connection is lost.
    pub async fn done(&self, request: &RelayRequest) -> Result<(), RelayClientError> {
        Ok(self.current().connection.done(request).await?)
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// [`RelayClientError`]; a refusal among them.
    pub async fn request(&self, request: &RelayRequest) -> Result<RelayReply, RelayClientError> {
        Ok(self.current().connection.ask(request).await?)
    }

    fn current(&self) -> LiveConnection {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LiveConnection> {
        // A link is replaced whole: there is no half-changed one behind a poisoned lock.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The relay doesn't know this identity.
fn is_unknown(error: &RelayClientError) -> bool {
    matches!(error.refusal(), Some(RelayRefusal::Unknown | RelayRefusal::Credential(_)))
}

/// The relay no longer takes this key.
fn is_revoked(error: &RelayClientError) -> bool {
    use nearhand_proto::message::control::CloseCode;
    let closed = matches!(
        error,
        RelayClientError::Control(control::RelayError::Closed(CloseCode::Revoked | CloseCode::Rotated))
    );
    closed || matches!(error.refusal(), Some(RelayRefusal::Revoked))
}

async fn open_link(
    home: &ClientHome,
    identity: &TechnicianIdentity,
    pushes: &broadcast::Sender<RelayPush>,
) -> Result<LiveConnection, RelayClientError> {
    let profile = &identity.profile;
    let connection = control::RelayConnection::dial(&profile.relay, &identity.key).await?;
    let person = RelayHello::Person { program: ProgramInfo::this(), credential: profile.credential.clone() };
    let welcome = connection.hello(person).await?;
    revocations::apply(home, &profile.organisation, welcome.revocations.as_ref(), &welcome.retirements)?;
    tokio::spawn(pushes::receive(connection.clone(), home.clone(), profile.organisation, pushes.clone()));
    Ok(LiveConnection { connection, welcome: Arc::new(welcome) })
}
