//! The program's commands against a relay that says what it is told to.

use crate::fake::{FakeRelay, Workstation, claimed, device, now};
use nearhand_client::home::ClientHome;
use nearhand_client::relay::{DeviceError, RelayClient};
use nearhand_proto::credential::{FOR_EVER, RevocationList};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::{ClaimString, EnrolmentString, InviteString, OneTime, SiteString};
use nearhand_proto::message::control::{RelayPush, RelayPushReply, RelayRefusal};
use nearhand_proto::peer_text::PeerText;
use nearhand_transport::key_file;
use rand_core::OsRng;

#[tokio::test]
async fn an_organisation_is_founded_joined_and_listed() {
    let (relay, admin) = claimed().await;
    assert_eq!(relay.state.lock().unwrap().asked, ["claim"]);
    let invited = admin.ok(&["--json", "invite", "Grace", "--valid-days", "30"]).await.json();
    let string = invited["string"].as_str().unwrap().to_owned();
    assert_eq!(string.parse::<InviteString>().unwrap().invite.peek().unwrap().name, "Grace");

    let grace = Workstation::new();
    let joined = grace.ok(&["--json", "join", &string]).await.json();
    assert_eq!((joined["role"].as_str(), joined["name"].as_str()), (Some("technician"), Some("Grace")));
    // The string works once, and a profile is never overwritten.
    assert_eq!(Workstation::new().run(&["join", &string]).await.code, 6);
    assert_eq!(grace.run(&["join", &string]).await.code, 2);
    // Only the administrator's machine can invite.
    assert_eq!(grace.run(&["invite", "Eve"]).await.code, 3);

    let people = admin.ok(&["--json", "people"]).await.json();
    assert_eq!(people["people"].as_array().unwrap().len(), 2);
    let table = admin.ok(&["people"]).await.out;
    assert!(table.contains("Ada (you)") && table.contains("Grace"), "{table}");

    let enrolment = admin.ok(&["enrol", "till 3"]).await;
    let string: EnrolmentString = enrolment.out.parse().unwrap();
    assert_eq!(string.invite.open(&string.organisation).unwrap().name, "till 3");
    assert!(!enrolment.err.contains("nearhand-enrol-"), "the string is on the standard output only");
    let site: SiteString = grace.ok(&["site"]).await.out.parse().unwrap();
    assert_eq!(site.organisation_name, "Acme");

    let status = grace.ok(&["--json", "status"]).await.json();
    assert_eq!((&status["relay"]["reachable"], &status["membership"]), (&true.into(), &"valid".into()));
    assert_eq!(grace.ok(&["sessions", "--json"]).await.json()["sessions"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_refused_claim_leaves_nothing_and_an_organisation_key_is_never_overwritten() {
    let relay = FakeRelay::start();
    let person = Workstation::new();
    let claim = ["--organisation", "Acme", "--name", "Ada"];
    let wrong = ClaimString { relay: relay.address.clone(), secret: OneTime::new([1; 32]) };
    let wrong = person.run(&[&["claim", &wrong.reveal()], claim.as_slice()].concat()).await;
    assert_eq!(wrong.code, 6, "{wrong:?}");
    assert!(!person.home().join("organisation.key").exists() && !person.home().join("pending").exists());
    assert_eq!(person.run(&["status"]).await.code, 3);

    let string = relay.claim_string();
    person.ok(&[&["claim", string.as_str()], claim.as_slice()].concat()).await;
    let key = std::fs::read(person.home().join("organisation.key")).unwrap();
    let other = FakeRelay::start();
    let again = other.claim_string();
    let again = person.run(&[&["claim", again.as_str()], claim.as_slice()].concat()).await;
    assert_eq!(again.code, 2, "{again:?}");
    assert_eq!(std::fs::read(person.home().join("organisation.key")).unwrap(), key);
    assert!(other.state.lock().unwrap().asked.is_empty());

    // The relay is lost: the organisation goes on at another one.
    let string = other.claim_string();
    person.ok(&["claim", &string, "--keep-organisation", "--name", "Ada"]).await;
    assert_eq!(std::fs::read(person.home().join("organisation.key")).unwrap(), key);
    person.ok(&["status"]).await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_out_later() {
    let relay = FakeRelay::start();
    let admin = Workstation::new();
    let string = relay.claim_string();
    let claim = ["claim", &string, "--organisation", "Acme", "--name", "Ada"];
    relay.state.lock().unwrap().drop_answer = true;
    let lost = admin.run(&claim).await;
    assert_eq!(lost.code, 4, "{lost:?}");
    assert!(lost.err.contains("nearhand status"), "{lost:?}");
    relay.state.lock().unwrap().drop_answer = false;
    admin.ok(&["status"]).await;
    admin.ok(&["invite", "Grace"]).await;

    // A rotation that the relay did, and one that never reached it.
    for reached in [true, false] {
        let before = admin.ok(&["--json", "status"]).await.json()["rotations_left"].as_u64().unwrap();
        {
            let mut state = relay.state.lock().unwrap();
            (state.drop_answer, state.drop_request) = (reached, !reached);
        }
        assert_eq!(admin.run(&["rotate"]).await.code, 4);
        {
            let mut state = relay.state.lock().unwrap();
            (state.drop_answer, state.drop_request) = (false, false);
        }
        let after = admin.ok(&["--json", "status"]).await.json()["rotations_left"].as_u64().unwrap();
        assert_eq!(before - after, u64::from(reached));
    }
    let id = |s: &serde_json::Value| s["id"].clone();
    let before = id(&admin.ok(&["--json", "status"]).await.json());
    admin.ok(&["rotate"]).await;
    assert_eq!(id(&admin.ok(&["--json", "status"]).await.json()), before, "the identity stays");
}

#[tokio::test]
async fn who_is_not_the_relay_is_not_talked_to() {
    let (relay, admin) = claimed().await;
    let impostor = FakeRelay::start();
    let profile = admin.home().join("profile.toml");
    let text = std::fs::read_to_string(&profile).unwrap();
    let port = |p: u16| format!("port = {p}");
    let text = text.replace(&port(relay.address.port), &port(impostor.address.port));
    std::fs::write(&profile, text).unwrap();
    let ran = admin.run(&["--json", "devices"]).await;
    assert_eq!(ran.code, 5, "{ran:?}");
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["error"]["kind"], "wrong-relay-key");
    let status = admin.run(&["--json", "status"]).await;
    assert_eq!((status.code, &status.json()["relay"]["reachable"]), (5, &false.into()));
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let (relay, admin) = claimed().await;
    for (refusal, code) in [
        (RelayRefusal::NotAllowed, 6),
        (RelayRefusal::Revoked, 13),
        (RelayRefusal::Storage, 20),
        (RelayRefusal::Version { relay: PeerText::forged("9\u{1b}[2J") }, 16),
    ] {
        relay.state.lock().unwrap().refuse = Some(refusal);
        let ran = admin.run(&["devices"]).await;
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
    }
}

#[tokio::test]
async fn hostile_devices_are_listed_tamed_and_foreign_ones_told() {
    let (relay, admin) = claimed().await;
    let organisation = key_file::load_key(&admin.home().join("organisation.key")).unwrap();
    let mut devices = vec![
        device(&organisation, "till\u{202e}3", "host\u{1b}]0;owned\u{7}\nnext"),
        device(&organisation, "till 4", "four"),
        device(&organisation, "till 5", "five"),
        device(&SecretKey::generate(&mut OsRng), "foreign", "six"),
    ];
    devices[2].online = false;
    devices.sort_by_key(|d| d.id);
    relay.state.lock().unwrap().devices = devices;
    let table = admin.ok(&["devices"]).await.out;
    assert!(
        table.contains("till 4") && table.contains("NOT SIGNED") && !table.contains("foreign"),
        "{table}"
    );
    assert!(!table.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{table:?}");
    assert_eq!(table.lines().count(), 5, "{table}");
    let json = admin.ok(&["devices", "--json", "--online"]).await;
    assert!(!json.out.contains(['\u{1b}', '\u{202e}']), "{json:?}");
    assert_eq!(json.json()["devices"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn revoking_signs_the_next_list_and_hands_it_on() {
    let (relay, admin) = claimed().await;
    let organisation = key_file::load_key(&admin.home().join("organisation.key")).unwrap();
    let (till, other) = (device(&organisation, "till 3", "h"), device(&organisation, "till 4", "h"));
    relay.state.lock().unwrap().devices = vec![till.clone(), other];
    relay.state.lock().unwrap().devices.sort_by_key(|d| d.id);
    admin.ok(&["revoke", "device", "Till 3"]).await;
    let list = relay.state.lock().unwrap().list.clone().unwrap().open(&organisation.public()).unwrap();
    assert_eq!((list.number, list.keys.len()), (1, 1));
    let membership = |json: &serde_json::Value| {
        let all = json["devices"].as_array().unwrap();
        all.iter().find(|d| d["label"] == "till 3").unwrap()["membership"].clone()
    };
    assert_eq!(membership(&admin.ok(&["devices", "--json"]).await.json()), "revoked");

    let invite = admin.ok(&["--json", "invite", "Eve"]).await.json();
    admin.ok(&["revoke", "invite", invite["invite"].as_str().unwrap()]).await;
    assert_eq!(admin.run(&["revoke", "person", "Ada"]).await.code, 2, "not oneself");
    assert_eq!(admin.run(&["revoke", "person", "nobody"]).await.code, 7);
    // Whom the relay doesn't list is revoked by the whole id, and nobody by a part of one.
    let hidden = "0123456789abcdef0123456789abcdef";
    for kind in ["person", "device"] {
        let told = admin.ok(&["revoke", kind, hidden, "--json"]).await.json();
        assert!(told["revoked"].as_str().unwrap().contains(hidden), "{told}");
        assert_eq!(admin.run(&["revoke", kind, &hidden[..12]]).await.code, 7);
    }

    // The relay is set back to an older list: an administrator hands the newer one on.
    relay.state.lock().unwrap().list = None;
    let synced = admin.ok(&["--json", "sync"]).await.json();
    assert_eq!(
        (&synced["handed_on"], &synced["list"], &synced["invites"]),
        (&true.into(), &4.into(), &1.into())
    );
    assert_eq!(relay.state.lock().unwrap().list.as_ref().unwrap().peek().unwrap().number, 4);
}

#[tokio::test]
async fn a_list_of_another_organisation_is_ignored_and_pushes_are_taken_in() {
    let (relay, admin) = claimed().await;
    let organisation = key_file::load_key(&admin.home().join("organisation.key")).unwrap();
    let stranger = SecretKey::generate(&mut OsRng);
    let home = ClientHome::open(admin.home()).unwrap();
    let own = home.identity().unwrap().key.public();
    let list = |number| RevocationList {
        organisation: organisation.public().organisation_id(),
        number,
        issued: now(),
        keys: [(own, FOR_EVER)].into(),
        invites: [].into(),
        devices: [].into(),
        people: [].into(),
    };
    relay.state.lock().unwrap().list = Some(stranger.sign(&list(7)).unwrap());
    admin.ok(&["sync"]).await;
    assert_eq!(home.revocations().unwrap(), Default::default());

    let push =
        RelayPush::Revocations { list: Some(organisation.sign(&list(8)).unwrap()), retirements: vec![] };
    relay.state.lock().unwrap().push = Some(push);
    let connection = RelayClient::connect(&home).await.unwrap();
    let heard = tokio::time::timeout(std::time::Duration::from_secs(5), connection.pushes().recv()).await;
    // The listener may have come after the push; what was revoked is known in any case.
    drop(heard);
    assert_eq!(home.revocations().unwrap().list().unwrap().peek().unwrap().number, 8);
    assert_eq!(relay.state.lock().unwrap().push_replies, [RelayPushReply::Done]);
    // A connection that was lost is renewed, unless the relay says no for good.
    connection.reconnect(std::time::Duration::from_secs(10)).await.unwrap();
    relay.state.lock().unwrap().members.clear();
    let gone = connection.reconnect(std::time::Duration::from_secs(10)).await;
    assert!(gone.is_err(), "{gone:?}");
    connection.finish().await;
}

#[tokio::test]
async fn a_changed_device_key_ends_the_attempt() {
    let (relay, admin) = claimed().await;
    let organisation = key_file::load_key(&admin.home().join("organisation.key")).unwrap();
    let till = device(&organisation, "till 3", "h");
    relay.state.lock().unwrap().devices = vec![till.clone()];
    let home = ClientHome::open(admin.home()).unwrap();
    let connection = RelayClient::connect(&home).await.unwrap();
    let target = connection.resolve_target("till 3").await.unwrap();
    let met = connection.verify_device(&till.credential, &target).unwrap();
    connection.remember_device(&met).unwrap();
    connection.verify_device(&till.credential, &target).unwrap();
    // The same label, signed by the organisation, but another machine.
    let other = device(&organisation, "till 3", "h");
    relay.state.lock().unwrap().devices = vec![other.clone()];
    let target = connection.resolve_target("till 3").await.unwrap();
    let changed = connection.verify_device(&other.credential, &target).unwrap_err();
    assert!(matches!(changed, DeviceError::Changed(_)), "{changed}");
    assert!(changed.to_string().contains("nearhand revoke device"), "{changed}");
}

#[tokio::test]
async fn the_first_bad_row_of_the_relays_log_is_named() {
    let (relay, admin) = claimed().await;
    for action in ["claim", "join", "session.open", "session.close", "revoke"] {
        relay.write_row(action);
    }
    let good = admin.ok(&["--json", "audit", "verify"]).await.json();
    assert_eq!((&good["verified"], &good["rows"]), (&true.into(), &5.into()));
    let shown = admin.ok(&["audit"]).await.out;
    assert!(shown.contains("session.close") && !shown.contains('\u{1b}'), "{shown}");
    assert_eq!(admin.ok(&["--json", "audit", "show", "--after", "3"]).await.out.lines().count(), 2);

    let whole = relay.state.lock().unwrap().rows.clone();
    relay.state.lock().unwrap().rows[2].event.detail = "nothing happened".into();
    let edited = admin.run(&["--json", "audit", "verify"]).await;
    assert_eq!((edited.code, &edited.json()["row"]), (19, &3.into()), "{edited:?}");
    // Cut to before what was witnessed here.
    relay.state.lock().unwrap().rows = whole[..4].to_vec();
    let cut = admin.run(&["audit", "verify"]).await;
    assert!(cut.code == 19 && cut.err.contains("row 5"), "{cut:?}");
    // Rewritten with another key that the relay calls its own.
    let forger = SecretKey::generate(&mut OsRng);
    let head = nearhand_proto::audit::AuditHead::EMPTY;
    let row = nearhand_proto::audit::next_row(head, now(), whole[0].event.clone(), &forger).unwrap();
    {
        let mut state = relay.state.lock().unwrap();
        (state.rows, state.audit_keys) = (vec![row], vec![forger.public()]);
    }
    let forged = admin.run(&["audit", "verify"]).await;
    assert!(forged.code == 19 && forged.err.contains("row 1"), "{forged:?}");
    assert!(forged.err.contains(&format!("--accept-key {}", forger.public())), "{forged:?}");
}

#[tokio::test]
async fn secrets_stay_out_of_logs() {
    let relay = FakeRelay::start();
    let admin = Workstation::new();
    let claim = relay.claim_string();
    let logged = ["-vv", "claim", &claim, "--organisation", "Acme", "--name", "Ada"];
    let mut err = admin.ok_logged(&logged).await;
    let invite = admin.ok(&["invite", "Grace"]).await.out;
    let grace = Workstation::new();
    err += &grace.ok_logged(&["-vv", "join", invite.trim()]).await;
    err += &grace.ok_logged(&["-vv", "rotate"]).await;
    assert!(err.contains("TRACE"), "the log must be there to prove anything");
    let seed = |person: &Workstation, name: &str| {
        let text = std::fs::read_to_string(person.home().join(name)).unwrap();
        text.trim().rsplit(' ').next().unwrap().to_owned()
    };
    let one_time: InviteString = invite.parse().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    for secret in [
        claim,
        invite.trim().to_owned(),
        hex(&crate::fake::CLAIM),
        hex(one_time.secret.bytes()),
        format!("{:?}", one_time.secret.bytes()),
        seed(&admin, "organisation.key"),
        seed(&admin, "technician.key"),
        seed(&grace, "technician.key"),
    ] {
        assert!(!err.contains(&secret), "{secret} is in the log");
    }
}
