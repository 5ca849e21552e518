//! Who belongs to an organisation, provable to anybody who holds the organisation's key.
//!
//! The organisation key signs an [`Invite`] that names a one-time key. The holder of that one-time key uses it
//! once, to endorse a key born on their own machine: that chain is a [`Credential`]. So inviting and joining
//! are one step each, no second approval is needed, and nothing secret of the organisation leaves the first
//! administrator's workstation. A key endorses its successor when it is rotated and then retires itself.
//!
//! The relay sees to it that an invite is used once; it can't make, widen or replace one. Not here: who keeps
//! which credential, and the relay's book of used invites.

use core::time::Duration;
use std::collections::BTreeMap;

use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, InviteId, OrganisationId, TechnicianId};
use crate::identity::{PublicKey, SecretKey, Signed, SignedError, Statement};
use crate::text;
use crate::time::UnixMillis;
use crate::wire::WireError;

/// Most endorsements in a chain: the joining one and seven rotations; then a new invite is due.
pub const MAX_LINKS: usize = 8;
/// Longest name of a person, device or organisation, in characters.
pub const MAX_NAME: usize = 64;
/// Most entries on a revocation list. Sized so that a full list fits a control frame of 256 KiB.
pub const MAX_REVOKED: usize = 4096;
/// Most retired keys that are remembered; above it the oldest retirement is forgotten.
pub const MAX_RETIRED: usize = 65_536;
/// How long an entry stays on the revocation list after the credentials that it is about have expired: an agent whose clock
/// is wrong may take an expired one for valid.
pub const KEEP_EXPIRED: Duration = Duration::from_secs(90 * 86_400);
/// Until when an entry stays on the list of which it isn't known when its credentials expire: for ever.
pub const FOR_EVER: UnixMillis = UnixMillis(u64::MAX);

/// What a credential lets its holder be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum Role {
    /// A machine of a customer.
    Device,
    /// A person who helps.
    Technician,
    /// A technician who also reads the relay's audit log and passes on revocations.
    Admin,
}

impl core::fmt::Display for Role {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Device => "device",
            Self::Technician => "technician",
            Self::Admin => "administrator",
        })
    }
}

/// The organisation's invitation, signed by its key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Invite {
    /// Its id; the relay lets each be used once.
    pub id: InviteId,
    /// The inviting organisation.
    pub organisation: OrganisationId,
    /// The organisation's name as people know it.
    pub organisation_name: String,
    /// The one-time key that the invite's bearer endorses their own key with.
    pub key: PublicKey,
    /// What the bearer becomes.
    pub role: Role,
    /// Their name: a person's, or a device's label.
    pub name: String,
    /// When it was made.
    pub issued: UnixMillis,
    /// Until when it can be used to join.
    pub use_by: UnixMillis,
    /// Until when the resulting credential is good.
    pub valid_until: UnixMillis,
}

impl Statement for Invite {
    const CONTEXT: &'static str = "invite";
}

/// A key's word that another key speaks for it from now on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Endorsement {
    /// The endorsed key.
    pub key: PublicKey,
    /// Time of the signature.
    pub issued: UnixMillis,
}

impl Statement for Endorsement {
    const CONTEXT: &'static str = "endorsement";
}

/// A key's own word that it is out of use, and which key speaks for it now. In a chain, nothing but that key may follow it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retirement {
    /// The key, which also signs this.
    pub key: PublicKey,
    /// The key that takes its place.
    pub successor: PublicKey,
    /// Time of the signature.
    pub issued: UnixMillis,
}

impl Statement for Retirement {
    const CONTEXT: &'static str = "retirement";
}

/// What the organisation has withdrawn; each list replaces those with a lower number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RevocationList {
    /// The organisation that withdraws them.
    pub organisation: OrganisationId,
    /// Rises by at least one with every list.
    pub number: u64,
    /// When it was made.
    pub issued: UnixMillis,
    /// Keys that no longer count, nor anything endorsed by them. Of this and the other tables, the values say when the last
    /// credential expires that the entry is about; it leaves the list [`KEEP_EXPIRED`] later.
    pub keys: BTreeMap<PublicKey, UnixMillis>,
    /// Invites that no longer count, used or not.
    pub invites: BTreeMap<InviteId, UnixMillis>,
    /// Devices that no longer count, no matter which invites and keys they have: an id is enough to revoke one.
    pub devices: BTreeMap<DeviceId, UnixMillis>,
    /// People who no longer count, no matter which invites and keys they have.
    pub people: BTreeMap<TechnicianId, UnixMillis>,
}

impl RevocationList {
    /// How many entries it has; at most [`MAX_REVOKED`] are taken.
    pub fn entries(&self) -> usize {
        self.keys.len() + self.invites.len() + self.devices.len() + self.people.len()
    }

    /// Whether it withdraws the member that joined by this invite with `first` and speaks with `current` today.
    pub fn withdraws(&self, invite: &InviteId, first: &PublicKey, current: &PublicKey, role: Role) -> bool {
        let member = match role {
            Role::Device => self.devices.contains_key(&first.device_id()),
            Role::Technician | Role::Admin => self.people.contains_key(&first.technician_id()),
        };
        member
            || self.invites.contains_key(invite)
            || self.keys.contains_key(first)
            || self.keys.contains_key(current)
    }
}

impl Statement for RevocationList {
    const CONTEXT: &'static str = "revocations";
}

/// Why a credential doesn't count.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A signature in the chain is not the key's that it should be.
    #[error("its signatures do not lead back to the organisation's key")]
    Chain(#[source] SignedError),
    /// The invite names another organisation than the one whose key signed it.
    #[error("it names another organisation")]
    OtherOrganisation,
    /// No endorsement, or more than [`MAX_LINKS`].
    #[error("its chain has {0} links; 1 to {MAX_LINKS} are possible")]
    Length(usize),
    /// Past the invite's `valid_until`.
    #[error("it expired at {0}: ask the administrator for a new invitation")]
    Expired(UnixMillis),
    /// Endorsed after the invite's `use_by`.
    #[error("the invitation was used after its time ({0}): ask for a new one")]
    UsedLate(UnixMillis),
    /// The organisation has withdrawn it, or a key in it is retired.
    #[error("it was revoked")]
    Revoked,
    /// Role doesn't fit the use.
    #[error("it is for a {0}")]
    WrongRole(Role),
}

/// A chain from the organisation's key to somebody's own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Credential {
    /// Signed by the organisation.
    pub invite: Signed<Invite>,
    /// The first signed by the invite's one-time key, each further one by the key before it.
    pub links: Vec<Signed<Endorsement>>,
}

/// What a credential proves, once verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedCredential {
    /// The invite it began with; its names are made safe to show.
    pub invite: Invite,
    /// All keys of the chain, the joining one first, today's last. Never empty.
    keys: Vec<PublicKey>,
}

impl VerifiedCredential {
    /// The key that speaks today.
    pub fn key(&self) -> PublicKey {
        self.keys.last().copied().unwrap_or(self.invite.key)
    }

    /// The key it joined with, whose fingerprint is the id.
    pub fn first_key(&self) -> PublicKey {
        self.keys.first().copied().unwrap_or(self.invite.key)
    }

    /// All keys of the chain, the joining one first, today's last.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The device's id, if it is a device's.
    pub fn device_id(&self) -> Option<DeviceId> {
        (self.invite.role == Role::Device).then(|| self.first_key().device_id())
    }

    /// The technician's id, if it is a person's.
    pub fn technician_id(&self) -> Option<TechnicianId> {
        (self.invite.role != Role::Device).then(|| self.first_key().technician_id())
    }

    /// `true` for a technician and an administrator.
    pub fn is_person(&self) -> bool {
        self.invite.role != Role::Device
    }
}

impl Credential {
    /// What the bearer of an invite makes of it: their own key, endorsed by the one-time key.
    ///
    /// # Errors
    /// [`WireError`] if the statement is too large to encode; names are bounded, so it never is.
    pub fn join(
        invite: Signed<Invite>,
        one_time: &SecretKey,
        own: &PublicKey,
        now: UnixMillis,
    ) -> Result<Self, WireError> {
        let link = one_time.sign(&Endorsement { key: *own, issued: now })?;
        Ok(Self { invite, links: vec![link] })
    }

    /// The credential with today's key replaced by `new`.
    ///
    /// # Errors
    /// [`WireError`] if the statement is too large to encode; names are bounded, so it never is.
    pub fn rotated(&self, old: &SecretKey, new: &PublicKey, now: UnixMillis) -> Result<Self, WireError> {
        let mut next = self.clone();
        next.links.push(old.sign(&Endorsement { key: *new, issued: now })?);
        Ok(next)
    }

    /// Follows the chain from the organisation's key. Validity in time is judged at `now`.
    ///
    /// # Errors
    /// [`CredentialError`]. Revocation is checked separately: [`Revocations::check`].
    pub fn verify(
        &self,
        organisation: &PublicKey,
        now: UnixMillis,
    ) -> Result<VerifiedCredential, CredentialError> {
        if self.links.is_empty() || self.links.len() > MAX_LINKS {
            return Err(CredentialError::Length(self.links.len()));
        }
        let mut invite = self.invite.open(organisation).map_err(CredentialError::Chain)?;
        if invite.organisation != organisation.organisation_id() {
            return Err(CredentialError::OtherOrganisation);
        }
        let mut keys = Vec::with_capacity(self.links.len());
        let mut signer = invite.key;
        for link in &self.links {
            let endorsement = link.open(&signer).map_err(CredentialError::Chain)?;
            if keys.is_empty() && endorsement.issued > invite.use_by {
                return Err(CredentialError::UsedLate(invite.use_by));
            }
            signer = endorsement.key;
            keys.push(signer);
        }
        if now > invite.valid_until {
            return Err(CredentialError::Expired(invite.valid_until));
        }
        invite.name = text::one_line(&invite.name, MAX_NAME);
        invite.organisation_name = text::one_line(&invite.organisation_name, MAX_NAME);
        Ok(VerifiedCredential { invite, keys })
    }
}

/// A retired key's last word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct KnownRetirement {
    successor: PublicKey,
    issued: UnixMillis,
}

/// What is known to be withdrawn. It grows, but for entries whose credentials expired long ago.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Revocations {
    list: Option<Signed<RevocationList>>,
    number: u64,
    keys: BTreeMap<PublicKey, UnixMillis>,
    invites: BTreeMap<InviteId, UnixMillis>,
    devices: BTreeMap<DeviceId, UnixMillis>,
    people: BTreeMap<TechnicianId, UnixMillis>,
    retired: BTreeMap<PublicKey, KnownRetirement>,
}

/// Adds entries of a newer list and forgets those that expired long before `now`. The later end counts.
fn take_over<K: Ord>(known: &mut BTreeMap<K, UnixMillis>, new: BTreeMap<K, UnixMillis>, now: UnixMillis) {
    for (key, until) in new {
        known.entry(key).and_modify(|kept| *kept = until.max(*kept)).or_insert(until);
    }
    known.retain(|_, until| until.after(KEEP_EXPIRED) >= now);
}

impl Revocations {
    /// Takes in the organisation's list, if it is newer than what is known. Returns `true` if it was.
    ///
    /// # Errors
    /// [`CredentialError::Chain`] if the organisation didn't sign it; [`CredentialError::OtherOrganisation`].
    pub fn apply(
        &mut self,
        list: &Signed<RevocationList>,
        organisation: &PublicKey,
    ) -> Result<bool, CredentialError> {
        let opened = list.open(organisation).map_err(CredentialError::Chain)?;
        if opened.organisation != organisation.organisation_id() {
            return Err(CredentialError::OtherOrganisation);
        }
        if opened.number <= self.number || opened.entries() > MAX_REVOKED {
            return Ok(false);
        }
        self.number = opened.number;
        take_over(&mut self.keys, opened.keys, opened.issued);
        take_over(&mut self.invites, opened.invites, opened.issued);
        take_over(&mut self.devices, opened.devices, opened.issued);
        take_over(&mut self.people, opened.people, opened.issued);
        self.list = Some(list.clone());
        Ok(true)
    }

    /// Takes in a key's own retirement. Returns `true` if it was news. The first one counts: a key that speaks again after
    /// its end is in the wrong hands.
    ///
    /// # Errors
    /// [`CredentialError::Chain`] if the key itself didn't sign it.
    pub fn retire(&mut self, retirement: &Signed<Retirement>) -> Result<bool, CredentialError> {
        let key = retirement.peek().map_err(CredentialError::Chain)?.key;
        let Retirement { successor, issued, .. } = retirement.open(&key).map_err(CredentialError::Chain)?;
        if self.retired.contains_key(&key) {
            return Ok(false);
        }
        if self.retired.len() >= MAX_RETIRED
            && let Some(oldest) = self.retired.iter().min_by_key(|(_, one)| one.issued).map(|(key, _)| *key)
        {
            self.retired.remove(&oldest);
        }
        self.retired.insert(key, KnownRetirement { successor, issued });
        Ok(true)
    }

    /// Whether a credential still counts: its member, its invite and no key of its chain revoked, and each retired key
    /// followed by the successor that it named.
    ///
    /// # Errors
    /// [`CredentialError::Revoked`] if one of them is withdrawn, or a retired key is the last or has another successor.
    pub fn check(&self, who: &VerifiedCredential) -> Result<(), CredentialError> {
        let revoked = self.invites.contains_key(&who.invite.id)
            || who.device_id().is_some_and(|id| self.devices.contains_key(&id))
            || who.technician_id().is_some_and(|id| self.people.contains_key(&id))
            || who.keys.iter().any(|key| self.keys.contains_key(key));
        let followers = who.keys.iter().skip(1).map(Some).chain([None]);
        let branched =
            who.keys.iter().zip(followers).any(|(key, next)| {
                self.retired.get(key).is_some_and(|retired| next != Some(&retired.successor))
            });
        if revoked || branched { Err(CredentialError::Revoked) } else { Ok(()) }
    }

    /// Whether a key has retired itself.
    pub fn is_retired(&self, key: &PublicKey) -> bool {
        self.retired.contains_key(key)
    }

    /// The organisation's newest list, to hand on.
    pub fn list(&self) -> Option<&Signed<RevocationList>> {
        self.list.as_ref()
    }

    /// The next list: this one, without what expired long ago, and what is added. Who knows when the credentials of an added
    /// entry expire writes that into the list; until then it stays [`FOR_EVER`].
    pub fn next_list(
        &self,
        organisation: OrganisationId,
        now: UnixMillis,
        keys: impl IntoIterator<Item = PublicKey>,
        invites: impl IntoIterator<Item = InviteId>,
    ) -> RevocationList {
        fn grown<K: Ord + Copy>(
            known: &BTreeMap<K, UnixMillis>,
            new: impl IntoIterator<Item = K>,
            now: UnixMillis,
        ) -> BTreeMap<K, UnixMillis> {
            let mut next = known.clone();
            take_over(&mut next, new.into_iter().map(|key| (key, FOR_EVER)).collect(), now);
            next
        }
        RevocationList {
            organisation,
            number: self.number.saturating_add(1),
            issued: now,
            keys: grown(&self.keys, keys, now),
            invites: grown(&self.invites, invites, now),
            devices: grown(&self.devices, [], now),
            people: grown(&self.people, [], now),
        }
    }
}

/// Makes an invite: the signed statement and the one-time key that goes with it to its bearer.
///
/// # Errors
/// [`WireError`] if the statement is too large to encode; names are bounded, so it never is.
pub fn invite(
    organisation: &SecretKey,
    rng: &mut impl CryptoRngCore,
    fill: impl FnOnce(InviteId, OrganisationId, PublicKey) -> Invite,
) -> Result<(Signed<Invite>, SecretKey), WireError> {
    let one_time = SecretKey::generate(rng);
    let id = InviteId::random(rng);
    let body = fill(id, organisation.public().organisation_id(), one_time.public());
    Ok((organisation.sign(&body)?, one_time))
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn invited(org: &SecretKey, role: Role) -> (Signed<Invite>, SecretKey) {
        invite(org, &mut OsRng, |id, organisation, key| Invite {
            id,
            organisation,
            organisation_name: "Acme\u{202e}".into(),
            key,
            role,
            name: "Ada".into(),
            issued: NOW,
            use_by: UnixMillis(2_000_000),
            valid_until: UnixMillis(9_000_000),
        })
        .unwrap()
    }

    fn joined(org: &SecretKey) -> (Credential, SecretKey) {
        let (invite, one_time) = invited(org, Role::Technician);
        let own = SecretKey::generate(&mut OsRng);
        (Credential::join(invite, &one_time, &own.public(), NOW).unwrap(), own)
    }

    #[test]
    fn the_chain_leads_from_the_organisation_to_the_holder() {
        let org = SecretKey::generate(&mut OsRng);
        let (credential, own) = joined(&org);
        let who = credential.verify(&org.public(), NOW).unwrap();
        assert_eq!(who.key(), own.public());
        assert_eq!(who.technician_id(), Some(own.public().technician_id()));
        assert_eq!(who.device_id(), None);
        assert_eq!(who.invite.organisation_name, "Acme\u{fffd}");
    }

    #[test]
    fn another_organisation_a_stranger_and_a_late_use_do_not_count() {
        let (org, other) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
        let (credential, _) = joined(&org);
        assert!(matches!(credential.verify(&other.public(), NOW), Err(CredentialError::Chain(_))));
        // The bearer of an invite without its one-time key.
        let (invite, one_time) = invited(&org, Role::Technician);
        let thief = SecretKey::generate(&mut OsRng);
        let forged = Credential::join(invite.clone(), &thief, &thief.public(), NOW).unwrap();
        assert!(matches!(forged.verify(&org.public(), NOW), Err(CredentialError::Chain(_))));
        let late = Credential::join(invite, &one_time, &thief.public(), UnixMillis(2_000_001)).unwrap();
        assert!(matches!(late.verify(&org.public(), NOW), Err(CredentialError::UsedLate(_))));
        assert!(matches!(
            credential.verify(&org.public(), UnixMillis(9_000_001)),
            Err(CredentialError::Expired(_))
        ));
    }

    #[test]
    fn rotation_keeps_the_identity_and_retires_the_old_key() {
        let org = SecretKey::generate(&mut OsRng);
        let (credential, old) = joined(&org);
        let new = SecretKey::generate(&mut OsRng);
        let next = credential.rotated(&old, &new.public(), NOW).unwrap();
        let mut revocations = Revocations::default();
        let retirement =
            old.sign(&Retirement { key: old.public(), successor: new.public(), issued: NOW }).unwrap();
        assert!(revocations.retire(&retirement).unwrap());
        let (before, after) =
            (credential.verify(&org.public(), NOW).unwrap(), next.verify(&org.public(), NOW).unwrap());
        assert_eq!(before.technician_id(), after.technician_id());
        assert!(matches!(revocations.check(&before), Err(CredentialError::Revoked)));
        revocations.check(&after).unwrap();
        // Nobody can retire somebody else's key.
        let forged =
            new.sign(&Retirement { key: old.public(), successor: new.public(), issued: NOW }).unwrap();
        assert!(revocations.retire(&forged).is_err());
        // Nor may a retired key found a branch: no other key follows it than the one it named, by this invite or another.
        let other = SecretKey::generate(&mut OsRng);
        let branch = credential.rotated(&old, &other.public(), NOW).unwrap();
        assert!(matches!(
            revocations.check(&branch.verify(&org.public(), NOW).unwrap()),
            Err(CredentialError::Revoked)
        ));
        let (second, one_time) = invited(&org, Role::Technician);
        let again = Credential::join(second, &one_time, &old.public(), NOW).unwrap();
        let again = again.rotated(&old, &other.public(), NOW).unwrap();
        assert!(matches!(
            revocations.check(&again.verify(&org.public(), NOW).unwrap()),
            Err(CredentialError::Revoked)
        ));
        // The first word counts.
        let second =
            old.sign(&Retirement { key: old.public(), successor: other.public(), issued: NOW }).unwrap();
        assert!(!revocations.retire(&second).unwrap());
        revocations.check(&after).unwrap();
        // The chain has an end.
        let mut long = next;
        let mut key = new;
        for _ in 0..MAX_LINKS {
            let k = SecretKey::generate(&mut OsRng);
            long = long.rotated(&key, &k.public(), NOW).unwrap();
            key = k;
        }
        assert!(matches!(long.verify(&org.public(), NOW), Err(CredentialError::Length(_))));
    }

    #[test]
    fn an_id_is_enough_to_revoke_and_expired_entries_leave_the_list() {
        let org = SecretKey::generate(&mut OsRng);
        let (credential, own) = joined(&org);
        let who = credential.verify(&org.public(), NOW).unwrap();
        let id = org.public().organisation_id();
        let mut known = Revocations::default();
        let mut list = known.next_list(id, NOW, [], [who.invite.id]);
        list.invites.insert(who.invite.id, who.invite.valid_until);
        list.people.insert(own.public().technician_id(), FOR_EVER);
        assert!(known.apply(&org.sign(&list).unwrap(), &org.public()).unwrap());
        assert!(matches!(known.check(&who), Err(CredentialError::Revoked)));
        // A day after it expired an agent with a wrong clock may still take it for valid; a year later nobody does.
        let day_after = who.invite.valid_until.after(Duration::from_secs(86_400));
        assert!(known.next_list(id, day_after, [], []).invites.contains_key(&who.invite.id));
        let year_after = who.invite.valid_until.after(Duration::from_secs(400 * 86_400));
        let next = known.next_list(id, year_after, [], []);
        assert!(
            next.invites.is_empty() && next.people.len() == 1,
            "nobody said when the id's credentials expire"
        );
        assert!(known.apply(&org.sign(&next).unwrap(), &org.public()).unwrap());
        assert!(known.invites.is_empty());
        assert!(matches!(known.check(&who), Err(CredentialError::Revoked)), "by the id");
    }

    #[test]
    fn revocation_needs_the_organisation_and_never_goes_back() {
        let (org, other) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
        let (credential, _) = joined(&org);
        let who = credential.verify(&org.public(), NOW).unwrap();
        let mut known = Revocations::default();
        let id = org.public().organisation_id();
        let empty = org.sign(&known.next_list(id, NOW, [], [])).unwrap();
        let list = known.next_list(id, NOW, [who.first_key()], []);
        assert!(known.apply(&other.sign(&list).unwrap(), &org.public()).is_err());
        known.check(&who).unwrap();
        assert!(
            known.apply(&org.sign(&RevocationList { number: 5, ..list }).unwrap(), &org.public()).unwrap()
        );
        assert!(matches!(known.check(&who), Err(CredentialError::Revoked)));
        assert!(!known.apply(&empty, &org.public()).unwrap(), "an old list is not news");
        assert!(matches!(known.check(&who), Err(CredentialError::Revoked)));
    }
}
