use super::*;
use nearhand_proto::credential::{self, Invite, Role};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::control::DeviceFacts;
use rand_core::OsRng;

const NOW: UnixMillis = UnixMillis(1_000);

fn device(org: &SecretKey, role: Role, label: &str) -> DeviceEntry {
    let own = SecretKey::generate(&mut OsRng);
    let (invite, one_time) = credential::invite(org, &mut OsRng, |id, organisation, key| Invite {
        id,
        organisation,
        organisation_name: "Acme".into(),
        key,
        role,
        name: label.into(),
        issued: NOW,
        use_by: UnixMillis(u64::MAX),
        valid_until: UnixMillis(u64::MAX),
    })
    .unwrap();
    DeviceEntry {
        id: own.public().device_id(),
        credential: Credential::join(invite, &one_time, &own.public(), NOW).unwrap(),
        facts: DeviceFacts { hostname: "h".into(), os: "o".into() },
        version: "0".into(),
        online: true,
        last_seen: NOW,
    }
}

#[test]
fn codes_and_slips_are_told_from_devices() {
    let device =
        |typed: &str| matches!(parse(typed), Ok(TypedTarget::Device { asked, .. }) if asked == typed);
    assert!(device("till 3"));
    for typed in
        ["0000 0000 0000", "0000–0000–0000", "‘0000\u{202f}0000\u{3000}0000’", "００００００００００００"]
    {
        assert!(matches!(parse(typed), Ok(TypedTarget::Code(_))), "{typed:?}");
    }
    // What may be a device's name or id is looked for among the devices first.
    for typed in ["00000000000a", "0000-0000-0001", "00000000000", "Code: 0000 0000 0000"] {
        assert!(device(typed), "{typed:?}");
    }
}

#[test]
fn what_is_no_device_and_nearly_a_code_gets_the_codes_error() {
    let missing = |typed: &str| {
        let Ok(TypedTarget::Device { asked, or_code }) = parse(typed) else { panic!("{typed:?} is a code") };
        meant(TargetError::NoSuchDevice(asked), or_code)
    };
    let slip = |typed: &str| match missing(typed) {
        Err(TargetError::Code(slip)) => Some(slip),
        _ => None,
    };
    assert_eq!(slip("0000-0000-0001"), Some(SupportCodeError::Check));
    assert_eq!(slip("000 0000 0000"), Some(SupportCodeError::Length(11)));
    assert_eq!(slip("00000000000a"), Some(SupportCodeError::NotDigits));
    assert!(missing("Code: 0000 0000 0000").unwrap().code.is_some());
    assert!(matches!(missing("till 3"), Err(TargetError::NoSuchDevice(_))));
}

#[test]
fn only_what_the_organisation_signed_is_found() {
    let (org, other) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
    let listed = [
        device(&org, Role::Device, "Till 3"),
        device(&other, Role::Device, "till 4"),
        device(&org, Role::Technician, "till 5"),
        device(&org, Role::Device, "twin"),
        device(&org, Role::Device, "Twin"),
    ];
    let mut revocations = Revocations::default();
    let find = |asked: &str, revocations: &Revocations| {
        resolve(asked, &listed, &org.public(), revocations, NOW)
            .map(|r| r.device.unwrap().id)
            .map_err(|e| matches!(e, TargetError::Ambiguous { .. }))
    };
    let id = listed[0].id.to_string();
    for asked in ["till 3", id.as_str(), &id[..8]] {
        assert_eq!(find(asked, &revocations), Ok(listed[0].id), "{asked}");
    }
    assert_eq!(find("till 4", &revocations), Err(false), "another organisation's");
    assert_eq!(find("till 5", &revocations), Err(false), "a person");
    assert_eq!(find("twin", &revocations), Err(true));
    // Revoking one of the two settles it.
    let gone = listed[3].credential.verify(&org.public(), NOW).unwrap().key();
    let list = revocations.next_list(org.public().organisation_id(), NOW, [gone], []);
    revocations.apply(&org.sign(&list).unwrap(), &org.public()).unwrap();
    assert_eq!(find("twin", &revocations), Ok(listed[4].id));
}

#[test]
fn the_device_that_turns_up_must_be_the_one_that_was_meant() {
    let (org, other) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
    let listed = [device(&org, Role::Device, "till 3"), device(&org, Role::Device, "till 4")];
    let mut revocations = Revocations::default();
    let mut known = KnownDevices::default();
    let target = resolve("till 3", &listed, &org.public(), &revocations, NOW).unwrap();
    let check = |credential: &Credential, revocations: &Revocations, known: &KnownDevices| {
        verify(credential, &target, &org.public(), revocations, known, NOW)
    };
    let met = check(&listed[0].credential, &revocations, &known).unwrap();
    assert_eq!((met.id, met.familiarity), (listed[0].id, DeviceFamiliarity::New));
    assert!(matches!(check(&listed[1].credential, &revocations, &known), Err(DeviceError::Other { .. })));
    let foreign = device(&other, Role::Device, "till 3");
    assert!(matches!(check(&foreign.credential, &revocations, &known), Err(DeviceError::Credential(_))));
    // Known here under another key that does not vouch for this one.
    known.remember(listed[0].id, other.public(), "till 3", NOW);
    assert!(matches!(check(&listed[0].credential, &revocations, &known), Err(DeviceError::Changed(_))));
    // The label belongs to another device that is known here and not revoked.
    let mut moved = KnownDevices::default();
    moved.remember(other.public().device_id(), other.public(), "Till 3", NOW);
    assert!(matches!(
        check(&listed[0].credential, &revocations, &moved),
        Err(DeviceError::Changed(KeyChanged::Label { .. }))
    ));
    let list = revocations.next_list(org.public().organisation_id(), NOW, [other.public()], []);
    revocations.apply(&org.sign(&list).unwrap(), &org.public()).unwrap();
    check(&listed[0].credential, &revocations, &moved).unwrap();
    // Revoked itself.
    let list = revocations.next_list(org.public().organisation_id(), NOW, [met.key], []);
    revocations.apply(&org.sign(&list).unwrap(), &org.public()).unwrap();
    assert!(matches!(
        check(&listed[0].credential, &revocations, &moved),
        Err(DeviceError::Credential(CredentialError::Revoked))
    ));
}
