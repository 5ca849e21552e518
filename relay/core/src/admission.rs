//! Who is let in, and as what: hello, claim, join, rotation, revocation.
//!
//! Lives here: the decisions, as plain functions of what is known, of what is shown and of the time. Must not
//! live here: sockets, the database, clocks. A decision that changes something is taken in two steps: the
//! judgement (which changes nothing), and, once the driver has stored it, the method that takes note of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::credential::{
    Credential, CredentialError, Retirement, RevocationList, Revocations, Role, VerifiedCredential,
};
use nearhand_proto::id::InviteId;
use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::invitation::OneTime;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{DeviceFacts, PAGE, RelayHello, RelayRefusal, RelayWelcome};
use nearhand_proto::time::UnixMillis;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::caller::{Caller, PeerId};
use crate::registry::limits::{BucketRate, RateBucket};

/// How often a claim may be tried, over all callers: the secret has 256 bits, so this only bounds the work.
const CLAIMS: BucketRate = BucketRate { burst: 20, every_ms: 1000 };
/// How far a workstation's clock may be ahead of the relay's.
const CLOCKS_DIFFER: Duration = Duration::from_secs(86_400);

/// What the operator allows.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionRules {
    /// Whether machines that aren't enrolled may ask for help.
    pub allow_guests: bool,
    /// Most enrolled devices.
    pub max_devices: usize,
}

/// A used invite: by whom, and with which key they speak today.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsedInvite {
    /// The key it was used with, whose fingerprint is the id.
    pub first: PublicKey,
    /// The key that they speak with today.
    pub current: PublicKey,
    /// The role that the invitation gave.
    pub role: Role,
}

/// What was stored when the relay started.
#[derive(Default)]
pub struct StoredMembership {
    /// The organisation, if the relay was claimed.
    pub organisation: Option<PublicKey>,
    /// All used invites.
    pub invites: Vec<(InviteId, UsedInvite)>,
    /// All revocation lists, in the order of their numbers.
    pub lists: Vec<Signed<RevocationList>>,
    /// All retirements, oldest first.
    pub retirements: Vec<Signed<Retirement>>,
}

/// An accepted hello.
#[derive(Debug)]
pub struct AdmittedCaller {
    /// Who it is.
    pub caller: Caller,
    /// Its chain is longer than the one stored: a rotation whose request was lost. To be stored.
    pub longer_chain: bool,
}

/// Whether a join is new.
#[derive(Debug)]
pub enum JoinDecision {
    /// To be stored.
    New(Arc<VerifiedCredential>),
    /// The same key has used the same invite before: its reply was lost. Nothing to store.
    Again,
}

/// Who belongs here.
pub struct Admission {
    rules: AdmissionRules,
    organisation: Option<PublicKey>,
    book: HashMap<InviteId, UsedInvite>,
    devices: usize,
    revocations: Revocations,
    newest_retirements: VecDeque<Signed<Retirement>>,
    claims: RateBucket,
}

impl Admission {
    /// From what was stored. Statements that don't verify are left out.
    pub fn new(rules: AdmissionRules, loaded: StoredMembership, now: Instant) -> Self {
        let mut revocations = Revocations::default();
        if let Some(organisation) = &loaded.organisation {
            for list in &loaded.lists {
                let _ = revocations.apply(list, organisation);
            }
        }
        for retirement in &loaded.retirements {
            let _ = revocations.retire(retirement);
        }
        let old = loaded.retirements.len().saturating_sub(PAGE);
        let devices = loaded.invites.iter().filter(|(_, k)| k.role == Role::Device).count();
        Self {
            rules,
            organisation: loaded.organisation,
            book: loaded.invites.into_iter().collect(),
            devices,
            revocations,
            newest_retirements: loaded.retirements.into_iter().skip(old).collect(),
            claims: RateBucket::full(CLAIMS, now),
        }
    }

    /// The organisation, once claimed.
    pub fn organisation(&self) -> Option<PublicKey> {
        self.organisation
    }

    /// How many devices are enrolled.
    pub fn devices(&self) -> usize {
        self.devices
    }

    /// The newest revocation list.
    pub fn newest_list(&self) -> Option<&Signed<RevocationList>> {
        self.revocations.list()
    }

    /// What an admitted caller is told.
    pub fn welcome(&self, now: UnixMillis) -> RelayWelcome {
        RelayWelcome {
            program: ProgramInfo::this(),
            now,
            revocations: self.revocations.list().cloned(),
            retirements: self.newest_retirements.iter().cloned().collect(),
        }
    }

    /// Judges a hello from the holder of `peer`.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn hello(
        &self,
        peer: &PublicKey,
        hello: &RelayHello,
        now: UnixMillis,
    ) -> Result<AdmittedCaller, RelayRefusal> {
        let (credential, device) = match hello {
            RelayHello::Newcomer { .. } => {
                return Ok(AdmittedCaller { caller: Caller::Newcomer, longer_chain: false });
            }
            RelayHello::Guest { facts, .. } => return self.guest(facts),
            RelayHello::Device { credential, .. } => (credential, true),
            RelayHello::Person { credential, .. } => (credential, false),
        };
        let who = self.verified(credential, peer, now)?;
        if who.is_person() == device {
            return Err(refused(&CredentialError::WrongRole(who.invite.role)));
        }
        let known = self.book.get(&who.invite.id).ok_or(RelayRefusal::Unknown)?;
        if known.first != who.first_key() {
            return Err(RelayRefusal::Unknown);
        }
        if !who.keys().contains(&known.current) {
            // An older chain, or one that branched off before today's key: that key was replaced.
            return Err(RelayRefusal::Revoked);
        }
        let longer_chain = known.current != who.key();
        let who = Arc::new(who);
        let caller = if device { Caller::Device(who) } else { Caller::Person(who) };
        Ok(AdmittedCaller { caller, longer_chain })
    }

    fn guest(&self, facts: &DeviceFacts) -> Result<AdmittedCaller, RelayRefusal> {
        if !self.rules.allow_guests {
            return Err(RelayRefusal::NotAllowed);
        }
        if self.organisation.is_none() {
            return Err(RelayRefusal::Unclaimed);
        }
        let caller = Caller::Guest(facts.hostname.as_str().into());
        Ok(AdmittedCaller { caller, longer_chain: false })
    }

    fn verified(
        &self,
        credential: &Credential,
        peer: &PublicKey,
        now: UnixMillis,
    ) -> Result<VerifiedCredential, RelayRefusal> {
        let organisation = self.organisation.ok_or(RelayRefusal::Unclaimed)?;
        let who = credential.verify(&organisation, now).map_err(|e| refused(&e))?;
        if who.key() != *peer {
            return Err(other_key());
        }
        self.revocations.check(&who).map_err(|_| RelayRefusal::Revoked)?;
        Ok(who)
    }

    /// Judges a claim. `expected` is the SHA-256 of the newest claim secret, if one is open.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn claim(
        &mut self,
        peer: &PublicKey,
        claim: (&OneTime, &PublicKey, &Credential),
        expected: Option<[u8; 32]>,
        now: UnixMillis,
        tick: Instant,
    ) -> Result<Arc<VerifiedCredential>, RelayRefusal> {
        let (secret, organisation, credential) = claim;
        if self.organisation.is_some() {
            return Err(RelayRefusal::Claimed);
        }
        self.claims.take(CLAIMS, tick).map_err(|seconds| RelayRefusal::TooMany { seconds })?;
        let shown = claim_hash(secret.bytes());
        // Compared also when there is none, so that both take the same time.
        let same = shown.ct_eq(&expected.unwrap_or_default());
        if expected.is_none() || !bool::from(same) {
            return Err(RelayRefusal::WrongClaim);
        }
        let who = credential.verify(organisation, now).map_err(|e| refused(&e))?;
        if who.invite.role != Role::Admin {
            return Err(refused(&CredentialError::WrongRole(who.invite.role)));
        }
        if who.key() != *peer {
            return Err(other_key());
        }
        Ok(Arc::new(who))
    }

    /// Judges a join by an invite.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn join(
        &self,
        peer: &PublicKey,
        credential: &Credential,
        has_facts: bool,
        now: UnixMillis,
    ) -> Result<JoinDecision, RelayRefusal> {
        let who = self.verified(credential, peer, now)?;
        if who.keys().len() != 1 || has_facts == who.is_person() {
            return Err(RelayRefusal::NotAllowed);
        }
        match self.book.get(&who.invite.id) {
            Some(known) if known.first == *peer && known.current == *peer => Ok(JoinDecision::Again),
            Some(_) => Err(RelayRefusal::InviteUsed),
            // By this relay's clock: what the newcomer wrote into the chain is the newcomer's word.
            None if now > who.invite.use_by => Err(refused(&CredentialError::UsedLate(who.invite.use_by))),
            None if !who.is_person() && self.devices >= self.rules.max_devices => {
                Err(RelayRefusal::Full { what: "devices".into() })
            }
            None => Ok(JoinDecision::New(Arc::new(who))),
        }
    }

    /// Judges the replacement of a caller's key.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn rotate(
        &self,
        caller: &VerifiedCredential,
        credential: &Credential,
        retirement: &Signed<Retirement>,
        now: UnixMillis,
    ) -> Result<Arc<VerifiedCredential>, RelayRefusal> {
        let organisation = self.organisation.ok_or(RelayRefusal::Unclaimed)?;
        let old = caller.key();
        let retired = retirement.open(&old).map_err(|e| refused(&CredentialError::Chain(e)))?;
        if retired.key != old {
            return Err(other_key());
        }
        if retired.successor != credential_end(credential)? {
            return Err(RelayRefusal::Credential(
                "the retirement names another successor than the chain".into(),
            ));
        }
        let next = credential.verify(&organisation, now).map_err(|e| refused(&e))?;
        let grew_by_one = next.keys().split_last().is_some_and(|(_, before)| before == caller.keys());
        if next.invite.id != caller.invite.id || !grew_by_one {
            return Err(RelayRefusal::Credential("it is not the caller's own, one key longer".into()));
        }
        self.revocations.check(&next).map_err(|_| RelayRefusal::Revoked)?;
        Ok(Arc::new(next))
    }

    /// Judges a revocation list handed in by a caller. `Ok(None)`: the very one that is in force.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn revoke(
        &self,
        caller: &Caller,
        list: &Signed<RevocationList>,
        now: UnixMillis,
    ) -> Result<Option<(u64, Revocations)>, RelayRefusal> {
        let organisation = self.organisation.ok_or(RelayRefusal::Unclaimed)?;
        if !caller.verified().is_some_and(|v| v.invite.role == Role::Admin) {
            return Err(RelayRefusal::NotAllowed);
        }
        if self.revocations.list() == Some(list) {
            return Ok(None);
        }
        let mut next = self.revocations.clone();
        match next.apply(list, &organisation) {
            Err(e) => Err(refused(&e)),
            Ok(false) => Err(RelayRefusal::OldList),
            Ok(true) => {
                let opened = list.open(&organisation).map_err(|e| refused(&CredentialError::Chain(e)))?;
                // Entries leave a list by its date: one from the future would forget what must stay revoked.
                if opened.issued > now.after(CLOCKS_DIFFER) {
                    let what =
                        format!("the list is dated {}, and it is {now} here: set the clock", opened.issued);
                    return Err(RelayRefusal::Invalid { what: what.into() });
                }
                Ok(Some((opened.number, next)))
            }
        }
    }

    /// Whether somebody admitted earlier no longer counts.
    pub fn is_revoked(&self, who: &VerifiedCredential) -> bool {
        self.revocations.check(who).is_err()
    }

    /// All members whose invite, first key or today's key is withdrawn, connected or not.
    pub fn withdrawn_peers(&self) -> Vec<PeerId> {
        let Some(list) = self.organisation.and_then(|o| self.revocations.list()?.open(&o).ok()) else {
            return Vec::new();
        };
        let withdrawn = |(id, known): &(&InviteId, &UsedInvite)| {
            list.withdraws(id, &known.first, &known.current, known.role)
        };
        let peer = |known: &UsedInvite| match known.role {
            Role::Device => PeerId::Device(known.first.device_id()),
            Role::Technician | Role::Admin => PeerId::Person(known.first.technician_id()),
        };
        self.book.iter().filter(withdrawn).map(|(_, known)| peer(known)).collect()
    }

    /// The claim was stored.
    pub fn claimed(&mut self, organisation: PublicKey, who: &VerifiedCredential) {
        self.organisation = Some(organisation);
        self.joined(who);
    }

    /// The join was stored.
    pub fn joined(&mut self, who: &VerifiedCredential) {
        let known = UsedInvite { first: who.first_key(), current: who.key(), role: who.invite.role };
        if self.book.insert(who.invite.id, known).is_none() && known.role == Role::Device {
            self.devices += 1;
        }
    }

    /// The longer chain was stored, and the retirement of the old key if there was one.
    pub fn rotated(&mut self, who: &VerifiedCredential, retirement: Option<&Signed<Retirement>>) {
        self.joined(who);
        let Some(retirement) = retirement else { return };
        if matches!(self.revocations.retire(retirement), Ok(true)) {
            self.newest_retirements.push_back(retirement.clone());
            if self.newest_retirements.len() > PAGE {
                self.newest_retirements.pop_front();
            }
        }
    }

    /// The list was stored.
    pub fn revoked(&mut self, list: &Signed<RevocationList>) {
        if let Some(organisation) = &self.organisation {
            let _ = self.revocations.apply(list, organisation);
        }
    }
}

/// What is stored of a claim secret.
pub fn claim_hash(secret: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"nearhand claim 1");
    hash.update(secret);
    hash.finalize().into()
}

/// The refusal for a credential, in this program's own words only.
fn refused(error: &CredentialError) -> RelayRefusal {
    match error {
        CredentialError::Revoked => RelayRefusal::Revoked,
        other => RelayRefusal::Credential(other.to_string().into()),
    }
}

/// The key in which a credential's chain ends, as far as it says so itself.
fn credential_end(credential: &Credential) -> Result<PublicKey, RelayRefusal> {
    let last = credential.links.last().ok_or_else(|| refused(&CredentialError::Length(0)))?;
    Ok(last.peek().map_err(|e| refused(&CredentialError::Chain(e)))?.key)
}

fn other_key() -> RelayRefusal {
    RelayRefusal::Credential("it ends in another key than the connection's".into())
}

#[cfg(test)]
mod tests;
