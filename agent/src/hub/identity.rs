//! Who this device is, and whom it trusts: its key, its enrolment, what was revoked, and how far its clock can be believed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use nearhand_proto::credential::{
    Credential, CredentialError, Retirement, RevocationList, Revocations, VerifiedCredential,
};
use nearhand_proto::id::DeviceId;
use nearhand_proto::identity::{SecretKey, Signed};
use nearhand_proto::time::UnixMillis;

use crate::home::Enrolment;

/// A clock this far from the relay's is not trusted for validity, and nothing is granted unattended.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

/// The machine's own wall clock.
pub(super) fn wall_clock() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

/// The device's key and whom it trusts.
pub(crate) struct DeviceIdentity(Mutex<TrustState>);

struct TrustState {
    key: SecretKey,
    enrolment: Enrolment,
    revocations: Revocations,
    /// The relay's clock minus ours, in milliseconds, as of the last welcome.
    clock_offset: i128,
}

impl TrustState {
    fn clock_is_suspect(&self) -> bool {
        self.clock_offset.unsigned_abs() > CLOCK_TOLERANCE.as_millis()
    }

    fn judging_time(&self) -> UnixMillis {
        if !self.clock_is_suspect() {
            return wall_clock();
        }
        let ms = i128::from(wall_clock().0) + self.clock_offset;
        UnixMillis(u64::try_from(ms.max(0)).unwrap_or(u64::MAX))
    }
}

impl DeviceIdentity {
    pub(super) fn new(key: SecretKey, enrolment: Enrolment, revocations: Revocations) -> Self {
        Self(Mutex::new(TrustState { key, enrolment, revocations, clock_offset: 0 }))
    }

    fn state(&self) -> MutexGuard<'_, TrustState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device's key.
    pub(crate) fn key(&self) -> SecretKey {
        self.state().key.clone()
    }

    /// This device's id.
    pub(crate) fn device(&self) -> DeviceId {
        let state = self.state();
        state.enrolment.device().unwrap_or_else(|| state.key.public().device_id())
    }

    /// The id that grants are signed about: that of the key with which the device was enrolled, also after it has
    /// changed its key.
    pub(super) fn first_device(&self) -> DeviceId {
        let state = self.state();
        let first = state.enrolment.credential.as_ref().and_then(|c| c.links.first()?.peek().ok());
        first.map_or_else(|| state.key.public(), |link| link.key).device_id()
    }

    /// How the device belongs to its organisation.
    pub(crate) fn enrolment(&self) -> Enrolment {
        self.state().enrolment.clone()
    }

    /// Whether it belongs to an organisation, and doesn't only ask for help.
    pub(crate) fn is_enrolled(&self) -> bool {
        self.state().enrolment.credential.is_some()
    }

    pub(super) fn rotated(&self, key: SecretKey, enrolment: Enrolment) {
        let mut state = self.state();
        state.key = key;
        state.enrolment = enrolment;
    }

    pub(super) fn set_relay_clock(&self, own_now: UnixMillis, relay_now: UnixMillis) {
        self.state().clock_offset = i128::from(relay_now.0) - i128::from(own_now.0);
    }

    /// Whether our clock is so far off that validity can't be judged by it.
    pub(crate) fn clock_is_suspect(&self) -> bool {
        self.state().clock_is_suspect()
    }

    /// How many milliseconds our clock is ahead of the relay's, as of the last welcome.
    pub(crate) fn clock_ahead_ms(&self) -> i64 {
        i64::try_from(-self.state().clock_offset).unwrap_or(0)
    }

    /// The time by which credentials are judged: ours, unless it is so far off that it can't be.
    pub(crate) fn judging_time(&self) -> UnixMillis {
        self.state().judging_time()
    }

    /// Who a credential is, if the organisation still vouches for it.
    ///
    /// # Errors
    /// [`CredentialError`]: it is not the organisation's, has expired, or was revoked.
    pub(crate) fn verify(&self, credential: &Credential) -> Result<VerifiedCredential, CredentialError> {
        let state = self.state();
        let verified = credential.verify(&state.enrolment.organisation, state.judging_time())?;
        state.revocations.check(&verified)?;
        Ok(verified)
    }

    /// Takes in what is withdrawn. Returns all that is, if some of it is news.
    pub(super) fn take_revocations(
        &self,
        list: Option<&Signed<RevocationList>>,
        retirements: &[Signed<Retirement>],
    ) -> Option<Revocations> {
        let mut state = self.state();
        let organisation = state.enrolment.organisation;
        let mut is_news = false;
        let mut count = |outcome: Result<bool, CredentialError>| match outcome {
            Ok(new) => is_news |= new,
            Err(error) => tracing::warn!(%error, "the relay passed on a revocation that does not count"),
        };
        if let Some(list) = list {
            count(state.revocations.apply(list, &organisation));
        }
        for retirement in retirements {
            count(state.revocations.retire(retirement));
        }
        is_news.then(|| state.revocations.clone())
    }
}
