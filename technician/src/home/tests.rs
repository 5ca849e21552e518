//! Changes of identity survive a crash at any step; what is damaged or open to others is not used.

use std::path::Path;

use super::directory::{KNOWN_DEVICES, PROFILE, REVOCATIONS, TECHNICIAN_KEY};
use super::*;
use nearhand_proto::audit::AuditHead;
use nearhand_proto::credential::{self, Credential, Invite, Role};
use nearhand_proto::identity::{PublicKey, SecretKey};
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::time::UnixMillis;
use nearhand_transport::{key_file, platform};
use rand_core::OsRng;

const NOW: UnixMillis = UnixMillis(1_000);

fn home() -> (tempfile::TempDir, ClientHome) {
    let dir = tempfile::tempdir().unwrap();
    let home = ClientHome::open(dir.path().join("nearhand")).unwrap();
    (dir, home)
}

fn invited(org: &SecretKey, role: Role, name: &str) -> (Credential, SecretKey) {
    let own = SecretKey::generate(&mut OsRng);
    let (invite, one_time) = credential::invite(org, &mut OsRng, |id, organisation, key| Invite {
        id,
        organisation,
        organisation_name: "Acme".into(),
        key,
        role,
        name: name.into(),
        issued: NOW,
        use_by: UnixMillis(u64::MAX),
        valid_until: UnixMillis(u64::MAX),
    })
    .unwrap();
    (Credential::join(invite, &one_time, &own.public(), NOW).unwrap(), own)
}

fn claim() -> PendingIdentity {
    let org = SecretKey::generate(&mut OsRng);
    let (credential, own) = invited(&org, Role::Admin, "Ada");
    let profile = TechnicianProfile {
        relay: RelayAddress { host: "relay.example".into(), port: 7443, key: PublicKey::from_bytes([7; 32]) },
        organisation: org.public(),
        organisation_name: "Acme".into(),
        credential,
    };
    PendingIdentity {
        step: IdentityChange::Claim,
        identity: TechnicianIdentity::new(profile, own).unwrap(),
        organisation_key: Some(org),
    }
}

#[test]
fn what_was_begun_survives_until_it_is_settled() {
    let (_dir, home) = home();
    assert!(matches!(home.profile(), Err(ClientHomeError::NotSetUp { .. })));
    let pending = claim();
    home.begin(&pending).unwrap();
    assert!(matches!(home.profile(), Err(ClientHomeError::NotSetUp { .. })), "not before the relay agreed");
    assert!(matches!(home.begin(&claim()), Err(ClientHomeError::Unsettled(IdentityChange::Claim))));
    let back = home.pending().unwrap().unwrap();
    assert_eq!(back.identity.profile, pending.identity.profile);
    home.commit(&back).unwrap();
    assert!(home.pending().unwrap().is_none());
    let identity = home.identity().unwrap();
    assert_eq!((identity.name(), identity.is_admin()), ("Ada", true));
    home.organisation_key_of(&identity.profile).unwrap();
    // Another claim never gets over the organisation key that is here.
    assert!(matches!(home.commit(&claim()), Err(ClientHomeError::OrganisationKeyExists { .. })));
    assert_eq!(home.identity().unwrap().id(), identity.id());
}

#[test]
fn a_commit_that_was_cut_short_is_told_and_can_be_repeated() {
    let (_dir, home) = home();
    let pending = claim();
    home.begin(&pending).unwrap();
    home.commit(&pending).unwrap();
    let old = &pending.identity;
    let key = SecretKey::generate(&mut OsRng);
    let credential = old.profile.credential.rotated(&old.key, &key.public(), NOW).unwrap();
    let profile = TechnicianProfile { credential, ..old.profile.clone() };
    let next = PendingIdentity {
        step: IdentityChange::Rotation,
        identity: TechnicianIdentity::new(profile, key).unwrap(),
        organisation_key: None,
    };
    home.begin(&next).unwrap();
    // The machine stops after the key is in its place, before the profile is.
    key_file::save_key(&next.identity.key, &home.path(TECHNICIAN_KEY)).unwrap();
    assert!(matches!(home.identity(), Err(ClientHomeError::Unsettled(IdentityChange::Rotation))));
    home.commit(&home.pending().unwrap().unwrap()).unwrap();
    assert_eq!(home.identity().unwrap().key.public(), next.identity.key.public());
    assert_eq!(home.identity().unwrap().id(), old.id(), "the identity stays");
}

#[test]
fn a_change_that_was_never_written_whole_does_not_count() {
    let (_dir, home) = home();
    let pending = claim();
    home.begin(&pending).unwrap();
    std::fs::remove_file(home.path("pending").join("step")).unwrap();
    assert!(home.pending().unwrap().is_none());
    home.begin(&claim()).unwrap();
    home.abandon().unwrap();
    assert!(!home.path("pending").exists() && !home.has_organisation_key());
}

#[test]
fn damaged_and_exposed_files_say_so() {
    let (_dir, home) = home();
    let pending = claim();
    home.commit(&pending).unwrap();
    for (name, bytes) in
        [(PROFILE, "format = 2"), (REVOCATIONS, "x"), (KNOWN_DEVICES, "[{]"), (TECHNICIAN_KEY, "?")]
    {
        let path = home.path(name);
        let before = std::fs::read(&path).ok();
        platform::write_private(&path, bytes.as_bytes()).unwrap();
        let outcome = match name {
            REVOCATIONS => home.revocations().map(|_| ()),
            KNOWN_DEVICES => home.known_devices().map(|_| ()),
            _ => home.identity().map(|_| ()),
        };
        assert!(
            matches!(&outcome, Err(ClientHomeError::Damaged { path: p, .. }) if *p == path),
            "{name}: {outcome:?}"
        );
        match before {
            Some(before) => platform::write_private(&path, &before).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
    }
    home.identity().unwrap();
}

#[cfg(unix)]
#[test]
fn what_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, home) = home();
    home.commit(&claim()).unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&home.path(TECHNICIAN_KEY), 0o644);
    assert!(matches!(home.identity(), Err(ClientHomeError::Exposed { mode: "600", .. })));
    mode(home.dir(), 0o755);
    assert!(matches!(
        ClientHome::open(home.dir().to_owned()),
        Err(ClientHomeError::Exposed { mode: "700", .. })
    ));
}

#[test]
fn a_device_is_known_by_its_key_from_the_first_meeting_on() {
    let (_dir, home) = home();
    let org = SecretKey::generate(&mut OsRng);
    let (credential, old) = invited(&org, Role::Device, "till 3");
    let who = credential.verify(&org.public(), NOW).unwrap();
    let id = who.device_id().unwrap();
    assert_eq!(home.known_devices().unwrap().judge(id, &who), Ok(DeviceFamiliarity::New));
    home.update_known_devices(|known| known.remember(id, who.key(), "till 3", NOW)).unwrap();
    let known = home.known_devices().unwrap();
    assert_eq!(known.judge(id, &who), Ok(DeviceFamiliarity::Known));

    let next = SecretKey::generate(&mut OsRng);
    let rotated = credential.rotated(&old, &next.public(), NOW).unwrap();
    let rotated = rotated.verify(&org.public(), NOW).unwrap();
    assert_eq!(known.judge(id, &rotated), Ok(DeviceFamiliarity::Rotated));
    home.update_known_devices(|known| known.remember(id, rotated.key(), "till 3", NOW)).unwrap();
    let known = home.known_devices().unwrap();
    // Back to the old key, or to another successor of it: somebody has the old key.
    assert!(matches!(known.judge(id, &who), Err(KeyChanged::Key { .. })));
    let thief = SecretKey::generate(&mut OsRng);
    let forked = credential.rotated(&old, &thief.public(), NOW).unwrap();
    let forked = forked.verify(&org.public(), NOW).unwrap();
    assert!(matches!(known.judge(id, &forked), Err(KeyChanged::Key { .. })));
    // Another device under the label: only once the known one is revoked.
    let (_, other) = invited(&org, Role::Device, "till 3");
    let other = other.public().device_id();
    assert!(matches!(known.judge_label("Till 3", other, |_| true), Err(KeyChanged::Label { .. })));
    assert_eq!(known.judge_label("Till 3", other, |_| false), Ok(()));
    assert_eq!(known.judge_label("Till 3", id, |_| true), Ok(()));
}

#[test]
fn witnessed_heads_are_kept_newest_and_bounded() {
    let (_dir, home) = home();
    for number in 0..120 {
        home.witness(AuditHead { number, hash: [1; 32] }).unwrap();
    }
    let heads = home.witnessed_heads().unwrap();
    assert_eq!((heads.len(), heads.last().unwrap().number), (100, 119));
}
