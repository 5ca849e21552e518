//! The program itself: from `init` to a session that outlives kill -9.
#![allow(clippy::print_stdout, reason = "a measurement says what it found")]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{ControlClient, TestMember, TestOrganisation, key, now, session_id};
use nearhand_proto::credential::{Credential, Role};
use nearhand_proto::forward::BindGrant;
use nearhand_proto::identity::{PublicKey, SecretKey};
use nearhand_proto::invitation::ClaimString;
use nearhand_proto::message::control::{RelayPush, RelayPushReply, RelayReply, RelayRequest, SessionTarget};
use nearhand_proto::message::session;
use nearhand_relay::store::{Database, Store};
use nearhand_transport::bound_socket::BoundSocket;
use nearhand_transport::key_file;
use nearhand_transport::tls::{self, ConnectionPurpose, ExpectedKey};
use quinn::{Connection, Endpoint, ServerConfig};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nearhand-relay");

pub(super) fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// A port that is free now.
pub(super) fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(super) struct RelayProcess {
    child: Child,
    address: SocketAddr,
    key: PublicKey,
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a data directory for a relay on a free port, without metrics.
fn init(data: &Path) -> ClaimString {
    let (port, dir) = (free_port().to_string(), data.display().to_string());
    let (ok, text) = run(&["init", "--data", &dir, "--host", "127.0.0.1", "--port", &port]);
    assert!(ok, "{text}");
    let file = data.join("relay.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config
        .replace("listen = \"[::]", "listen = \"127.0.0.1")
        .replace("# metrics_listen = \"127.0.0.1:9464\"", "metrics_listen = \"off\"");
    std::fs::write(&file, config).unwrap();
    let string = text.split_whitespace().find(|word| word.starts_with("nearhand-claim-")).unwrap();
    string.parse().unwrap()
}

pub(super) fn start(data: &Path, claim: &ClaimString) -> RelayProcess {
    let child = Command::new(PROGRAM)
        .args(["run", "--data", data.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = SocketAddr::new(claim.relay.host.parse().unwrap(), claim.relay.port);
    RelayProcess { child, address, key: claim.relay.key }
}

impl RelayProcess {
    pub(super) async fn connect(&self, key: &SecretKey) -> ControlClient {
        ControlClient::connect(self.address, self.key, key).await
    }

    async fn online(&self, member: &TestMember) -> ControlClient {
        let client = self.connect(&member.key).await;
        assert!(matches!(client.ask(&member.hello()).await, RelayReply::Welcome(_)));
        client
    }

    async fn claim(&self, claim: &ClaimString) -> TestOrganisation {
        let org = TestOrganisation::new();
        let client = self.connect(&org.admin).await;
        client.newcomer().await;
        let request = RelayRequest::Claim {
            secret: claim.secret.clone(),
            organisation: org.key.public(),
            credential: org.admin_credential.clone(),
        };
        assert!(matches!(client.ask(&request).await, RelayReply::Done));
        org
    }

    async fn device(&self, org: &TestOrganisation) -> TestMember {
        let own = key();
        let (invite, one_time) = org.invite(Role::Device, "till");
        let credential = Credential::join(invite, &one_time, &own.public(), now()).unwrap();
        let client = self.connect(&own).await;
        client.newcomer().await;
        let facts = Some(crate::harness::facts());
        let reply = client.ask(&RelayRequest::Join { credential: credential.clone(), facts }).await;
        assert!(matches!(reply, RelayReply::Done), "{reply:?}");
        TestMember { key: own, credential, role: Role::Device }
    }
}

#[test]
fn init_makes_private_files_and_never_two_relays_in_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("relay");
    let first = init(&data);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for file in ["relay.key", "relay.db"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    let dir = data.display().to_string();
    let (ok, text) = run(&["init", "--data", &dir, "--host", "x"]);
    assert!(!ok && text.contains("--again"), "{text}");
    let (ok, text) = run(&["init", "--data", &dir, "--again"]);
    assert!(ok, "{text}");
    let again = text.split_whitespace().find(|w| w.starts_with("nearhand-claim-")).unwrap();
    let again: ClaimString = again.parse().unwrap();
    assert_eq!(again.relay, first.relay);
    assert_ne!(again.secret.bytes(), first.secret.bytes());
    let config = data.join("relay.toml").display().to_string();
    assert!(run(&["check-config", &config]).0);
    std::fs::write(&config, "public_host = \"a\"\nlisten_on = 1\n").unwrap();
    let (ok, text) = run(&["check-config", &config]);
    assert!(!ok && text.contains("line 2") && text.contains("listen_on"), "{text}");
}

#[tokio::test]
async fn a_reload_takes_over_receivers_and_the_log_level_and_names_what_needs_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("relay");
    let claim = init(&data);
    let config = std::fs::read_to_string(data.join("relay.toml")).unwrap();
    let log = dir.path().join("log");
    let child = Command::new(PROGRAM)
        .args(["run", "--data", data.to_str().unwrap()])
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let address = SocketAddr::new(claim.relay.host.parse().unwrap(), claim.relay.port);
    let relay = RelayProcess { child, address, key: claim.relay.key };
    let said = async |words: &str| {
        let there = || std::fs::read_to_string(&log).unwrap().contains(words).then_some(());
        crate::harness::eventually(there).await;
    };
    said("the relay runs").await;
    let reload = |text: &str| {
        std::fs::write(data.join("relay.toml"), text).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    };
    let secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    nearhand_transport::platform::write_private(&data.join("ops.secret"), secret).unwrap();
    let receiver = |name: &str, file: &str| {
        format!(
            "[[receivers]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"https://hooks.example\"\nsecret_file = \"{file}\"\n"
        )
    };
    let good = format!("{config}\n{}", receiver("ops", "ops.secret"));
    reload(&good.replace("# max_guests = 500", "max_guests = 7"));
    said("receivers=1").await;
    said("limits.max_guests").await;
    said("counts from the next start on").await;
    // A mistake changes nothing, and the relay runs on.
    reload("public_host = \"a\"\nnonsense = 1\n");
    said("all stays as it was").await;
    reload(&format!("{good}{}", receiver("b", "missing")));
    said("can't read the secret").await;
    relay.connect(&key()).await.newcomer().await;
    let unit = include_str!("../../../packaging/systemd/nearhand-relay.service");
    assert!(unit.contains("\nExecReload=/bin/kill -HUP $MAINPID\n"));
}

/// All files below a directory, by their names.
fn files(dir: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o77, 0, "{name}");
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_backup_is_one_verified_file_and_is_put_back_on_an_empty_machine() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("relay");
    let claim = init(&data);
    let outside = dir.path().join("elsewhere.secret");
    let secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    nearhand_transport::platform::write_private(&outside, secret).unwrap();
    std::fs::create_dir(data.join("secrets")).unwrap();
    nearhand_transport::platform::write_private(&data.join("secrets/ops"), secret).unwrap();
    let config = std::fs::read_to_string(data.join("relay.toml")).unwrap();
    let receiver = |name: &str, file: &str| {
        format!(
            "[[receivers]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"https://hooks.example\"\nsecret_file = \"{file}\"\n"
        )
    };
    let config = format!(
        "data = \"{}\"\n{config}\n{}{}",
        data.display(),
        receiver("a", "secrets/ops"),
        receiver("b", &outside.display().to_string())
    );
    std::fs::write(data.join("relay.toml"), &config).unwrap();
    let relay = start(&data, &claim);
    let org = relay.claim(&claim).await;
    let till = relay.device(&org).await;
    let (copy, from) = (dir.path().join("copy").display().to_string(), data.display().to_string());
    let (ok, text) = run(&["backup", &copy, "--data", &from]);
    assert!(ok, "{text}");
    let (ok, text) = run(&["backup", &copy, "--data", &from]);
    assert!(!ok && text.contains("exists"), "a backup is never overwritten: {text}");
    let (ok, text) = run(&["restore", &copy, "--check"]);
    assert!(ok && text.contains("the relay's key") && text.contains("elsewhere.secret"), "{text}");
    drop(relay);

    // Any change is found, and nothing is written then.
    let whole = std::fs::read(&copy).unwrap();
    let (broken, target) = (dir.path().join("broken"), dir.path().join("target"));
    let (broken_name, target_name) = (broken.display().to_string(), target.display().to_string());
    for damage in [
        whole[..whole.len() / 2].to_vec(),
        whole[..600].to_vec(),
        Vec::new(),
        b"something else".to_vec(),
        [&whole[..whole.len() / 2], &[whole[whole.len() / 2] ^ 1], &whole[whole.len() / 2 + 1..]].concat(),
    ] {
        std::fs::write(&broken, damage).unwrap();
        for arguments in
            [&["restore", &broken_name, "--check"][..], &["restore", &broken_name, "--data", &target_name]]
        {
            let (ok, text) = run(arguments);
            assert!(!ok && (text.contains("damaged") || text.contains("no backup")), "{text}");
            assert!(!target.exists());
        }
    }

    // Where a relay is, and where a file of it is, nothing is overwritten.
    let before = files(&data);
    let (ok, text) = run(&["restore", &copy, "--data", &from, "--outside"]);
    assert!(!ok && text.contains("relay.toml is there already"), "{text}");
    assert_eq!(files(&data), before);
    let (ok, text) = run(&["restore", &copy, "--data", &target_name]);
    assert!(!ok && text.contains("outside of the data directory") && !target.exists(), "{text}");
    let (ok, text) = run(&["restore", &copy, "--data", &target_name, "--outside"]);
    assert!(!ok && text.contains("elsewhere.secret is there already"), "{text}");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::remove_file(&outside).unwrap();

    let (ok, text) = run(&["restore", &copy, "--data", &target_name, "--outside"]);
    assert!(ok && text.contains("is back, as it was then"), "{text}");
    let names: Vec<String> = files(&target).into_keys().collect();
    assert_eq!(names, ["lock", "relay.db", "relay.key", "relay.toml", "secrets/ops"]);
    assert_eq!(std::fs::read(&outside).unwrap(), secret);
    let (ok, text) = run(&["check-config", &target.join("relay.toml").display().to_string()]);
    assert!(ok, "{text}");
    // The same relay, to the same people.
    let relay = start(&target, &claim);
    relay.online(&till).await;
    drop(relay);
    let (ok, text) = run(&["audit", "verify", "--data", &target_name]);
    assert!(ok, "{text}");
}

#[tokio::test]
async fn a_database_of_a_newer_relay_is_refused_in_words_and_the_service_stays_down() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("relay");
    init(&data);
    let store = Store::open(&Database::file(&data.join("relay.db")).unwrap(), key()).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (6, 'later', TRUE, X'00', 0)";
    sqlx::query(newer).execute(store.pool()).await.unwrap();
    store.close().await;
    let dir = data.display().to_string();
    let words = "made by a newer nearhand-relay: version 6, this one knows up to 1; install the newer";
    let commands: [&[&str]; 4] = [&["run"], &["audit", "show"], &["token", "list"], &["receivers", "list"]];
    for command in commands {
        let output = Command::new(PROGRAM).args(command).args(["--data", &dir]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(words), "{command:?}: {text}");
        assert_eq!(output.status.code(), Some(78), "{command:?}");
    }
    let unit = include_str!("../../../packaging/systemd/nearhand-relay.service");
    assert!(unit.contains("\nRestartPreventExitStatus=78\n"), "systemd starts it again and again");
    // A configuration that is wrong doesn't mend itself either.
    std::fs::write(data.join("relay.toml"), "public_host = \"a\"\nlisten_on = 1\n").unwrap();
    let status = Command::new(PROGRAM).args(["run", "--data", &dir]).output().unwrap().status;
    assert_eq!(status.code(), Some(78));
}

#[tokio::test]
async fn init_that_was_cut_short_is_finished_by_the_same_command() {
    let whole = tempfile::tempdir().unwrap();
    init(whole.path());
    let write = |file: &Path, bytes: &[u8]| {
        std::fs::write(file, bytes).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    // What is there when it is killed after each of its steps; `.new` is a file in the middle of being written.
    let steps: [&[&str]; 7] = [
        &[],
        &["lock"],
        &["lock", "relay.key.new"],
        &["lock", "relay.key"],
        &["lock", "relay.key", "empty relay.db"],
        &["lock", "relay.key", "relay.db"],
        &["lock", "relay.key", "relay.db", "relay.toml.new"],
    ];
    for left in steps {
        let dir = tempfile::tempdir().unwrap();
        for name in left {
            match *name {
                "empty relay.db" => write(&dir.path().join("relay.db"), b""),
                "relay.key" | "relay.db" => {
                    write(&dir.path().join(name), &std::fs::read(whole.path().join(name)).unwrap());
                }
                _ => write(&dir.path().join(name), b"cut"),
            }
        }
        let claim = init(dir.path());
        if left.contains(&"relay.key") {
            let kept = key_file::load_key(&whole.path().join("relay.key")).unwrap().public();
            assert_eq!(claim.relay.key, kept, "{left:?}");
        }
        let relay = start(dir.path(), &claim);
        relay.claim(&claim).await;
        drop(relay);

        // Now it is a relay: neither its key nor its configuration is touched again, claimed or not.
        let key = std::fs::read(dir.path().join("relay.key")).unwrap();
        let data = dir.path().display().to_string();
        let (ok, said) = run(&["init", "--data", &data, "--host", "other.example"]);
        assert!(!ok && said.contains("--again"), "{left:?}: {said}");
        // Not even if its configuration is lost.
        std::fs::remove_file(dir.path().join("relay.toml")).unwrap();
        let (ok, said) = run(&["init", "--data", &data, "--host", "other.example"]);
        assert!(!ok && said.contains("relay.toml is missing"), "{left:?}: {said}");
        assert!(!dir.path().join("relay.toml").exists());
        assert_eq!(std::fs::read(dir.path().join("relay.key")).unwrap(), key, "{left:?}");
        std::fs::remove_file(dir.path().join("relay.key")).unwrap();
        let (ok, said) = run(&["init", "--data", &data, "--host", "other.example"]);
        assert!(!ok && said.contains("without its key"), "{left:?}: {said}");
        assert!(!dir.path().join("relay.key").exists());
    }
}

#[tokio::test]
async fn a_damaged_database_is_named_at_once_with_what_to_do() {
    let whole = tempfile::tempdir().unwrap();
    let claim = init(whole.path());
    let relay = start(whole.path(), &claim);
    relay.claim(&claim).await;
    drop(relay);
    // Without this the write-ahead log would still hold what the file has lost.
    let (ok, text) = run(&["audit", "verify", "--data", whole.path().to_str().unwrap()]);
    assert!(ok, "{text}");
    let good = std::fs::read(whole.path().join("relay.db")).unwrap();
    let garbage: Vec<u8> = (0..40_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let page_of_zeros = [&good[..4096], &[0; 4096], &good[8192..]].concat();
    let damages: [(&str, &[u8]); 5] = [
        ("garbage", &garbage),
        ("cut in the middle", &good[..good.len() / 2]),
        ("cut in the first page", &good[..1000]),
        ("emptied", b""),
        ("a page of zeros", &page_of_zeros),
    ];
    let dir = tempfile::tempdir().unwrap();
    for file in ["relay.key", "relay.toml"] {
        std::fs::copy(whole.path().join(file), dir.path().join(file)).unwrap();
    }
    let (data, file) = (dir.path().display().to_string(), dir.path().join("relay.db"));
    for (what, bytes) in damages {
        std::fs::write(&file, bytes).unwrap();
        for command in [["run", "--data", &data].as_slice(), &["audit", "show", "--data", &data]] {
            let (ok, text) = run(command);
            // A page of zeros may be one that this command doesn't read.
            if ok && what == "a page of zeros" && command[0] == "audit" {
                continue;
            }
            assert!(!ok && !text.contains("timed out"), "{what}, {command:?}: {text}");
            assert!(text.contains(&file.display().to_string()), "{what}, {command:?}: {text}");
            assert!(text.contains("backup"), "{what}, {command:?}: {text}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "{what}: nothing was written over it");
    }
    // Nor is a lost database a reason to make a new one.
    std::fs::remove_file(&file).unwrap();
    let (ok, text) = run(&["init", "--data", &data, "--again"]);
    assert!(!ok && text.contains("missing or empty"), "{text}");
    assert!(!file.exists());
    // As the message says.
    std::fs::write(&file, good).unwrap();
    let relay = start(dir.path(), &claim);
    relay.connect(&key()).await.newcomer().await;
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let (ok, script) = run(&["completions", "bash"]);
    assert!(ok && script.contains("complete -F") && script.contains("check-config"), "{script}");
    let (ok, page) = run(&["man"]);
    assert!(ok && page.contains(".TH nearhand-relay"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    let (ok, text) = run(&["man", dir.path().join("man1").to_str().unwrap()]);
    assert!(ok, "{text}");
    for command in ["init", "run", "check-config", "audit-verify", "backup", "status"] {
        let file = dir.path().join(format!("man1/nearhand-relay-{command}.1"));
        assert!(std::fs::read_to_string(file).unwrap().contains("nearhand\\-relay"), "{command}");
    }
}

fn session_endpoint(relay: SocketAddr, bind: BindGrant, server: Option<ServerConfig>) -> Endpoint {
    let (socket, _control) = BoundSocket::open(relay, bind).unwrap();
    Endpoint::new_with_abstract_socket(tls::endpoint(), server, socket, Arc::new(quinn::TokioRuntime))
        .unwrap()
}

async fn echo(connection: &Connection) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(b"still here").await.unwrap();
    send.finish().unwrap();
    assert_eq!(recv.read_to_end(100).await.unwrap(), b"still here");
}

#[tokio::test]
async fn a_session_outlives_kill_9_of_the_relay() {
    let dir = tempfile::tempdir().unwrap();
    let claim = init(dir.path());
    let relay = start(dir.path(), &claim);
    let org = relay.claim(&claim).await;
    let member = relay.device(&org).await;
    let device = relay.online(&member).await;
    device.listen(RelayPushReply::Done);
    let admin = relay.online(&org.first_admin()).await;
    let opened = admin.open(session_id(), SessionTarget::Device(member.device_id())).await.unwrap();
    let offer = device.push(|p| if let RelayPush::Offer(o) = p { Some(o.clone()) } else { None }).await;

    let server = tls::server(&member.key, session::ALPN, ConnectionPurpose::Session).unwrap();
    let agent = session_endpoint(relay.address, offer.bind, Some(server));
    tokio::spawn(async move {
        let connection = agent.accept().await.unwrap().await.unwrap();
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            let bytes = recv.read_to_end(100).await.unwrap();
            send.write_all(&bytes).await.unwrap();
            let _ = send.finish();
        }
    });
    let technician = session_endpoint(relay.address, opened.bind, None);
    let expect = ExpectedKey::Key(member.key.public());
    let config =
        tls::client(&org.admin, expect, session::ALPN, ConnectionPurpose::Session, session::KEEP_ALIVE)
            .unwrap();
    let connection = technician.connect_with(config, relay.address, tls::SERVER_NAME).unwrap().await.unwrap();
    echo(&connection).await;

    drop(relay);
    let relay = start(dir.path(), &claim);
    let back = Instant::now();
    tokio::time::timeout(Duration::from_secs(10), echo(&connection)).await.unwrap();
    println!("the session went on {:?} after the restart", back.elapsed());

    // The same relay to everybody, and its log verifies with it running.
    relay.online(&member).await;
    let data = dir.path().display().to_string();
    let (ok, text) = run(&["audit", "verify", "--data", &data]);
    assert!(ok, "{text}");
    let (_, text) = run(&["audit", "show", "--data", &data]);
    assert!(text.contains("session.open") && text.contains("claim"), "{text}");
    let inside = dir.path().join("copy").display().to_string();
    let (ok, text) = run(&["backup", &inside, "--data", &data]);
    assert!(!ok && text.contains("belongs on another disk"), "{text}");
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy").display().to_string();
    let (ok, text) = run(&["backup", &copy, "--data", &data]);
    assert!(ok && text.contains("rows of the audit log"), "{text}");
    let mode = std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1, "nothing else is left");
    // Only one relay runs on a directory, and its organisation isn't lost by mistake.
    let (ok, text) = run(&["run", "--data", &data]);
    assert!(!ok && text.contains("another relay"), "{text}");
    let (ok, text) = run(&["init", "--data", &data, "--again"]);
    assert!(!ok && text.contains("--reset-organisation"), "{text}");
    let (ok, text) = run(&["init", "--data", &data, "--again", "--reset-organisation"]);
    assert!(!ok && text.contains("stop it first"), "{text}");
}
