//! Changes of identity that the relay must agree to: claim, join, rotation.
//!
//! The order is always the same: written down whole, asked, put in its place. An answer that was lost leaves
//! the change written down; [`RelayClient::connect`] settles it.

use nearhand_proto::credential::{MAX_LINKS, Retirement};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{RelayHello, RelayRequest};
use nearhand_transport::control;
use rand_core::CryptoRngCore;

use super::{RelayClient, RelayClientError};
use crate::clock;
use crate::home::{
    ClientHome, ClientHomeError, IdentityChange, PendingIdentity, TechnicianIdentity, TechnicianProfile,
};

/// Claims a relay or joins an organisation: `request` is what the relay is asked for `pending`.
///
/// # Errors
/// [`RelayClientError`]. After one that [`RelayClientError::leaves_open`] whether the relay agreed, `pending` is still
/// written down. After any other it is forgotten.
pub async fn admit(
    home: &ClientHome,
    pending: &PendingIdentity,
    request: &RelayRequest,
) -> Result<(), RelayClientError> {
    home.begin(pending)?;
    let identity = &pending.identity;
    let outcome = async {
        let profile = &identity.profile;
        let connection =
            control::RelayConnection::dial(&profile.relay, &identity.key).await.map_err(AttemptError::No)?;
        connection
            .hello(RelayHello::Newcomer { program: ProgramInfo::this() })
            .await
            .map_err(AttemptError::No)?;
        let done = connection.done(request).await;
        connection.close();
        done.map_err(AttemptError::Yes)
    };
    conclude(home, pending, outcome.await)
}

/// Whether the relay was asked before it went wrong.
enum AttemptError {
    No(control::RelayError),
    Yes(control::RelayError),
}

fn conclude(
    home: &ClientHome,
    pending: &PendingIdentity,
    outcome: Result<(), AttemptError>,
) -> Result<(), RelayClientError> {
    match outcome {
        Ok(()) => Ok(home.commit(pending)?),
        Err(AttemptError::Yes(e)) if e.leaves_open() => Err(e.into()),
        Err(AttemptError::No(e) | AttemptError::Yes(e)) => {
            home.abandon()?;
            Err(e.into())
        }
    }
}

impl RelayClient {
    /// Replaces the technician's key by a new one that the old one endorses, retires the old one, and connects
    /// with the new.
    ///
    /// # Errors
    /// [`RelayClientError`], with the same promise as [`admit`].
    pub async fn rotate(self, rng: &mut impl CryptoRngCore) -> Result<Self, RelayClientError> {
        let old = &self.identity;
        let key = SecretKey::generate(rng);
        let now = clock::now();
        let broken = |_| RelayClientError::nonsense("the new key can't be signed");
        let credential = old.profile.credential.rotated(&old.key, &key.public(), now).map_err(broken)?;
        let retired = Retirement { key: old.key.public(), successor: key.public(), issued: now };
        let retirement = old.key.sign(&retired).map_err(broken)?;
        let profile = TechnicianProfile { credential: credential.clone(), ..old.profile.clone() };
        let identity = TechnicianIdentity::new(profile, key).map_err(|error| ClientHomeError::Damaged {
            path: self.home.dir().to_owned(),
            why: error.to_string(),
            remedy: "ask the administrator for a new invitation",
        })?;
        let pending = PendingIdentity { step: IdentityChange::Rotation, identity, organisation_key: None };
        self.home.begin(&pending)?;
        let outcome = self.current().connection.done(&RelayRequest::Rotate { credential, retirement }).await;
        let outcome = outcome.map_err(AttemptError::Yes);
        conclude(&self.home, &pending, outcome)?;
        let home = self.home.clone();
        self.finish().await;
        Self::connect(&home).await
    }

    /// How often the key can still be rotated before a new invitation is due.
    pub fn rotations_left(&self) -> usize {
        MAX_LINKS.saturating_sub(self.identity.who.keys().len())
    }
}
