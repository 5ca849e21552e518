//! The hub with a disk that hangs: what a person does to stop counts at once, and they are told why nothing new is allowed.

use std::io;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use nearhand_agent_core::display_owner::DisplayOwner;
use nearhand_agent_core::record::{RecordLog, RowStore};
use nearhand_agent_core::sessions::{
    ArrivedSession, CapabilityRequest, LocalUser, SessionTechnician, Sessions, Timestamp, UnrecordedChangeId,
};
use nearhand_proto::audit::{AuditHead, AuditRow};
use nearhand_proto::credential::{Credential, Invite, Role, invite};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::message::control::DeviceFacts;
use nearhand_proto::message::local::{AgentNotice, ConsentChoice, LocalEvent};
use nearhand_proto::message::session::{ConsentDecision, FromAgent, SessionEndReason, SessionRefusal};
use nearhand_proto::pake::ResumeSecret;
use nearhand_proto::time::UnixMillis;
use rand_core::OsRng;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::LocalWatcher;
use super::driver::{DESKTOP_OFFERS, Hub, INBOX, SessionTaskHandle, ToSession, UntilInForce};
use super::kept_sessions::{KEEP_FRESH, SessionKeys};
use crate::audit::RecordWriter;
use crate::home::{AgentHome, Enrolment};

const S: SessionId = SessionId::from_bytes([1; 16]);
const OWNER: LocalUser = LocalUser { user: 0, owner: true };
/// Long enough for a machine that is busy with something else.
const SOON: Duration = Duration::from_secs(30);
/// The person's Stop counts within this time.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A disk that writes while it may: each row takes a permit, and with none left it hangs.
struct HangingDisk {
    permits: std_mpsc::Receiver<()>,
}

impl RowStore for HangingDisk {
    fn append(&mut self, rows: &[AuditRow]) -> io::Result<()> {
        for _ in rows {
            self.permits.recv().map_err(io::Error::other)?;
        }
        Ok(())
    }
}

struct HubBench {
    hub: Arc<Hub>,
    permits: std_mpsc::Sender<()>,
    inbox: mpsc::Receiver<ToSession>,
    watcher: LocalWatcher,
    granted: watch::Receiver<Capabilities>,
    _home: tempfile::TempDir,
}

impl HubBench {
    /// A session that a person watches, with a disk that writes its first rows.
    async fn new() -> Self {
        Self::with(None).await
    }

    /// The device has this credential, and so is enrolled.
    async fn with(credential: Option<Credential>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = AgentHome::open(directory.path().join("home")).unwrap();
        let organisation = SecretKey::from_seed(&[2; 32]);
        let enrolment = Enrolment {
            relay: RelayAddress { host: "127.0.0.1".to_owned(), port: 1, key: organisation.public() },
            organisation: organisation.public(),
            organisation_name: "Acme".to_owned(),
            credential,
        };
        let facts = DeviceFacts { hostname: "pc-1".into(), os: "Linux".into() };
        let (permits, permitted) = std_mpsc::channel();
        let key = home.key().unwrap();
        let signed = key.sign(&AuditHead::EMPTY).unwrap();
        let log = RecordLog::new(HangingDisk { permits: permitted }, key, AuditHead::EMPTY, signed);
        let writer = RecordWriter::start(log).unwrap();
        let hub = Hub::with_writer(home, enrolment, facts, writer).unwrap();
        tokio::spawn(hub.clone().run());
        let watcher = hub.watch(OWNER);
        tokio::spawn(answer_heartbeats(hub.clone()));
        let screen = DisplayOwner { user: OWNER.user, seat: None, session: None, display: ":0".to_owned() };
        hub.update(|sessions, now| sessions.screen_is(now, Some(screen)));
        hub.update(|sessions, now| sessions.offered(now.instant, S, None, true)).unwrap();
        let (to_task, inbox) = mpsc::channel(INBOX);
        let handle = SessionTaskHandle::new(to_task);
        let granted = handle.watch_grants();
        hub.state().handles.insert(S, handle);
        let bench = Self { hub, permits, inbox, watcher, granted, _home: directory };
        bench.disk_writes(1);
        let start = ArrivedSession {
            session: S,
            technician: technician(&organisation),
            attended: true,
            person: None,
            offers: DESKTOP_OFFERS,
        };
        bench.hub.propose(|sessions, _| sessions.begin(start)).1.wait().await.unwrap();
        bench
    }

    fn disk_writes(&self, rows: usize) {
        (0..rows).for_each(|_| self.permits.send(()).unwrap());
    }

    fn ask(&self, what: Capability) {
        let asked =
            CapabilityRequest { request: 1, capabilities: what.into(), seconds: 900, reason: String::new() };
        self.hub.update(|sessions, now| sessions.ask(now, S, asked, None));
    }

    /// Waits until the person is asked, and allows it. The decision may wait for the disk.
    async fn allow(&mut self) -> UntilInForce {
        loop {
            if let LocalEvent::Asked(asked) = timeout(SOON, self.watcher.next()).await.unwrap().unwrap() {
                let choice =
                    ConsentChoice::Allow { capabilities: asked.capabilities, seconds: 900, window: None };
                let decide = |sessions: &mut Sessions, now| sessions.decide(now, asked.request, choice);
                let (decided, in_force) = self.hub.propose(decide);
                match decided {
                    Ok(_) => return in_force,
                    // A first contact is read for three seconds.
                    Err(_) => tokio::time::sleep(Duration::from_millis(3100)).await,
                }
                return self.hub.propose(decide_again(asked.request, choice)).1;
            }
        }
    }

    fn allows(&self, what: Capability) -> Result<(), SessionRefusal> {
        self.hub.update(|sessions, now| sessions.allows(now.instant, S, what))
    }
}

fn decide_again(
    request: u64,
    choice: ConsentChoice,
) -> impl FnOnce(&mut Sessions, Timestamp) -> Result<Option<UnrecordedChangeId>, SessionRefusal> {
    move |sessions, now| sessions.decide(now, request, choice).map_err(|_| SessionRefusal::Denied)
}

/// A program that shows what happens to its person.
async fn answer_heartbeats(hub: Arc<Hub>) {
    let mut watcher = hub.watch(OWNER);
    loop {
        match watcher.next().await {
            Ok(LocalEvent::Heartbeat { number }) => {
                hub.update(|sessions, now| sessions.heartbeat_answered(now, watcher.number(), number));
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn technician(organisation: &SecretKey) -> SessionTechnician {
    let own = SecretKey::from_seed(&[3; 32]);
    let verified = credential(organisation).verify(&organisation.public(), UnixMillis(1)).unwrap();
    let (name, organisation) = ("Ada".to_owned(), "Acme".to_owned());
    SessionTechnician { id: own.public().technician_id(), name, organisation, verified }
}

fn credential(organisation: &SecretKey) -> Credential {
    let own = SecretKey::from_seed(&[3; 32]);
    let fill = |id, organisation, key| Invite {
        id,
        organisation,
        organisation_name: "Acme".into(),
        key,
        role: Role::Technician,
        name: "Ada".into(),
        issued: UnixMillis(0),
        use_by: UnixMillis(9),
        valid_until: UnixMillis(9),
    };
    let (signed, one_time) = invite(organisation, &mut OsRng, fill).unwrap();
    Credential::join(signed, &one_time, &own.public(), UnixMillis(1)).unwrap()
}

#[tokio::test]
async fn the_file_of_a_session_that_stands_stays_fresh_so_that_its_age_says_when_the_agent_was_killed() {
    let organisation = SecretKey::from_seed(&[2; 32]);
    let bench = HubBench::with(Some(credential(&organisation))).await;
    let Some(file) = bench.hub.kept.path().map(std::path::Path::to_owned) else {
        eprintln!("skipped: no directory in memory here, so sessions end with the agent");
        return;
    };
    let key = SecretKey::from_seed(&[3; 32]).public();
    let resume = ResumeSecret::new([7; 32]);
    bench.hub.set_keys(S, SessionKeys { credential: credential(&organisation), key, resume });
    assert!(file.exists());
    std::fs::remove_file(&file).unwrap();

    tokio::time::pause();
    timeout(4 * KEEP_FRESH, async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await
    .unwrap();
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn stop_counts_at_once_while_the_disk_hangs_and_the_person_is_told_why_nothing_new_is_allowed() {
    let mut bench = HubBench::new().await;
    // The rows of the question and of the grant are written.
    bench.disk_writes(2);
    bench.ask(Capability::View);
    bench.allow().await.wait().await.unwrap();
    assert_eq!(bench.allows(Capability::View), Ok(()));

    // The question's row still goes to the disk, which then hangs.
    bench.disk_writes(1);
    bench.ask(Capability::Control);
    let decided = bench.allow().await;
    assert_eq!(decided.wait().await, Err(SessionRefusal::Storage), "the person isn't left waiting either");
    let notice = loop {
        let event = timeout(SOON, bench.watcher.next()).await.unwrap().unwrap();
        if let LocalEvent::Notice(said @ AgentNotice::RecordUnwritable { .. }) = event {
            break said.to_string();
        }
    };
    assert!(notice.contains("the disk has not answered"), "{notice}");
    assert_eq!(bench.allows(Capability::View), Ok(()), "what runs goes on");
    assert!(bench.allows(Capability::Control).is_err());
    let refused = loop {
        if let ToSession::Tell(FromAgent::Decision { decision: ConsentDecision::Refused(why), .. }) =
            timeout(SOON, bench.inbox.recv()).await.unwrap().unwrap()
        {
            break why;
        }
    };
    assert_eq!(refused, SessionRefusal::Storage);

    let pressed = Instant::now();
    bench.hub.update(|sessions, now| sessions.stop_all(now, OWNER));
    assert_eq!(*bench.granted.borrow_and_update(), Capabilities::NONE);
    let told = timeout(SOON, bench.inbox.recv()).await.unwrap();
    let took = pressed.elapsed();
    assert!(matches!(told, Some(ToSession::End(SessionEndReason::Stopped))), "{told:?}");
    assert!(took < AT_ONCE, "{took:?}");
    // The disk goes on: what was decided meanwhile stays without effect.
    bench.disk_writes(50);
    loop {
        let event = timeout(SOON, bench.watcher.next()).await.unwrap().unwrap();
        if matches!(&event, LocalEvent::Notice(notice) if notice.to_string().contains("can be written again"))
        {
            break;
        }
    }
    assert!(bench.allows(Capability::Control).is_err());
}
