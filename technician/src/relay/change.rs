//! Changes of identity that the relay must agree to: claim, join, rotation.
//!
//! The order is always the same: written down whole, asked, put in its place. An answer that was lost leaves
//! the change written down; [`RelayConnection::connect`] settles it.

use nearhand_proto::credential::{MAX_LINKS, Retirement};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::Program;
use nearhand_proto::message::control::{Hello, Request};
use nearhand_transport::control;
use rand_core::CryptoRngCore;

use super::{RelayConnection, RelayError};
use crate::clock;
use crate::home::{Home, HomeError, Identity, Pending, Profile, Step};

/// Claims a relay or joins an organisation: `request` is what the relay is asked for `pending`.
///
/// # Errors
/// [`RelayError`]. After one that [`RelayError::leaves_open`] whether the relay agreed, `pending` is still
/// written down. After any other it is forgotten.
pub async fn admit(home: &Home, pending: &Pending, request: &Request) -> Result<(), RelayError> {
    home.begin(pending)?;
    let identity = &pending.identity;
    let outcome = async {
        let profile = &identity.profile;
        let connection =
            control::RelayConnection::dial(&profile.relay, &identity.key).await.map_err(Asked::No)?;
        connection.hello(Hello::Newcomer { program: Program::this() }).await.map_err(Asked::No)?;
        let done = connection.done(request).await;
        connection.close();
        done.map_err(Asked::Yes)
    };
    conclude(home, pending, outcome.await)
}

/// Whether the relay was asked before it went wrong.
enum Asked {
    No(control::RelayError),
    Yes(control::RelayError),
}

fn conclude(home: &Home, pending: &Pending, outcome: Result<(), Asked>) -> Result<(), RelayError> {
    match outcome {
        Ok(()) => Ok(home.commit(pending)?),
        Err(Asked::Yes(e)) if e.leaves_open() => Err(e.into()),
        Err(Asked::No(e) | Asked::Yes(e)) => {
            home.abandon()?;
            Err(e.into())
        }
    }
}

impl RelayConnection {
    /// Replaces the technician's key by a new one that the old one endorses, retires the old one, and connects
    /// with the new.
    ///
    /// # Errors
    /// [`RelayError`], with the same promise as [`admit`].
    pub async fn rotate(self, rng: &mut impl CryptoRngCore) -> Result<Self, RelayError> {
        let old = &self.identity;
        let key = SecretKey::generate(rng);
        let now = clock::now();
        let broken = |_| RelayError::nonsense("the new key can't be signed");
        let credential = old.profile.credential.rotated(&old.key, &key.public(), now).map_err(broken)?;
        let retirement = old.key.sign(&Retirement { key: old.key.public(), issued: now }).map_err(broken)?;
        let profile = Profile { credential: credential.clone(), ..old.profile.clone() };
        let identity = Identity::new(profile, key).map_err(|why| HomeError::Damaged {
            path: self.home.dir().to_owned(),
            why,
            remedy: "ask the administrator for a new invitation",
        })?;
        let pending = Pending { step: Step::Rotation, identity, organisation_key: None };
        self.home.begin(&pending)?;
        let outcome = self.current().connection.done(&Request::Rotate { credential, retirement }).await;
        let outcome = outcome.map_err(Asked::Yes);
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
