//! The decisions in virtual time, with made-up organisations.

use nearhand_proto::credential::{Invite, invite};
use nearhand_proto::id::OrganisationId;
use nearhand_proto::identity::SecretKey;
use rand_core::OsRng;

use super::*;

const NOW: UnixMillis = UnixMillis(1_000_000);
const RULES: AdmissionRules = AdmissionRules { allow_guests: true, max_devices: 1 };

struct AdmissionFixture {
    org: SecretKey,
    admission: Admission,
    start: Instant,
}

fn key() -> SecretKey {
    SecretKey::generate(&mut OsRng)
}

fn world() -> AdmissionFixture {
    let (org, start) = (key(), Instant::now());
    let loaded = StoredMembership { organisation: Some(org.public()), ..StoredMembership::default() };
    AdmissionFixture { admission: Admission::new(RULES, loaded, start), org, start }
}

fn credential(org: &SecretKey, role: Role) -> (Credential, SecretKey) {
    let own = key();
    (credential_of(org, role, &own), own)
}

/// By a new invite, for a key that somebody has.
fn credential_of(org: &SecretKey, role: Role, own: &SecretKey) -> Credential {
    let (signed, one_time) = invite(org, &mut OsRng, |id, organisation: OrganisationId, key| Invite {
        id,
        organisation,
        organisation_name: "Acme".into(),
        key,
        role,
        name: "Name\u{1b}".into(),
        issued: NOW,
        use_by: UnixMillis(2_000_000),
        valid_until: UnixMillis(9_000_000),
    })
    .unwrap();
    Credential::join(signed, &one_time, &own.public(), NOW).unwrap()
}

fn facts() -> DeviceFacts {
    DeviceFacts { hostname: "h\u{202e}".into(), os: "o".repeat(1000).into() }
}

fn device_hello(credential: &Credential) -> RelayHello {
    RelayHello::Device { program: ProgramInfo::this(), credential: credential.clone(), facts: facts() }
}

impl AdmissionFixture {
    fn invited(&self, role: Role, own: &SecretKey) -> Credential {
        credential_of(&self.org, role, own)
    }

    fn join(&mut self, role: Role) -> (Credential, SecretKey, Arc<VerifiedCredential>) {
        let (credential, own) = credential(&self.org, role);
        let joined = self.admission.join(&own.public(), &credential, role == Role::Device, NOW).unwrap();
        let JoinDecision::New(who) = joined else { panic!("{joined:?}") };
        self.admission.joined(&who);
        (credential, own, who)
    }

    fn hello(
        &self,
        own: &SecretKey,
        credential: &Credential,
        now: UnixMillis,
    ) -> Result<AdmittedCaller, RelayRefusal> {
        self.admission.hello(&own.public(), &device_hello(credential), now)
    }
}

#[test]
fn a_claim_needs_the_newest_secret_an_admin_and_their_own_key() {
    let (org, start) = (key(), Instant::now());
    let mut admission = Admission::new(RULES, StoredMembership::default(), start);
    let (credential_of_admin, own) = credential(&org, Role::Admin);
    let (technician, other) = credential(&org, Role::Technician);
    let (good, bad, zeros) = (OneTime::new([1; 32]), OneTime::new([2; 32]), OneTime::new([0; 32]));
    let expected = Some(claim_hash(&[1; 32]));
    let mut claim = |peer: &SecretKey, secret, org: &SecretKey, credential, expected| {
        let shown = (secret, &org.public(), credential);
        admission.claim(&peer.public(), shown, expected, NOW, start).map(|who| who.key())
    };
    assert_eq!(claim(&own, &bad, &org, &credential_of_admin, expected), Err(RelayRefusal::WrongClaim));
    assert_eq!(claim(&own, &zeros, &org, &credential_of_admin, None), Err(RelayRefusal::WrongClaim));
    assert!(matches!(claim(&other, &good, &org, &technician, expected), Err(RelayRefusal::Credential(_))));
    assert!(matches!(
        claim(&other, &good, &org, &credential_of_admin, expected),
        Err(RelayRefusal::Credential(_))
    ));
    assert!(matches!(
        claim(&own, &good, &key(), &credential_of_admin, expected),
        Err(RelayRefusal::Credential(_))
    ));
    assert_eq!(claim(&own, &good, &org, &credential_of_admin, expected), Ok(own.public()));
    // Guesses are bounded, also when each comes with another key.
    let refused = (0..50).filter(|_| {
        matches!(
            claim(&key(), &bad, &org, &credential_of_admin, expected),
            Err(RelayRefusal::TooMany { seconds: 1 })
        )
    });
    assert_eq!(refused.count(), 36);
}

#[test]
fn joins_are_limited_and_need_what_the_role_needs() {
    let mut world = world();
    let (first, own, _) = world.join(Role::Device);
    assert!(matches!(world.admission.join(&own.public(), &first, true, NOW), Ok(JoinDecision::Again)));
    let (second, own) = credential(&world.org, Role::Device);
    let refused = world.admission.join(&own.public(), &second, true, NOW).map(|_| ());
    assert_eq!(refused, Err(RelayRefusal::Full { what: "devices".into() }));
    assert_eq!(
        world.admission.join(&own.public(), &second, false, NOW).map(|_| ()),
        Err(RelayRefusal::NotAllowed)
    );
    world.join(Role::Technician);
    let (late, own) = credential(&world.org, Role::Technician);
    let expired = world.admission.join(&own.public(), &late, false, UnixMillis(9_000_001)).map(|_| ());
    assert!(matches!(expired, Err(RelayRefusal::Credential(_))));
}

#[test]
fn a_hello_is_judged_by_chain_key_role_and_time() {
    let mut world = world();
    let (credential, own, who) = world.join(Role::Device);
    let admitted = world.hello(&own, &credential, NOW).unwrap();
    assert!(!admitted.longer_chain);
    assert_eq!(
        admitted.caller.actor(&own.public()),
        format!("device Name\u{fffd} ({})", who.device_id().unwrap())
    );
    assert!(matches!(
        world.hello(&own, &credential, UnixMillis(9_000_001)),
        Err(RelayRefusal::Credential(_))
    ));
    assert!(matches!(world.hello(&key(), &credential, NOW), Err(RelayRefusal::Credential(_))));
    let as_person = RelayHello::Person { program: ProgramInfo::this(), credential };
    assert!(matches!(
        world.admission.hello(&own.public(), &as_person, NOW),
        Err(RelayRefusal::Credential(_))
    ));
    let guest = RelayHello::Guest { program: ProgramInfo::this(), facts: facts() };
    let admitted = world.admission.hello(&own.public(), &guest, NOW).unwrap();
    assert!(matches!(admitted.caller, Caller::Guest(name) if &*name == "h\u{fffd}"));
    let closed = AdmissionRules { allow_guests: false, ..RULES };
    let loaded = StoredMembership { organisation: Some(world.org.public()), ..StoredMembership::default() };
    let strict = Admission::new(closed, loaded, world.start);
    assert_eq!(strict.hello(&own.public(), &guest, NOW).map(|_| ()), Err(RelayRefusal::NotAllowed));
    assert_eq!(facts().os.chars().count(), 64);
}

#[test]
fn a_chain_that_branches_off_before_todays_key_is_out() {
    let mut world = world();
    let (first, own, who) = world.join(Role::Device);
    let (next, thief) = (key(), key());
    let longer = first.rotated(&own, &next.public(), NOW).unwrap();
    let retirement =
        own.sign(&Retirement { key: own.public(), successor: next.public(), issued: NOW }).unwrap();
    let rotated = world.admission.rotate(&who, &longer, &retirement, NOW).unwrap();
    world.admission.rotated(&rotated, Some(&retirement));
    assert!(world.hello(&next, &longer, NOW).is_ok());
    assert_eq!(world.hello(&own, &first, NOW).map(|_| ()), Err(RelayRefusal::Revoked));
    // The thief of the old key endorses a new key of the thief, and another after it.
    let branch = first.rotated(&own, &thief.public(), NOW).unwrap();
    assert_eq!(world.hello(&thief, &branch, NOW).map(|_| ()), Err(RelayRefusal::Revoked));
    let more = key();
    let branch = branch.rotated(&thief, &more.public(), NOW).unwrap();
    assert_eq!(world.hello(&more, &branch, NOW).map(|_| ()), Err(RelayRefusal::Revoked));
    assert!(world.admission.rotate(&rotated, &branch, &retirement, NOW).is_err());
    assert_eq!(world.admission.welcome(NOW).retirements, [retirement]);
    // The true one goes on.
    let third = key();
    let longer = longer.rotated(&next, &third.public(), NOW).unwrap();
    assert!(world.hello(&third, &longer, NOW).unwrap().longer_chain);
}

#[test]
fn an_invite_expires_by_the_relays_clock_whatever_the_newcomer_wrote() {
    let mut world = world();
    let own = key();
    let credential = world.invited(Role::Technician, &own);
    let use_by = credential.invite.peek().unwrap().use_by;
    let late = use_by.after(Duration::from_millis(1));
    let refusal = world.admission.join(&own.public(), &credential, false, late).map(|_| ());
    assert!(
        matches!(refusal, Err(RelayRefusal::Credential(why)) if why.to_string().contains("after its time"))
    );
    // In time, and sent again after its time because the answer was lost.
    let Ok(JoinDecision::New(who)) = world.admission.join(&own.public(), &credential, false, use_by) else {
        panic!("it is in time")
    };
    world.admission.joined(&who);
    let again = world.admission.join(&own.public(), &credential, false, late);
    assert!(matches!(again, Ok(JoinDecision::Again)));
}

#[test]
fn a_retired_key_founds_no_branch_by_a_second_invite() {
    let mut world = world();
    let (first, own, who) = world.join(Role::Technician);
    // The same key joins by another invite too, as at a renewal.
    let second = world.invited(Role::Technician, &own);
    let Ok(JoinDecision::New(renewed)) = world.admission.join(&own.public(), &second, false, NOW) else {
        panic!("a renewal")
    };
    world.admission.joined(&renewed);
    let (next, thief) = (key(), key());
    let longer = first.rotated(&own, &next.public(), NOW).unwrap();
    let wrong = own.sign(&Retirement { key: own.public(), successor: thief.public(), issued: NOW }).unwrap();
    assert!(
        world.admission.rotate(&who, &longer, &wrong, NOW).is_err(),
        "another successor than the chain's"
    );
    let retirement =
        own.sign(&Retirement { key: own.public(), successor: next.public(), issued: NOW }).unwrap();
    let rotated = world.admission.rotate(&who, &longer, &retirement, NOW).unwrap();
    world.admission.rotated(&rotated, Some(&retirement));
    let person = |key: &SecretKey, credential: &Credential| {
        let hello = RelayHello::Person { program: ProgramInfo::this(), credential: credential.clone() };
        world.admission.hello(&key.public(), &hello, NOW).map(|_| ())
    };
    // The one who has the old key can't go on with it by the second invite, with another key behind it or without.
    assert_eq!(person(&own, &second), Err(RelayRefusal::Revoked));
    let branch = second.rotated(&own, &thief.public(), NOW).unwrap();
    assert_eq!(person(&thief, &branch), Err(RelayRefusal::Revoked));
    let farther = branch.rotated(&thief, &next.public(), NOW).unwrap();
    assert_eq!(person(&next, &farther), Err(RelayRefusal::Revoked));
    // The member goes on with both.
    assert_eq!(person(&next, &longer), Ok(()));
    assert_eq!(person(&next, &second.rotated(&own, &next.public(), NOW).unwrap()), Ok(()));
}

#[test]
fn a_list_from_the_future_is_refused_since_it_would_forget_what_is_revoked() {
    let mut world = world();
    let (_, _, admin) = world.join(Role::Admin);
    let id = world.org.public().organisation_id();
    let soon = NOW.after(Duration::from_secs(3_600));
    let later = NOW.after(Duration::from_secs(10 * 86_400));
    let list = |at| world.org.sign(&Revocations::default().next_list(id, at, [], [])).unwrap();
    let by = Caller::Person(admin);
    assert!(matches!(world.admission.revoke(&by, &list(later), NOW), Err(RelayRefusal::Invalid { .. })));
    assert!(world.admission.revoke(&by, &list(soon), NOW).is_ok());
}

#[test]
fn a_revocation_is_judged_stored_and_names_who_is_withdrawn() {
    let mut world = world();
    let (_, _, device) = world.join(Role::Device);
    let (_, _, admin) = world.join(Role::Admin);
    let (_, _, grace) = world.join(Role::Technician);
    let id = world.org.public().organisation_id();
    let known = Revocations::default();
    let list = world.org.sign(&known.next_list(id, NOW, [grace.key()], [device.invite.id])).unwrap();
    let by = Caller::Person(Arc::clone(&grace));
    assert_eq!(world.admission.revoke(&by, &list, NOW).map(|_| ()), Err(RelayRefusal::NotAllowed));
    let by = Caller::Person(admin);
    let judged = world.admission.revoke(&by, &list, NOW).unwrap();
    assert_eq!(judged.map(|(number, _)| number), Some(1));
    assert!(!world.admission.is_revoked(&grace), "judged is not yet stored");
    world.admission.revoked(&list);
    assert!(world.admission.is_revoked(&grace) && world.admission.is_revoked(&device));
    let mut withdrawn = world.admission.withdrawn_peers();
    withdrawn.sort();
    let device = PeerId::Device(device.device_id().unwrap());
    assert_eq!(withdrawn, [device, PeerId::Person(grace.technician_id().unwrap())]);
    assert!(world.admission.revoke(&by, &list, NOW).unwrap().is_none(), "the same again");
    let same_number = world.org.sign(&known.next_list(id, NOW, [], [])).unwrap();
    assert_eq!(world.admission.revoke(&by, &same_number, NOW).map(|_| ()), Err(RelayRefusal::OldList));
}
