//! A relay that says what a test wants it to say, over real QUIC, and the program run against it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use nearhand_proto::audit::{self, AuditEvent, AuditHead, AuditRow};
use nearhand_proto::credential::{self, Credential, Invite, Retirement, RevocationList, Role};
use nearhand_proto::id::OrganisationId;
use nearhand_proto::identity::{PublicKey, SecretKey, Signed};
use nearhand_proto::invitation::{ClaimString, OneTime, RelayAddress};
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{
    ALPN, DeviceEntry, DeviceFacts, FRAME_LIMIT, ListPage, PersonEntry, RelayHello, RelayPush,
    RelayPushReply, RelayRefusal, RelayReply, RelayRequest, RelayWelcome,
};
use nearhand_proto::time::UnixMillis;
use nearhand_transport::framed;
use nearhand_transport::tls::{self, ConnectionPurpose};
use quinn::{Connection, Endpoint};
use rand_core::OsRng;
use serde_json::Value;

pub(crate) const CLAIM: [u8; 32] = [9; 32];

pub(crate) fn now() -> UnixMillis {
    UnixMillis::from_system(std::time::SystemTime::now())
}

/// What the relay knows, and what it is to do wrong.
#[derive(Default)]
pub(crate) struct FakeRelayState {
    pub(crate) organisation: Option<PublicKey>,
    pub(crate) members: Vec<Credential>,
    pub(crate) devices: Vec<DeviceEntry>,
    pub(crate) list: Option<Signed<RevocationList>>,
    pub(crate) retirements: Vec<Signed<Retirement>>,
    pub(crate) rows: Vec<AuditRow>,
    pub(crate) audit_keys: Vec<PublicKey>,
    /// Refuses every request but the hello.
    pub(crate) refuse: Option<RelayRefusal>,
    /// Does what it is asked for and closes the connection instead of answering.
    pub(crate) drop_answer: bool,
    /// Closes the connection without doing what it is asked for.
    pub(crate) drop_request: bool,
    /// Said right after each welcome.
    pub(crate) push: Option<RelayPush>,
    pub(crate) push_replies: Vec<RelayPushReply>,
    pub(crate) asked: Vec<&'static str>,
}

pub(crate) struct FakeRelay {
    pub(crate) address: RelayAddress,
    pub(crate) key: SecretKey,
    pub(crate) state: Arc<Mutex<FakeRelayState>>,
    _endpoint: Endpoint,
}

impl FakeRelay {
    pub(crate) fn start() -> Self {
        let key = SecretKey::generate(&mut OsRng);
        let config = tls::server(&key, ALPN, ConnectionPurpose::Control).unwrap();
        let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = RelayAddress {
            host: "127.0.0.1".into(),
            port: endpoint.local_addr().unwrap().port(),
            key: key.public(),
        };
        let state = Arc::new(Mutex::new(FakeRelayState::default()));
        let (accepting, shared) = (endpoint.clone(), state.clone());
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                tokio::spawn(serve(incoming, shared.clone()));
            }
        });
        Self { address, key, state, _endpoint: endpoint }
    }

    pub(crate) fn claim_string(&self) -> String {
        let string = ClaimString { relay: self.address.clone(), secret: OneTime::new(CLAIM) };
        string.reveal().to_string()
    }

    pub(crate) fn write_row(&self, action: &str) {
        let mut state = self.state.lock().unwrap();
        let head = state
            .rows
            .last()
            .map_or(AuditHead::EMPTY, |row| AuditHead { number: row.number, hash: row.hash });
        let event = AuditEvent {
            actor: "relay".into(),
            action: action.into(),
            session: None,
            detail: "d\u{1b}[2J".into(),
        };
        state.rows.push(audit::next_row(head, now(), event, &self.key).unwrap());
    }
}

async fn serve(incoming: quinn::Incoming, state: Arc<Mutex<FakeRelayState>>) {
    let Ok(connection) = incoming.await else { return };
    let Some(key) = tls::peer_key(&connection) else { return };
    while let Ok((mut to, mut from)) = connection.accept_bi().await {
        let Ok(request) = framed::read::<RelayRequest>(&mut from, FRAME_LIMIT).await else { return };
        let is_hello = matches!(request, RelayRequest::Hello(_));
        let (reply, drop, push) = {
            let mut state = state.lock().unwrap();
            let drop = !is_hello && (state.drop_answer || state.drop_request);
            let reply = match state.refuse.clone() {
                Some(refusal) if !is_hello => RelayReply::Refused(refusal),
                _ if !is_hello && state.drop_request => RelayReply::Done,
                _ => state.answer(&key, request),
            };
            (reply, drop, state.push.clone().filter(|_| is_hello))
        };
        if drop {
            connection.close(0_u32.into(), b"");
            return;
        }
        framed::write(&mut to, &reply, FRAME_LIMIT).await.unwrap();
        let _ = to.finish();
        if let Some(push) = push {
            let reply = say(&connection, &push).await;
            state.lock().unwrap().push_replies.extend(reply);
        }
    }
}

async fn say(connection: &Connection, push: &RelayPush) -> Option<RelayPushReply> {
    let (mut to, mut from) = connection.open_bi().await.ok()?;
    framed::write(&mut to, push, FRAME_LIMIT).await.ok()?;
    let _ = to.finish();
    framed::read(&mut from, FRAME_LIMIT).await.ok()
}

impl FakeRelayState {
    fn answer(&mut self, key: &PublicKey, request: RelayRequest) -> RelayReply {
        match request {
            RelayRequest::Hello(RelayHello::Newcomer { .. }) => self.welcome(),
            RelayRequest::Hello(RelayHello::Person { credential, .. }) => {
                match self.judge(key, &credential) {
                    Ok(()) => self.welcome(),
                    Err(refusal) => RelayReply::Refused(refusal),
                }
            }
            RelayRequest::Claim { secret, organisation, credential } => {
                self.asked.push("claim");
                if self.organisation.is_some() {
                    return RelayReply::Refused(RelayRefusal::Claimed);
                }
                if secret.bytes() != &CLAIM {
                    return RelayReply::Refused(RelayRefusal::WrongClaim);
                }
                let who = credential.verify(&organisation, now()).unwrap();
                assert_eq!((who.key(), who.invite.role), (*key, Role::Admin));
                self.organisation = Some(organisation);
                self.members.push(credential);
                RelayReply::Done
            }
            RelayRequest::Join { credential, facts: None } => {
                self.asked.push("join");
                let who = credential.verify(&self.organisation.unwrap(), now()).unwrap();
                assert_eq!(who.key(), *key);
                let used = |m: &Credential| m.invite.peek().unwrap().id == who.invite.id;
                if self.members.iter().any(used) {
                    return RelayReply::Refused(RelayRefusal::InviteUsed);
                }
                self.members.push(credential);
                RelayReply::Done
            }
            RelayRequest::Rotate { credential, retirement } => {
                self.asked.push("rotate");
                retirement.open(key).unwrap();
                let organisation = self.organisation.unwrap();
                let old = |m: &Credential| m.verify(&organisation, now()).unwrap().key() == *key;
                let place = self.members.iter().position(old).unwrap();
                self.members[place] = credential;
                self.retirements.push(retirement);
                RelayReply::Done
            }
            RelayRequest::Devices { after } => {
                let rest: Vec<_> =
                    self.devices.iter().filter(|d| after.is_none_or(|a| d.id > a)).cloned().collect();
                RelayReply::Devices(first_two(rest))
            }
            RelayRequest::People { after } => {
                let mut people = self.people();
                people.sort_by_key(|p| p.id);
                people.retain(|p| after.is_none_or(|a| p.id > a));
                RelayReply::People(first_two(people))
            }
            RelayRequest::Audit { after } => {
                let after = usize::try_from(after).unwrap();
                let rows = self.rows.iter().skip(after).take(2).cloned().collect();
                RelayReply::Audit { keys: self.audit_keys.clone(), rows }
            }
            RelayRequest::Revoke(list) => {
                self.asked.push("revoke");
                let new = list.open(&self.organisation.unwrap()).unwrap();
                if self.list.as_ref().is_some_and(|l| l.peek().unwrap().number >= new.number) {
                    return RelayReply::Refused(RelayRefusal::OldList);
                }
                self.list = Some(list);
                RelayReply::Done
            }
            RelayRequest::Sessions { .. } => RelayReply::Sessions(ListPage::whole(vec![])),
            _ => RelayReply::Refused(RelayRefusal::NotAllowed),
        }
    }

    fn judge(&self, key: &PublicKey, shown: &Credential) -> Result<(), RelayRefusal> {
        let organisation = self.organisation.ok_or(RelayRefusal::Unclaimed)?;
        let who =
            shown.verify(&organisation, now()).map_err(|e| RelayRefusal::Credential(e.to_string().into()))?;
        assert_eq!(who.key(), *key, "a credential must end in the handshake's key");
        if self.retirements.iter().any(|r| r.open(key).is_ok()) {
            return Err(RelayRefusal::Revoked);
        }
        if self.members.contains(shown) { Ok(()) } else { Err(RelayRefusal::Unknown) }
    }

    fn welcome(&self) -> RelayReply {
        RelayReply::Welcome(RelayWelcome {
            program: ProgramInfo::this(),
            now: now(),
            revocations: self.list.clone(),
            retirements: self.retirements.clone(),
        })
    }

    fn people(&self) -> Vec<PersonEntry> {
        let organisation = self.organisation.unwrap();
        let entry = |m: &Credential| PersonEntry {
            id: m.verify(&organisation, now()).unwrap().technician_id().unwrap(),
            credential: m.clone(),
            online: false,
            last_seen: now(),
        };
        self.members.iter().map(entry).collect()
    }
}

/// A device enrolled by `organisation`, which can call itself what it wants.
pub(crate) fn device(organisation: &SecretKey, label: &str, hostname: &str) -> DeviceEntry {
    let own = SecretKey::generate(&mut OsRng);
    let fill = |id, organisation: OrganisationId, key| Invite {
        id,
        organisation,
        organisation_name: "Acme".into(),
        key,
        role: Role::Device,
        name: label.into(),
        issued: now(),
        use_by: UnixMillis(u64::MAX),
        valid_until: UnixMillis(u64::MAX),
    };
    let (invite, one_time) = credential::invite(organisation, &mut OsRng, fill).unwrap();
    DeviceEntry {
        id: own.public().device_id(),
        credential: Credential::join(invite, &one_time, &own.public(), now()).unwrap(),
        facts: DeviceFacts { hostname: hostname.into(), os: "Debian 13".into() },
        version: "0.1.0".into(),
        online: true,
        last_seen: now(),
    }
}

/// A run of the program that has ended.
#[derive(Debug)]
pub(crate) struct ProgramRun {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl ProgramRun {
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Somebody at their workstation.
pub(crate) struct Workstation {
    dir: tempfile::TempDir,
}

impl Workstation {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the program, with its terminal far away.
    pub(crate) async fn run(&self, args: &[&str]) -> ProgramRun {
        let home = self.home();
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        tokio::task::spawn_blocking(move || run(&home, &args, "error")).await.unwrap()
    }

    /// Runs the program with everything logged, and returns the log.
    pub(crate) async fn ok_logged(&self, args: &[&str]) -> String {
        let home = self.home();
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        tokio::task::spawn_blocking(move || run(&home, &args, "trace")).await.unwrap().ok().err
    }

    pub(crate) async fn ok(&self, args: &[&str]) -> ProgramRun {
        self.run(args).await.ok()
    }
}

fn run(home: &Path, args: &[String], log: &str) -> ProgramRun {
    let output = Command::new(env!("CARGO_BIN_EXE_nearhand"))
        .args(args)
        .env("NEARHAND_HOME", home)
        .env("NEARHAND_LOG", log)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    ProgramRun {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A claimed relay and its first administrator.
pub(crate) async fn claimed() -> (FakeRelay, Workstation) {
    let relay = FakeRelay::start();
    let admin = Workstation::new();
    admin.ok(&["claim", &relay.claim_string(), "--organisation", "Acme", "--name", "Ada"]).await;
    (relay, admin)
}

/// A short page, so that paging is tried with few entries.
fn first_two<T>(mut entries: Vec<T>) -> ListPage<T> {
    let left = u32::try_from(entries.len().saturating_sub(2)).unwrap();
    entries.truncate(2);
    ListPage { entries, left }
}
