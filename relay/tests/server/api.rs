//! The HTTP interface: a real relay, real sockets, and every answer held against its own description.

use std::net::SocketAddr;
use std::time::Duration;

use crate::harness::{ControlClient, TestMember, TestOrganisation, TestRelay, limits, now};
use nearhand_proto::alarm::{AlarmBatch, AlarmEvent, AlarmTransition, Severity, SpoolEntry, SpoolRecord};
use nearhand_proto::credential::Role;
use nearhand_proto::id::{Fingerprint, StreamId};
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use nearhand_proto::time::UnixMillis;
use nearhand_relay::token::{ApiToken, KnownToken, TokenRight};
use rand_core::OsRng;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct ApiFixture {
    relay: TestRelay,
    address: SocketAddr,
    org: TestOrganisation,
    device: TestMember,
    agent: ControlClient,
    acts: String,
    reads: String,
    described: Value,
}

struct ApiAnswer {
    status: u16,
    head: String,
    body: Value,
}

async fn send(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// Asks without a token.
pub(super) async fn plain(address: SocketAddr, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let (status, _, body) = send(address, &request).await;
    (status, body)
}

fn event(seq: u64, instance: &str, transition: AlarmTransition) -> RelayRequest {
    let event = AlarmEvent {
        rule: "disk-space".into(),
        rule_version: 1,
        instance: instance.into(),
        transition,
        severity: Severity::Warning,
        value: None,
        summary: "the disk <b>fills</b>".into(),
        observed_at: now(),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    };
    let records = vec![SpoolRecord { seq, entry: SpoolEntry::Event(event) }];
    RelayRequest::Alarms(AlarmBatch { stream: StreamId::from_bytes([7; 16]), records })
}

impl ApiFixture {
    async fn new(dir: &std::path::Path) -> Self {
        let mut relay = TestRelay::start_with(dir, limits()).await;
        let address = relay.relay.serve_api("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (relay, org) = TestOrganisation::claim_of(relay).await;
        let device = org.member(&relay, Role::Device, "till 3").await;
        let agent = device.online(&relay).await;
        let (status, _, description) =
            send(address, "GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert_eq!(status, 200);
        let described = serde_json::from_str(&description).unwrap();
        let mut scene =
            Self { relay, address, org, device, agent, acts: String::new(), reads: String::new(), described };
        scene.acts = scene.token("ci", TokenRight::Act, now().after(Duration::from_secs(60))).await;
        scene.reads = scene.token("wall", TokenRight::Read, now().after(Duration::from_secs(60))).await;
        scene
    }

    async fn token(&self, name: &str, may: TokenRight, expires: UnixMillis) -> String {
        let token = ApiToken::generate(&mut OsRng);
        let known = KnownToken { name: name.into(), may, created: now(), expires };
        assert!(self.relay.relay.control().store().reader().add_token(&known, &token.hash()).await.unwrap());
        token.expose().to_owned()
    }

    /// Asks, and holds the answer against the description of `path`, with its parameters' names in it.
    async fn ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        described: &str,
        body: Option<Value>,
    ) -> ApiAnswer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        let (status, head, body) = send(self.address, &request).await;
        let body: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {head} {body:?}"));
        let kind = if status < 300 { "application/json" } else { "application/problem+json" };
        assert!(head.contains(&format!("content-type: {kind}\r\n")), "{head}");
        let escaped = described.replace('~', "~0").replace('/', "~1");
        let response = self
            .described
            .pointer(&format!("/paths/{escaped}/{}/responses/{status}", method.to_ascii_lowercase()))
            .unwrap_or_else(|| panic!("{method} {described}: {status} is not described"));
        let response = self.resolved(response);
        let schema = response["content"][kind]["schema"].clone();
        self.conforms(&schema, &body).unwrap_or_else(|why| panic!("{method} {path}: {why}\n{body:#}"));
        ApiAnswer { status, head, body }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => self.described.pointer(name.trim_start_matches('#')).unwrap(),
            None => schema,
        }
    }

    /// Whether a value is as a schema says, in the words of JSON Schema that the description uses.
    fn conforms(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolved(schema);
        if let Some(options) = schema["anyOf"].as_array() {
            return match options.iter().any(|option| self.conforms(option, value).is_ok()) {
                true => Ok(()),
                false => Err(format!("{value} is none of {options:?}")),
            };
        }
        let fits = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("null") => value.is_null(),
            _ => true,
        };
        let listed = schema["enum"].as_array().is_none_or(|options| options.contains(value));
        if !fits || !listed {
            return Err(format!("{value} is not as {schema} says"));
        }
        if let Some(text) = value.as_str().filter(|_| schema["pattern"].is_string()) {
            let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !hex || schema["pattern"] != format!("^[0-9a-f]{{{}}}$", text.len()) {
                return Err(format!("{text} does not match {}", schema["pattern"]));
            }
        }
        for item in value.as_array().into_iter().flatten() {
            self.conforms(&schema["items"], item)?;
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            if value.get(required.as_str().unwrap()).is_none() {
                return Err(format!("{required} is missing"));
            }
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            if let Some(of_key) = schema["properties"].get(key) {
                self.conforms(of_key, value).map_err(|why| format!("{key}: {why}"))?;
            } else if schema["type"] == "object" && schema.get("properties").is_some() {
                return Err(format!("{key} is not described"));
            }
        }
        Ok(())
    }

    async fn get(&self, path: &str, described: &str) -> ApiAnswer {
        self.ask(&self.reads, "GET", path, described, None).await
    }

    async fn say(&self, seq: u64, instance: &str, transition: AlarmTransition) {
        let reply = self.agent.ask(&event(seq, instance, transition)).await;
        assert!(matches!(reply, RelayReply::AlarmsStored { .. }), "{reply:?}");
    }

    fn id(&self, instance: &str) -> Fingerprint {
        Fingerprint::of(self.device.device_id(), "disk-space", instance)
    }
}

const ALARMS: &str = "/api/v1/alarms";
const ALARM: &str = "/api/v1/alarms/{id}";
const ACTS: &str = "/api/v1/alarms/{id}/acts";
const MAINTENANCE: &str = "/api/v1/maintenance";
const WINDOW: &str = "/api/v1/maintenance/{number}";

#[tokio::test]
async fn only_who_has_a_token_is_answered_and_only_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let scene = ApiFixture::new(dir.path()).await;
    for token in ["", "nearhand-token-AAAA", &"x".repeat(5_000)] {
        let answer = scene.ask(token, "GET", ALARMS, ALARMS, None).await;
        assert_eq!(answer.status, 401);
        assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    }
    let (status, ..) =
        send(scene.address, &format!("GET {ALARMS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
    assert_eq!(status, 401);
    let late = scene.token("late", TokenRight::Act, now()).await;
    assert_eq!(scene.ask(&late, "GET", ALARMS, ALARMS, None).await.status, 401);
    let wanted = || Some(json!({ "seconds": 60 }));
    assert_eq!(scene.ask(&scene.reads, "POST", MAINTENANCE, MAINTENANCE, wanted()).await.status, 403);
    assert_eq!(scene.ask(&scene.acts, "POST", MAINTENANCE, MAINTENANCE, wanted()).await.status, 201);
    assert_eq!(scene.get(ALARMS, ALARMS).await.status, 200);
    assert!(scene.relay.relay.control().store().reader().remove_token("wall").await.unwrap());
    assert_eq!(scene.get(ALARMS, ALARMS).await.status, 401, "at once");
}

#[tokio::test]
async fn a_program_follows_alarms_and_acts_in_its_own_name() {
    let dir = tempfile::tempdir().unwrap();
    let scene = ApiFixture::new(dir.path()).await;
    let devices = scene.get("/api/v1/devices", "/api/v1/devices").await.body;
    assert_eq!(devices["devices"][0]["name"], "till 3");
    assert_eq!(devices["devices"][0]["online"], true);
    let next = devices["next"].as_str().unwrap();
    let rest = scene.get(&format!("/api/v1/devices?after={next}"), "/api/v1/devices").await.body;
    assert_eq!(rest, json!({ "devices": [], "next": null }));

    scene.say(1, "/", AlarmTransition::Raised).await;
    let first = scene.get(ALARMS, ALARMS).await.body;
    assert_eq!(first["alarms"][0]["id"], scene.id("/").to_string());
    assert_eq!(first["alarms"][0]["summary"], "the disk <b>fills</b>");
    // Waits, and is told as soon as there is something.
    let after = format!("{ALARMS}?state=all&after={}&wait=10", first["cursor"]);
    let (news, ()) = tokio::join!(scene.get(&after, ALARMS), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.say(2, "/home", AlarmTransition::Raised).await;
    });
    assert_eq!(news.body["alarms"][0]["instance"], "/home");
    let device = scene.device.device_id();
    for (filter, count) in [
        ("?min_severity=error".to_owned(), 0),
        ("?min_severity=warning".to_owned(), 2),
        (format!("?device={device}"), 2),
        (format!("?device={}", "0".repeat(32)), 0),
    ] {
        let found = scene.get(&format!("{ALARMS}{filter}"), ALARMS).await.body;
        assert_eq!(found["alarms"].as_array().unwrap().len(), count, "{filter}");
    }

    let one = format!("{ALARMS}/{}", scene.id("/"));
    let person = scene.org.first_admin().technician_id().to_string();
    let mut last = Value::Null;
    for act in [
        json!({ "act": "acknowledge", "comment": "on it" }),
        json!({ "act": "assign", "person": person }),
        json!({ "act": "snooze", "seconds": 600 }),
        json!({ "act": "comment", "text": "cable" }),
    ] {
        let answer = scene.ask(&scene.acts, "POST", &format!("{one}/acts"), ACTS, Some(act)).await;
        assert_eq!(answer.status, 200);
        last = answer.body["alarm"].clone();
    }
    assert_eq!(last["acknowledged"]["by"], json!({ "id": null, "name": "token ci" }));
    assert_eq!(last["assigned"]["id"], person);
    assert_ne!(last["assigned"]["name"], person, "as the organisation names them");
    assert!(last["snoozed_until"].is_string());
    for act in ["unacknowledge", "unassign", "unsnooze"] {
        let answer =
            scene.ask(&scene.acts, "POST", &format!("{one}/acts"), ACTS, Some(json!({ "act": act }))).await;
        last = answer.body["alarm"].clone();
    }
    assert_eq!(
        (&last["acknowledged"], &last["assigned"], &last["snoozed_until"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let history = scene.get(&one, ALARM).await.body;
    let said: Vec<&str> =
        history["history"].as_array().unwrap().iter().filter_map(|h| h["text"].as_str()).collect();
    assert_eq!(said.len(), 8, "{said:?}");
    assert_eq!(said[4], "token ci noted: cable");
    let audit = scene.relay.relay.control().store().reader().audit(0, 1000).await.unwrap().join("\n");
    assert!(audit.contains("token ci") && audit.contains("alarm.snooze"), "{audit}");
}

#[tokio::test]
async fn maintenance_is_opened_listed_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let scene = ApiFixture::new(dir.path()).await;
    let wanted = json!({ "device": scene.device.device_id().to_string(), "rule": "disk-space", "seconds": 60, "reason": "new disk" });
    let opened = scene.ask(&scene.acts, "POST", MAINTENANCE, MAINTENANCE, Some(wanted)).await.body;
    let list = scene.get(MAINTENANCE, MAINTENANCE).await.body;
    assert_eq!(list["maintenance"], json!([opened]));
    scene.say(1, "/", AlarmTransition::Raised).await;
    let held = scene.get(&format!("{ALARMS}/{}", scene.id("/")), ALARM).await.body;
    assert_eq!(held["alarm"]["maintenance"], opened["window"]);
    let window = format!("{MAINTENANCE}/{}", opened["window"]);
    assert_eq!(scene.ask(&scene.acts, "DELETE", &window, WINDOW, None).await.body["ended"], true);
    assert_eq!(scene.get(MAINTENANCE, MAINTENANCE).await.body["maintenance"], json!([]));
    assert_eq!(scene.ask(&scene.acts, "DELETE", &window, WINDOW, None).await.status, 404);
}

#[tokio::test]
async fn what_makes_no_sense_is_told_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let scene = ApiFixture::new(dir.path()).await;
    scene.say(1, "/", AlarmTransition::Raised).await;
    let acts = format!("{ALARMS}/{}/acts", scene.id("/"));
    for (body, says) in [
        (json!({ "act": "explode" }), "unknown variant"),
        (json!({ "act": "acknowledge", "coment": "x" }), "unknown field"),
        (json!({ "act": "snooze" }), "missing field"),
        (json!({ "act": "snooze", "seconds": 0 }), "not in the future"),
        (json!({ "act": "snooze", "seconds": 2_678_401 }), "31 days"),
        (json!({ "act": "snooze", "seconds": u64::MAX }), "31 days"),
        (json!({ "act": "comment", "text": " " }), "empty"),
        (json!({ "act": "comment", "text": "x".repeat(1001) }), "1000 bytes"),
        (json!({ "act": "assign", "person": "0".repeat(32) }), "no such person"),
        (json!([]), "not what is expected"),
    ] {
        let answer = scene.ask(&scene.acts, "POST", &acts, ACTS, Some(body.clone())).await;
        let detail = answer.body["detail"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && detail.contains(says), "{body}: {} {detail}", answer.status);
    }
    let (path, wrong) = (format!("{ALARMS}/{}", "0".repeat(32)), format!("{ALARMS}/what"));
    assert_eq!((scene.get(&path, ALARM).await.status, scene.get(&wrong, ALARM).await.status), (404, 404));
    for query in ["?state=odd", "?limit=5", "?after=-1", "?device=x", "?min_severity=bad"] {
        assert_eq!(scene.get(&format!("{ALARMS}{query}"), ALARMS).await.status, 400, "{query}");
    }
    let window = json!({ "seconds": 60, "rule": "No Rule" });
    assert_eq!(scene.ask(&scene.acts, "POST", MAINTENANCE, MAINTENANCE, Some(window)).await.status, 400);
    let raw = async |line: &str, more: &str| {
        let token = &scene.acts;
        let head =
            format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n");
        send(scene.address, &format!("{head}{more}")).await.0
    };
    assert_eq!(raw("GET /api/v1/nothing", "\r\n").await, 404);
    assert_eq!(raw("PUT /api/v1/alarms", "content-length: 0\r\n\r\n").await, 405);
    assert_eq!(
        raw(&format!("POST {acts}"), &format!("content-length: 17000\r\n\r\n{}", "x".repeat(17_000))).await,
        413
    );
    let history = scene.get(&format!("{ALARMS}/{}", scene.id("/")), ALARM).await.body;
    assert_eq!(history["history"].as_array().unwrap().len(), 1, "nothing was done");
}

#[tokio::test]
async fn one_token_that_only_waits_keeps_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let scene = ApiFixture::new(dir.path()).await;
    let ask = |token: &str, path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
            scene.address
        )
    };
    let mut waits = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(scene.address).await.unwrap();
        stream.write_all(ask(&scene.reads, "/api/v1/alarms?wait=10").as_bytes()).await.unwrap();
        waits.push(stream);
    }
    // Its waits are being answered once it is refused itself.
    let start = std::time::Instant::now();
    let refused = loop {
        let (status, head, _) = send(scene.address, &ask(&scene.reads, "/api/v1/devices")).await;
        if status == 429 {
            break head;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "one token may wait 200 times");
    };
    assert!(refused.contains("retry-after"), "{refused}");
    let (status, _, body) = send(scene.address, &ask(&scene.acts, "/api/v1/devices")).await;
    assert_eq!(status, 200, "{body}");
    drop(waits);
}

#[tokio::test]
async fn metrics_are_not_answered_under_a_name_that_is_none_of_the_relays() {
    let dir = tempfile::tempdir().unwrap();
    let mut relay = TestRelay::start_with(dir.path(), limits()).await;
    relay.relay.allow_hosts(vec!["metrics.example".into()]);
    let address = relay.relay.serve_http("127.0.0.1:0".parse().unwrap()).await.unwrap();
    for (host, answered) in [
        ("evil.example", false),
        ("127.0.0.1.evil.example:9464", false),
        ("metrics.example:9464", true),
        ("localhost", true),
    ] {
        for path in ["/metrics", "/healthz"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let (status, _, body) = send(address, &request).await;
            assert_eq!(status == 200, answered, "{host} {path}: {status}");
            assert!(answered || !body.contains("nearhand_"), "{body}");
        }
    }
    relay.relay.stop().await;
}

#[tokio::test]
async fn what_a_device_wrote_is_answered_without_control_characters_and_false_links() {
    let dir = tempfile::tempdir().unwrap();
    let scene = ApiFixture::new(dir.path()).await;
    let RelayRequest::Alarms(mut batch) = event(1, "/\u{202e}x\u{1b}[2J", AlarmTransition::Raised) else {
        panic!()
    };
    let SpoolEntry::Event(event) = &mut batch.records[0].entry else { panic!() };
    event.summary = "a\u{2066}b\u{7}\r\nc".into();
    event.article = Some("javascript:alert(document.cookie)".into());
    event.runbook = Some("\u{200f}clear\u{1b}]0;x".into());
    let reply = scene.agent.ask(&RelayRequest::Alarms(batch)).await;
    assert!(matches!(reply, RelayReply::AlarmsStored { .. }), "{reply:?}");
    let id = scene.id("/\u{202e}x\u{1b}[2J");
    for path in ["/api/v1/alarms".to_owned(), format!("/api/v1/alarms/{id}")] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            scene.reads
        );
        let (status, _, body) = send(scene.address, &request).await;
        assert_eq!(status, 200, "{body}");
        for bad in ["\u{202e}", "\u{2066}", "\u{200f}", "\\u001b", "\\u0007", "javascript"] {
            assert!(!body.contains(bad), "{path} answers {bad:?}: {body}");
        }
        assert!(body.contains("clear"), "{body}");
    }
}
