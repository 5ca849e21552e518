//! Notices against real receivers: Alertmanager, Prometheus, rsyslog, an SMTP server, HTTP endpoints. Each is told
//! that an alarm began, became worse, was acknowledged and ended.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{ControlClient, TestMember, TestOrganisation, TestRelay, limits, now};
use crate::peers::{ReceiverStub, free_port, listening};
use nearhand_proto::alarm::{AlarmBatch, AlarmEvent, AlarmTransition, Severity, SpoolEntry, SpoolRecord};
use nearhand_proto::credential::Role;
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::message::alarms::AlarmAction;
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use nearhand_proto::time::UnixMillis;
use nearhand_relay::config::RelayConfig;
use nearhand_relay::notify::sender::ReceiverSender;
use nearhand_relay::store::{AlarmWrite, OutboxState};
use nearhand_relay_core::notify::webhook::{WebhookSecret, headers};
use nearhand_transport::platform::write_private;
use serde_json::{Value, json};

const STREAM: StreamId = StreamId::from_bytes([5; 16]);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

/// Waits until something is there, for 20 s at most.
async fn eventually<T>(what: &str, mut there: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = there().await {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn senders(dir: &Path, receivers: &str) -> Vec<ReceiverSender> {
    write_private(&dir.join("new.secret"), SECRET.as_bytes()).unwrap();
    write_private(&dir.join("old.secret"), OLD_SECRET.as_bytes()).unwrap();
    write_private(&dir.join("key.secret"), b"R0UT1NGKEY").unwrap();
    let config =
        RelayConfig::parse(&format!("public_host = \"relay.example\"\n{receivers}"), &dir.join("relay.toml"));
    let config = config.map_err(|error| error.to_string()).unwrap();
    let receivers = config.receivers().map_err(|error| error.to_string()).unwrap();
    receivers.into_iter().map(|r| ReceiverSender::new(r, "relay.example").unwrap()).collect()
}

struct ReceiverFixture {
    relay: TestRelay,
    device: TestMember,
    agent: ControlClient,
    technician: ControlClient,
    seq: std::cell::Cell<u64>,
}

impl ReceiverFixture {
    async fn new(dir: &Path, receivers: &str) -> Self {
        let relay = TestRelay::start_notifying(dir, limits(), senders(dir, receivers)).await;
        let (relay, org) = TestOrganisation::claim_of(relay).await;
        let device = org.member(&relay, Role::Device, "till 3").await;
        let agent = device.online(&relay).await;
        let technician = org.first_admin().online(&relay).await;
        Self { relay, device, agent, technician, seq: std::cell::Cell::new(0) }
    }

    async fn say(&self, instance: &str, transition: AlarmTransition, severity: Severity) {
        let seq = self.seq.get() + 1;
        self.seq.set(seq);
        let reply = self.agent.ask(&event(seq, instance, transition, severity)).await;
        assert!(matches!(reply, RelayReply::AlarmsStored { .. }), "{reply:?}");
    }

    fn id(&self, instance: &str) -> Fingerprint {
        Fingerprint::of(self.device.device_id(), "disk-space", instance)
    }

    async fn acknowledge(&self, instance: &str) {
        let act = AlarmAction::Acknowledge { comment: "on it".into() };
        let reply = self.technician.ask(&RelayRequest::ActOnAlarm { alarm: self.id(instance), act }).await;
        assert!(matches!(reply, RelayReply::Done), "{reply:?}");
    }

    /// A life of an alarm.
    async fn whole_life(&self, instance: &str) {
        self.say(instance, AlarmTransition::Raised, Severity::Warning).await;
        self.say(instance, AlarmTransition::Worsened, Severity::Critical).await;
        self.acknowledge(instance).await;
        self.say(instance, AlarmTransition::Cleared, Severity::Critical).await;
    }

    async fn outbox(&self, name: &str) -> OutboxState {
        let states = self.relay.relay.control().store().reader().outbox().await.unwrap();
        states.into_iter().find(|state| state.receiver == name).unwrap_or_default()
    }

    /// Waits until nothing waits for a receiver.
    async fn delivered(&self, name: &str) {
        eventually(&format!("all is delivered to {name}"), async || {
            (self.outbox(name).await.waiting == 0).then_some(())
        })
        .await;
    }
}

fn event(seq: u64, instance: &str, transition: AlarmTransition, severity: Severity) -> RelayRequest {
    let event = AlarmEvent {
        rule: "disk-space".into(),
        rule_version: 1,
        instance: instance.into(),
        transition,
        severity,
        value: None,
        summary: format!("{instance} {transition}"),
        observed_at: now(),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    };
    RelayRequest::Alarms(AlarmBatch {
        stream: STREAM,
        records: vec![SpoolRecord { seq, entry: SpoolEntry::Event(event) }],
    })
}

const LIFE: [&str; 4] = ["alarm.raised", "alarm.worsened", "alarm.acknowledged", "alarm.resolved"];

fn types(sink: &ReceiverStub, instance: &str) -> Vec<String> {
    let hits: Vec<Value> = sink.hits().iter().map(crate::peers::HttpHit::json).collect();
    let of = hits.iter().filter(|body| body["data"]["instance"] == instance);
    of.map(|body| body["type"].as_str().unwrap().to_owned()).collect()
}

fn webhook(sink: &ReceiverStub, more: &str) -> String {
    format!(
        "[[receivers]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/in\"\nallow_private = true\n\
         secret_file = \"new.secret\"\nretry_seconds = [0, 0, 0, 0, 0, 0, 0, 0, 0]\n{more}\n",
        sink.port
    )
}

#[tokio::test]
async fn a_webhook_is_signed_in_order_and_its_id_stays_while_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let sink = ReceiverStub::start((200, "")).await;
    for status in [500, 302, 429] {
        sink.answer(status, "not now");
    }
    let scene =
        ReceiverFixture::new(dir.path(), &webhook(&sink, "previous_secret_file = \"old.secret\"")).await;
    scene.whole_life("/").await;
    scene.delivered("hook").await;
    let hits = sink.hits();
    assert_eq!(hits.len(), 7, "three failed");
    assert!(hits.iter().all(|hit| hit.path == "/in"), "redirects are not followed");
    let first: Vec<_> = hits.iter().take(4).map(|hit| hit.header("webhook-id")).collect();
    assert!(first.iter().all(|id| *id == first[0]), "{first:?}");
    assert_eq!(types(&sink, "/")[3..], LIFE);
    for hit in &hits {
        let at = UnixMillis(hit.header("webhook-timestamp").parse::<u64>().unwrap() * 1000);
        let secrets = [SECRET, OLD_SECRET].map(|secret| WebhookSecret::parse(secret).unwrap());
        let expected = headers(hit.header("webhook-id"), &hit.body, &secrets, at);
        assert_eq!(hit.header("webhook-signature"), expected[2].1);
        assert_eq!(hit.header("webhook-signature").split(' ').count(), 2);
    }
    let last = hits.last().unwrap().json();
    assert_eq!(last["data"]["device"]["name"], "till 3");
    assert_eq!(last["data"]["previous_severity"], "critical");
    let ack = hits[5].json();
    assert_eq!(ack["data"]["acknowledged"]["comment"], "on it");
}

#[tokio::test]
async fn what_fails_too_often_is_given_up_listed_and_replayed_and_410_disables() {
    let dir = tempfile::tempdir().unwrap();
    let sink = ReceiverStub::start((200, "")).await;
    let scene = ReceiverFixture::new(dir.path(), &webhook(&sink, "min_severity = \"error\"")).await;
    // Too mild for this receiver, when it is raised and when it is cleared.
    scene.say("/mild", AlarmTransition::Raised, Severity::Warning).await;
    scene.say("/mild", AlarmTransition::Cleared, Severity::Warning).await;
    for _ in 0..10 {
        sink.answer(503, "busy \u{1b}[2J");
    }
    scene.say("/", AlarmTransition::Raised, Severity::Critical).await;
    eventually("given up", async || (scene.outbox("hook").await.dead == 1).then_some(())).await;
    assert_eq!(sink.hits().len(), 10);
    let reader = scene.relay.relay.control().store().reader();
    let dead = reader.dead_letters(10).await.unwrap();
    assert_eq!((dead[0].attempts, dead[0].answer.as_str()), (10, "503 busy \u{fffd}[2J"));
    // What comes after it goes out all the same.
    scene.say("/", AlarmTransition::Cleared, Severity::Critical).await;
    scene.delivered("hook").await;
    assert_eq!(reader.replay("hook", Some(1)).await.unwrap(), 0, "another number");
    assert_eq!(reader.replay("hook", None).await.unwrap(), 1);
    scene.delivered("hook").await;
    let ids: Vec<String> = sink.hits().iter().map(|hit| hit.header("webhook-id").to_owned()).collect();
    assert_eq!((ids.len(), ids[11] == ids[0]), (12, true), "the same id after all");

    sink.answer(410, "gone");
    scene.say("/", AlarmTransition::Raised, Severity::Critical).await;
    let disabled = async || scene.outbox("hook").await.disabled;
    assert_eq!(eventually("disabled", disabled).await, "410 gone");
    scene.say("/", AlarmTransition::Cleared, Severity::Critical).await;
    assert_eq!(scene.outbox("hook").await.waiting, 2, "kept");
    assert_eq!(sink.hits().len(), 13);
    assert!(reader.enable("hook").await.unwrap());
    scene.delivered("hook").await;
    assert_eq!(types(&sink, "/")[13..], ["alarm.raised", "alarm.resolved"]);
    assert!(types(&sink, "/mild").is_empty());
}

#[tokio::test]
async fn a_private_address_is_not_connected_to_unless_that_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let sink = ReceiverStub::start((200, "")).await;
    let inside = webhook(&sink, "").replace("allow_private = true\n", "");
    let by_name = inside.replace("127.0.0.1", "localhost").replace("\"hook\"", "\"named\"");
    let scene = ReceiverFixture::new(dir.path(), &format!("{inside}\n{by_name}")).await;
    scene.say("/", AlarmTransition::Raised, Severity::Critical).await;
    eventually("given up", async || {
        let dead = [scene.outbox("hook").await.dead, scene.outbox("named").await.dead];
        (dead == [1, 1]).then_some(())
    })
    .await;
    let dead = scene.relay.relay.control().store().reader().dead_letters(10).await.unwrap();
    assert!(dead.iter().all(|letter| letter.answer.contains("allow_private")), "{dead:?}");
    assert!(sink.hits().is_empty());
}

#[tokio::test]
async fn a_slow_receiver_hears_a_critical_alarm_before_another_devices_flood() {
    let dir = tempfile::tempdir().unwrap();
    let sink = ReceiverStub::start((200, "")).await;
    sink.heard.lock().unwrap().slow = Duration::from_millis(200);
    let scene = ReceiverFixture::new(dir.path(), &webhook(&sink, "")).await;
    let store = scene.relay.relay.control().store().clone();
    let say = async |device: u8, instances: Vec<String>, severity| {
        let records = (1..).zip(instances).map(|(seq, instance)| {
            let RelayRequest::Alarms(batch) = event(seq, &instance, AlarmTransition::Raised, severity) else {
                unreachable!("it is a batch")
            };
            batch.records[0].clone()
        });
        let batch = AlarmBatch { stream: StreamId::from_bytes([device; 16]), records: records.collect() };
        let device = DeviceId::from_bytes([device; 16]);
        store.write_alarm(AlarmWrite::Batch(device, batch, now())).await.unwrap();
    };
    const FLOOD: usize = 450;
    say(1, (0..FLOOD).map(|n| format!("/{n}")).collect(), Severity::Error).await;
    eventually("the flood is being delivered", async || (!sink.hits().is_empty()).then_some(())).await;
    say(2, vec!["/bad".to_owned()], Severity::Critical).await;
    let place = eventually("the critical alarm is delivered", async || {
        sink.hits().iter().position(|hit| hit.json()["data"]["instance"] == "/bad")
    })
    .await;
    assert!(place < FLOOD / 3, "{place} others came first");
}

#[tokio::test]
async fn mail_goes_to_no_private_address_unless_that_is_meant_and_never_to_a_link_local_one() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mail = |server: &str, more: &str| {
        let text = format!(
            "[[receivers]]\nname = \"mail\"\nkind = \"email\"\nserver = \"{server}\"\nport = {port}\nencryption = \"none\"\n\
             from = \"relay@example.org\"\nto = [\"ops@example.org\"]\n{more}"
        );
        senders(dir.path(), &text).remove(0)
    };
    let notice = nearhand_relay_core::alarm::test_notice("mail", now(), 7);
    for (server, more, words) in [
        ("127.0.0.1", "", "127.0.0.1 is a private address: set allow_private = true"),
        ("localhost", "", "is a private address"),
        ("169.254.169.254", "allow_private = true\n", "169.254.169.254 is no address of a receiver"),
    ] {
        let outcome = mail(server, more).test(&notice).await;
        assert!(outcome.answer().contains(words), "{server}: {}", outcome.answer());
    }
    assert!(listener.accept().is_err(), "nobody came");
    let allowed = mail("127.0.0.1", "allow_private = true\n");
    let sending = tokio::spawn(async move { allowed.test(&notice).await });
    eventually("the mail server is connected to", async || listener.accept().ok()).await;
    sending.abort();
}

#[tokio::test]
async fn pagerduty_and_opentelemetry_are_told_in_their_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let (pager, collector) = (
        ReceiverStub::start((202, "{\"status\":\"success\"}")).await,
        ReceiverStub::start((200, "{}")).await,
    );
    collector.answer(503, "");
    let receivers = format!(
        "[[receivers]]\nname = \"pager\"\nkind = \"pagerduty\"\nurl = \"http://127.0.0.1:{}/v2/enqueue\"\n\
         allow_private = true\nrouting_key_file = \"key.secret\"\n\
         [[receivers]]\nname = \"otlp\"\nkind = \"otlp\"\nurl = \"http://127.0.0.1:{}\"\nallow_private = true\n\
         retry_seconds = [0]\n",
        pager.port, collector.port
    );
    let scene = ReceiverFixture::new(dir.path(), &receivers).await;
    scene.whole_life("/").await;
    scene.delivered("pager").await;
    scene.delivered("otlp").await;
    let events: Vec<Value> = pager.hits().iter().map(crate::peers::HttpHit::json).collect();
    let brief: Vec<_> = events
        .iter()
        .map(|e| (e["event_action"].as_str().unwrap(), e["payload"]["severity"].as_str().unwrap()))
        .collect();
    assert_eq!(
        brief,
        [
            ("trigger", "warning"),
            ("trigger", "critical"),
            ("acknowledge", "critical"),
            ("resolve", "critical")
        ]
    );
    let key = format!("nearhand-{}", scene.id("/"));
    assert!(events.iter().all(|e| e["dedup_key"] == key && e["routing_key"] == "R0UT1NGKEY"));
    let names: Vec<String> = collector.hits()[1..]
        .iter()
        .map(|hit| {
            hit.json()["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["eventName"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(names, LIFE);
    assert!(collector.hits().iter().all(|hit| hit.path == "/v1/logs"));
    // A record that the collector rejects is given up, not called delivered.
    collector.answer(200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"1\"}}");
    scene.say("/", AlarmTransition::Raised, Severity::Info).await;
    eventually("given up", async || (scene.outbox("otlp").await.dead == 1).then_some(())).await;
}

#[tokio::test]
async fn rsyslog_gets_every_notice_in_order_and_mail_comes_as_a_digest() {
    let dir = tempfile::tempdir().unwrap();
    let (log_port, mail_port) = (free_port(), free_port());
    let _rsyslog = crate::peers::rsyslog(dir.path(), log_port);
    let smtp = crate::peers::smtp(dir.path(), mail_port);
    listening(log_port).await;
    listening(mail_port).await;
    let receivers = format!(
        "[[receivers]]\nname = \"log\"\nkind = \"syslog\"\nserver = \"127.0.0.1\"\nport = {log_port}\ntls = false\n\
         [[receivers]]\nname = \"mail\"\nkind = \"email\"\nserver = \"127.0.0.1\"\nport = {mail_port}\nallow_private = true\n\
         encryption = \"none\"\nfrom = \"Relay <relay@example.org>\"\nto = [\"ops@example.org\"]\ndigest_seconds = 2\n\
         retry_seconds = [1, 1, 1, 1, 1, 1, 1, 1]\n"
    );
    let scene = ReceiverFixture::new(dir.path(), &receivers).await;
    for instance in ["/a", "/b"] {
        scene.say(instance, AlarmTransition::Raised, Severity::Warning).await;
    }
    scene.delivered("log").await;
    scene.delivered("mail").await;
    let mail = std::fs::read_to_string(dir.path().join("mail.1")).unwrap();
    assert!(mail.contains("Subject: [nearhand] WARNING till 3 disk-space /b"), "{mail}");
    assert!(
        mail.contains("(+1 more)") && mail.contains("/a raised") && mail.contains("Auto-Submitted"),
        "{mail}"
    );
    // The server is away, and comes back.
    smtp.kill();
    scene.whole_life("/").await;
    scene.delivered("log").await;
    let log = eventually("all is in the log", async || {
        let log = std::fs::read_to_string(dir.path().join("log")).ok()?;
        (log.lines().count() >= 6).then_some(log)
    })
    .await;
    let seen: Vec<Vec<&str>> = log.lines().map(|line| line.split(' ').take(4).collect()).collect();
    assert_eq!(seen[0], ["132", "relay.example", "nearhand-relay", "raised"]);
    let kinds: Vec<_> = seen[2..].iter().map(|line| (line[0], line[3])).collect();
    assert_eq!(kinds, [("132", "raised"), ("130", "worsened"), ("130", "acknowledged"), ("130", "resolved")]);
    assert!(
        log.lines().last().unwrap().contains("instance=\"/\" severity=\"critical\" state=\"resolved\""),
        "{log}"
    );
    let _smtp = crate::peers::smtp(dir.path(), mail_port);
    scene.delivered("mail").await;
    let mail: String = std::fs::read_to_string(dir.path().join("mail.1")).unwrap();
    for what in ["CRITICAL (was warning) till 3", "ACKNOWLEDGED till 3", "on it", "RESOLVED till 3"] {
        assert!(mail.contains(what), "{what} is not in {mail}");
    }
}

/// What Alertmanager says fires: severity by instance, and whether it is acknowledged.
async fn firing(port: u16) -> Option<Vec<(String, String, bool)>> {
    let alerts = crate::peers::get(port, "/api/v2/alerts").await?;
    let mut found: Vec<_> = alerts
        .as_array()?
        .iter()
        .map(|a| {
            let label = |name: &str| a["labels"][name].as_str().unwrap_or_default().to_owned();
            (label("instance"), label("severity"), a["annotations"]["acknowledged_by"].is_string())
        })
        .collect();
    found.sort();
    Some(found)
}

async fn fires(port: u16, expected: &[(&str, &str, bool)]) {
    let expected: Vec<_> = expected.iter().map(|(i, s, a)| ((*i).to_owned(), (*s).to_owned(), *a)).collect();
    eventually(&format!("Alertmanager has {expected:?}"), async || {
        firing(port).await.filter(|found| *found == expected).map(drop)
    })
    .await;
}

#[tokio::test]
async fn alertmanager_converges_again_after_it_lost_everything() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let alertmanager = crate::peers::alertmanager(dir.path(), port);
    listening(port).await;
    let receivers = format!(
        "[[receivers]]\nname = \"am\"\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:{port}\"\nallow_private = true\n\
         resend_seconds = 1\n"
    );
    let scene = ReceiverFixture::new(dir.path(), &receivers).await;
    scene.say("/", AlarmTransition::Raised, Severity::Warning).await;
    scene.say("/home", AlarmTransition::Raised, Severity::Error).await;
    fires(port, &[("/", "warning", false), ("/home", "error", false)]).await;
    scene.say("/", AlarmTransition::Worsened, Severity::Critical).await;
    fires(port, &[("/", "critical", false), ("/home", "error", false)]).await;
    scene.acknowledge("/").await;
    fires(port, &[("/", "critical", true), ("/home", "error", false)]).await;
    // kill -9, and started again empty.
    alertmanager.kill();
    scene.say("/home", AlarmTransition::Cleared, Severity::Error).await;
    scene.say("/var", AlarmTransition::Raised, Severity::Info).await;
    let _alertmanager = crate::peers::alertmanager(dir.path(), port);
    listening(port).await;
    let restarted = Instant::now();
    fires(port, &[("/", "critical", true), ("/var", "info", false)]).await;
    assert!(restarted.elapsed() < Duration::from_secs(60));
    for (instance, severity) in [("/", Severity::Critical), ("/var", Severity::Info)] {
        scene.say(instance, AlarmTransition::Cleared, severity).await;
    }
    fires(port, &[]).await;
    scene.delivered("am").await;
    assert_eq!(scene.outbox("am").await.dead, 0);
}

#[tokio::test]
async fn a_400_for_one_alarm_loses_no_other() {
    let dir = tempfile::tempdir().unwrap();
    // As Alertmanager does: 400 for a batch with a bad alert in it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let kept = taken.clone();
    let judge = move |body: String| async move {
        let alerts: Vec<Value> = serde_json::from_str(&body).unwrap();
        let names: Vec<String> =
            alerts.iter().map(|a| a["labels"]["instance"].as_str().unwrap().to_owned()).collect();
        if names.iter().any(|name| name == "/poison") {
            return (axum::http::StatusCode::BAD_REQUEST, "bad labels");
        }
        kept.lock().unwrap().extend(names);
        (axum::http::StatusCode::OK, "")
    };
    let router = axum::Router::new().fallback(axum::routing::post(judge));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let receivers = format!(
        "[[receivers]]\nname = \"am\"\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:{port}\"\nallow_private = true\n\
         resend_seconds = 1\n"
    );
    let scene = ReceiverFixture::new(dir.path(), &receivers).await;
    for n in 0..20 {
        let instance = if n == 7 { "/poison".to_owned() } else { format!("/{n:02}") };
        scene.say(&instance, AlarmTransition::Raised, Severity::Warning).await;
    }
    scene.delivered("am").await;
    eventually("the other nineteen are taken", async || (taken.lock().unwrap().len() == 19).then_some(()))
        .await;
    let dead = scene.relay.relay.control().store().reader().dead_letters(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0].notice.alarm.instance.as_str(), dead[0].answer.as_str()),
        ("/poison", "400 bad labels")
    );
}

#[tokio::test]
async fn prometheus_sees_alarms_and_how_deliveries_stand() {
    let dir = tempfile::tempdir().unwrap();
    let sink = ReceiverStub::start((200, "")).await;
    let mut scene = ReceiverFixture::new(dir.path(), &webhook(&sink, "")).await;
    let metrics = scene.relay.relay.serve_http("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = free_port();
    let _prometheus = crate::peers::prometheus(dir.path(), port, &metrics.to_string());
    listening(port).await;
    let value = async |query: &str| {
        let answer = crate::peers::get(port, &format!("/api/v1/query?query={query}")).await?;
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    let is = async |query: &str, expected: Option<&str>| {
        eventually(&format!("{query} is {expected:?}"), async || {
            (value(query).await.as_deref() == expected).then_some(())
        })
        .await;
    };
    let series = "nearhand_alarm_firing%7Bobject%3D%22a%5C%22%5C%5Cb%22%7D";
    scene.say("a\"\\b", AlarmTransition::Raised, Severity::Warning).await;
    is("nearhand_alarms%7Bstate%3D%22firing%22,severity%3D%22warning%22%7D", Some("1")).await;
    is(series, Some("1")).await;
    scene.say("a\"\\b", AlarmTransition::Worsened, Severity::Critical).await;
    is("nearhand_alarms%7Bstate%3D%22firing%22,severity%3D%22critical%22%7D", Some("1")).await;
    scene.acknowledge("a\"\\b").await;
    is("count(nearhand_alarm_firing%7Backnowledged%3D%22true%22%7D)", Some("1")).await;
    scene.say("a\"\\b", AlarmTransition::Cleared, Severity::Critical).await;
    is("nearhand_alarms%7Bstate%3D%22resolved%22,severity%3D%22critical%22%7D", Some("1")).await;
    is("nearhand_deliveries_total%7Breceiver%3D%22hook%22,result%3D%22delivered%22%7D", Some("4")).await;
    is("nearhand_delivery_lag_seconds_count%7Breceiver%3D%22hook%22%7D", Some("4")).await;
}

#[tokio::test]
async fn the_operators_commands_test_list_and_replay() {
    let dir = tempfile::tempdir().unwrap();
    let sink = ReceiverStub::start((200, "thanks")).await;
    let data = dir.path().join("relay");
    let program = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_nearhand-relay")).args(words).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let place = data.display().to_string();
    assert!(program(&["init", "--data", &place, "--host", "127.0.0.1"]).0);
    write_private(&data.join("new.secret"), SECRET.as_bytes()).unwrap();
    let file = data.join("relay.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str(&webhook(&sink, ""));
    std::fs::write(&file, text).unwrap();
    let run = {
        let place = place.clone();
        move |words: &[&str]| program(&[words, &["--data", &place]].concat())
    };
    let run = std::sync::Arc::new(run);
    let ran = tokio::task::spawn_blocking({
        let run = run.clone();
        move || run(&["receivers", "test", "hook"])
    })
    .await
    .unwrap();
    assert_eq!(ran, (true, "Delivered. Its answer: 200 thanks\n".into()));
    let body = sink.hits()[0].json();
    assert_eq!((&body["type"], &body["data"]["test"]), (&json!("alarm.test"), &json!(true)));
    assert!(run(&["receivers", "test", "nobody"]).1.contains("there is no receiver"));
    assert!(run(&["receivers", "list"]).1.contains("hook (webhook, from info on): 0 waiting, 0 given up"));
    assert!(run(&["receivers", "dead"]).1.contains("Nothing was given up."));
    assert!(!run(&["receivers", "replay", "hook"]).0);
    assert!(!run(&["receivers", "enable", "hook"]).0);
    // The secret is nobody's but the relay's.
    std::fs::set_permissions(data.join("new.secret"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    let (ok, said) = run(&["receivers", "list"]);
    assert!(!ok && said.contains("chmod 600") && !said.contains("MfKQ9r8"), "{said}");
}

#[tokio::test]
async fn a_real_broker_gets_every_notice_over_tls_and_with_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let broker = crate::peers::mosquitto(dir.path(), port, "relay", "s3cret");
    write_private(&dir.path().join("mqtt.secret"), b"s3cret").unwrap();
    write_private(&dir.path().join("wrong.secret"), b"wrong").unwrap();
    listening(port).await;
    let section = |name: &str, password: &str| {
        format!(
            "[[receivers]]\nname = \"{name}\"\nkind = \"mqtt\"\nserver = \"127.0.0.1\"\nport = {port}\ntopic = \"ops\"\n\
             username = \"relay\"\npassword_file = \"{password}.secret\"\nca_file = \"broker.pem\"\n\
             retry_seconds = [1, 1, 1, 1, 1, 1, 1, 1]\n"
        )
    };
    let both = section("bus", "mqtt") + &section("stranger", "wrong");
    let out = dir.path().join("heard");
    let listen = || {
        let log = std::fs::File::options().create(true).append(true).open(&out).unwrap();
        let ca = dir.path().join("broker.pem");
        Command::new("mosquitto_sub")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-u",
                "relay",
                "-P",
                "s3cret",
                "-t",
                "ops/#",
                "-q",
                "1",
            ])
            .args(["-i", "ears", "-c", "-F", "%t %p", "--cafile", &ca.display().to_string()])
            .stdout(log)
            .spawn()
            .map(crate::peers::PeerProcess)
            .unwrap()
    };
    let ears = listen();
    let scene = ReceiverFixture::new(dir.path(), &both).await;
    // A subscription is there when its first message is.
    let topic = format!("ops/{}/disk-space", scene.device.device_id());
    let heard = || {
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        let messages: Vec<(String, Value)> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(topic, body)| Some((topic.to_owned(), serde_json::from_str(body).ok()?)))
            .collect();
        messages
    };
    let mut n = 0;
    eventually("the subscription", async || {
        n += 1;
        scene.say(&format!("/probe{n}"), AlarmTransition::Raised, Severity::Info).await;
        scene.delivered("bus").await;
        (!heard().is_empty()).then_some(())
    })
    .await;
    scene.whole_life("/a").await;
    scene.delivered("bus").await;
    // The broker is killed and comes back without anything it knew.
    drop(ears);
    broker.kill();
    scene.whole_life("/b").await;
    let _broker = crate::peers::mosquitto(dir.path(), port, "relay", "s3cret");
    listening(port).await;
    scene.delivered("bus").await;
    let kinds: Vec<String> = heard()
        .into_iter()
        .filter(|(_, body)| body["data"]["instance"] == "/a")
        .map(|(at, body)| {
            assert_eq!(at, topic);
            body["type"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["alarm.raised", "alarm.worsened", "alarm.acknowledged", "alarm.resolved"]);
    let stranger = scene.outbox("stranger").await;
    assert!(stranger.waiting + stranger.dead > 0, "a wrong password delivers nothing");
}

#[tokio::test]
async fn the_second_line_hears_only_of_what_nobody_takes_care_of() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (ReceiverStub::start((200, "")).await, ReceiverStub::start((200, "")).await);
    let section = |name: &str, port: u16, more: &str| {
        format!(
            "[[receivers]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\nallow_private = true\n\
             secret_file = \"new.secret\"\n{more}"
        )
    };
    let both = section("first", first.port, "")
        + &section("second", second.port, "escalate_after_seconds = 2\nmin_severity = \"warning\"\n");
    let scene = ReceiverFixture::new(dir.path(), &both).await;
    scene.say("/seen", AlarmTransition::Raised, Severity::Warning).await;
    scene.say("/brief", AlarmTransition::Raised, Severity::Warning).await;
    scene.say("/left", AlarmTransition::Raised, Severity::Warning).await;
    scene.acknowledge("/seen").await;
    scene.say("/brief", AlarmTransition::Cleared, Severity::Warning).await;
    scene.delivered("second").await;
    let told = |sink: &ReceiverStub| -> Vec<(String, String)> {
        let said =
            |body: &Value, at: &str| body.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let bodies = sink.hits().into_iter().map(|hit| serde_json::from_str::<Value>(&hit.body).unwrap());
        bodies.map(|body| (said(&body, "/data/instance"), said(&body, "/type"))).collect()
    };
    assert_eq!(told(&second), [("/left".to_owned(), "alarm.raised".to_owned())]);
    // From here on it hears everything of that one, at once; and of the other when it is left alone again.
    scene.acknowledge("/left").await;
    scene.say("/left", AlarmTransition::Cleared, Severity::Warning).await;
    let again = RelayRequest::ActOnAlarm { alarm: scene.id("/seen"), act: AlarmAction::Unacknowledge };
    assert!(matches!(scene.technician.ask(&again).await, RelayReply::Done));
    scene.delivered("second").await;
    let kinds: Vec<String> =
        told(&second).into_iter().map(|(instance, kind)| format!("{instance} {kind}")).collect();
    assert_eq!(
        kinds,
        [
            "/left alarm.raised",
            "/left alarm.acknowledged",
            "/left alarm.resolved",
            "/seen alarm.unacknowledged"
        ]
    );
    assert_eq!(told(&first).len(), 8, "{:?}", told(&first));
}
