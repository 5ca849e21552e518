//! Alarms with the real programs: what the client shows and does, and that none is lost and none told twice while the
//! relay is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use nearhand_proto::alarm::{AlarmBatch, AlarmEvent, AlarmTransition, Severity, SpoolEntry, SpoolRecord};
use nearhand_proto::id::{Fingerprint, StreamId};
use nearhand_proto::message::control::{RelayReply, RelayRequest};
use nearhand_proto::time::UnixMillis;
use nearhand_tests::deployment::{LIMIT, TestDeployment};
use nearhand_tests::program::until;
use nearhand_tests::wire_client::{ControlWire, DeviceWire, WireEndpoint};
use nearhand_transport::platform::write_private;
use rustix::process::Signal;
use serde_json::Value;

fn event(instance: &str, transition: AlarmTransition, severity: Severity) -> AlarmEvent {
    AlarmEvent {
        rule: "disk-space".into(),
        rule_version: 1,
        instance: instance.into(),
        transition,
        severity,
        value: None,
        summary: format!("{instance} is {transition} \u{1b}[2J\u{202e}"),
        observed_at: UnixMillis::from_system(SystemTime::now()),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    }
}

fn say(control: &ControlWire, stream: StreamId, seq: u64, events: Vec<AlarmEvent>) -> Result<()> {
    let records = (seq..)
        .zip(events)
        .map(|(seq, event)| SpoolRecord { seq, entry: SpoolEntry::Event(event) })
        .collect();
    match control.ask(&RelayRequest::Alarms(AlarmBatch { stream, records }))? {
        RelayReply::AlarmsStored { .. } => Ok(()),
        other => bail!("{other:?}"),
    }
}

#[test]
fn the_client_lists_follows_acknowledges_and_silences() -> Result<()> {
    let mut site = TestDeployment::new()?;
    let wire = WireEndpoint::new()?;
    let device = wire.enrol(&site.enrolment("till 3")?)?;
    let stream = StreamId::from_bytes([1; 16]);
    let admin = site.admin().clone();
    let agent = device.connect(&wire)?;
    say(&agent, stream, 1, vec![event("/", AlarmTransition::Raised, Severity::Warning)])?;
    say(&agent, stream, 2, vec![event("/mild", AlarmTransition::Raised, Severity::Info)])?;
    let list = |words: &[&str]| -> Result<Vec<Value>> {
        let found = admin.run(&[&["alarms"], words].concat())?.ok()?.json()?;
        Ok(found.pointer("/alarms").and_then(Value::as_array).context("no list")?.clone())
    };
    assert_eq!(list(&[])?.len(), 2);
    assert_eq!(list(&["--min-severity", "warning", "--device", "till 3"])?.len(), 1);
    admin.run(&["alarms", "--device", "till 4"])?.fails_with(7)?;
    let id = Fingerprint::of(device.id(), "disk-space", "/").to_string();
    let brief = id.get(..6).context("no id")?;

    let mut follower = admin.start(&["alarms", "--follow"])?;
    let shows = |follower: &mut nearhand_tests::parties::TestClient,
                 what: &str,
                 pointer: &str,
                 is: &str|
     -> Result<()> {
        follower.program.wait_map(what, LIMIT, |line| {
            let alarm: Value = serde_json::from_str(line).ok()?;
            let right = alarm.get("id")?.as_str()? == id && alarm.pointer(pointer)?.as_str()? == is;
            right.then_some(())
        })
    };
    shows(&mut follower, "what is there", "/state", "firing")?;
    admin.run(&["ack", brief, "--comment", "on it"])?.ok()?;
    shows(&mut follower, "the acknowledgement", "/acknowledged/comment", "on it")?;
    // The relay is killed, and what happens meanwhile is shown to a client that follows.
    site.restart_relay()?;
    let agent = device.connect(&wire)?;
    say(&agent, stream, 3, vec![event("/", AlarmTransition::Worsened, Severity::Critical)])?;
    shows(&mut follower, "what happened after the restart", "/severity", "critical")?;
    follower.program.signal(Signal::KILL)?;

    admin.run(&["silence", brief, "--for", "1h"])?.ok()?;
    assert!(
        list(&["--min-severity", "critical"])?
            .iter()
            .all(|alarm| alarm.pointer("/snoozed_until").is_some_and(Value::is_string))
    );
    admin.run(&["silence", brief, "--end"])?.ok()?;
    admin.run(&["alarms", "assign", brief, "Ada Lovelace"])?.ok()?;
    admin.run(&["alarms", "comment", brief, "a disk is ordered"])?.ok()?;
    let shown = admin.run(&["alarms", "show", brief])?.ok()?.json()?;
    let history = shown.pointer("/history").and_then(Value::as_array).context("no history")?;
    assert_eq!(history.len(), 7);
    assert_eq!(shown.pointer("/alarm/assigned/name").and_then(Value::as_str), Some("Ada Lovelace"));
    assert!(
        shown.pointer("/alarm/acknowledged").is_some_and(Value::is_null),
        "it is worse than what was acknowledged"
    );

    let window =
        admin.run(&["silence", "--device", "till 3", "--for", "2h", "--reason", "new disk"])?.ok()?.json()?;
    let number = window.pointer("/window").and_then(Value::as_u64).context("no number")?.to_string();
    let windows = admin.run(&["silence", "--list"])?.ok()?.json()?;
    assert_eq!(windows.pointer("/windows/0/reason").and_then(Value::as_str), Some("new disk"));
    admin.run(&["silence", "--end", &number])?.ok()?;
    admin.run(&["silence", "--end", &number])?.fails_with(6)?;
    admin.run(&["silence", "--device", "till 3"])?.fails_with(2)?;
    admin.run(&["silence", brief, "--for", "60d"])?.fails_with(6)?.says("31 days")?;
    admin.run(&["ack", "0000"])?.fails_with(6)?.says("no such alarm")?;
    admin.run(&["ack", "xy"])?.fails_with(2)?;
    Ok(())
}

/// An endpoint that keeps what it is sent, and now and then takes it without saying so.
struct WebhookEndpoint {
    port: u16,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl WebhookEndpoint {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let heard: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let kept = heard.clone();
        std::thread::spawn(move || {
            for (count, stream) in listener.incoming().enumerate() {
                let kept = kept.clone();
                std::thread::spawn(move || stream.map(|stream| hear(stream, count, &kept)));
            }
        });
        Ok(Self { port, heard })
    }

    fn heard(&self) -> Vec<(String, Value)> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many notices, each counted once: without copies of them, since it is asked all the time.
    fn count(&self) -> usize {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len()
    }
}

fn hear(stream: TcpStream, count: usize, kept: &Mutex<Vec<(String, Value)>>) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "cut short");
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("webhook-id", value)) => value.clone_into(&mut id),
            Some(("content-length", value)) => length = value.parse()?,
            None if line.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body)?;
    kept.lock().unwrap_or_else(PoisonError::into_inner).push((id, body));
    let answer = match count % 17 {
        3 => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        // Taken, and the answer is lost.
        9 => return Ok(()),
        _ => "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
    };
    let mut stream = stream;
    Ok(stream.write_all(answer.as_bytes())?)
}

/// Events of a batch.
const BURST: u64 = 4;

/// Raises and clears an alarm in turn, and repeats what isn't acknowledged, as a spool does. Returns how many events
/// the relay has acknowledged.
fn spool(wire: &WireEndpoint, device: &DeviceWire, stream: StreamId, stop: &AtomicBool) -> u64 {
    let mut stored = 0_u64;
    let mut control = None;
    // What was sent and not answered may be stored: it is sent again until it is known to be.
    let mut unsure = false;
    while !stop.load(Ordering::Relaxed) || unsure {
        let Some(connected) = control.take().or_else(|| device.connect(wire).ok()) else {
            std::thread::park_timeout(Duration::from_millis(50));
            continue;
        };
        let next = |n: u64| {
            let transition = if (stored + n).is_multiple_of(2) {
                AlarmTransition::Raised
            } else {
                AlarmTransition::Cleared
            };
            event(&format!("of {stream}"), transition, Severity::Error)
        };
        unsure = true;
        if say(&connected, stream, stored + 1, (0..BURST).map(next).collect()).is_ok() {
            stored += BURST;
            unsure = false;
            control = Some(connected);
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    stored
}

/// How long the relay is killed again and again.
const KILLING: Duration = Duration::from_secs(25);

#[test]
fn a_relay_that_is_killed_at_random_loses_no_alarm_and_tells_none_twice() -> Result<()> {
    let mut site = TestDeployment::new()?;
    let hook = WebhookEndpoint::start()?;
    write_private(&site.data().join("hook.secret"), b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    let file = site.data().join("relay.toml");
    // Each change is looked for, however often an alarm comes and goes.
    let mut text =
        std::fs::read_to_string(&file)?.replacen("[limits]\n", "[limits]\nmax_alarm_changes_told = 0\n", 1);
    text.push_str(&format!(
        "\n[[receivers]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\nallow_private = true\n\
         secret_file = \"hook.secret\"\nretry_seconds = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]\n",
        hook.port
    ));
    std::fs::write(&file, text)?;
    site.restart_relay()?;
    let wire = WireEndpoint::new()?;
    let devices =
        (0..4).map(|n| wire.enrol(&site.enrolment(&format!("till {n}"))?)).collect::<Result<Vec<_>>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let spools: Vec<_> = (1..)
        .zip(devices)
        .map(|(n, device)| {
            let (stop, stream) = (stop.clone(), StreamId::from_bytes([n; 16]));
            std::thread::spawn(move || {
                WireEndpoint::new().map(|wire| (stream, spool(&wire, &device, stream, &stop)))
            })
        })
        .collect();
    let started = std::time::Instant::now();
    let mut kills = 0_u64;
    while started.elapsed() < KILLING {
        // Between 0.7 and 2.2 s, never the same: a new connection takes a second when its first packet is lost.
        std::thread::park_timeout(Duration::from_millis(700 + kills * 337 % 1500));
        site.restart_relay()?;
        kills += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let mut sent = BTreeMap::new();
    for spool in spools {
        let (stream, stored) = spool.join().map_err(|_| anyhow::anyhow!("a spool failed"))??;
        sent.insert(format!("of {stream}"), stored);
    }
    let all: u64 = sent.values().sum();
    ensure!(all > 60, "too little was sent: {sent:?}");
    // In order and synced one by one, which takes as long as the disk takes; but there is always another.
    let mut arrived = 0;
    while arrived < all {
        let before = arrived;
        until(LIMIT, &format!("one more than {before} of {all} notices, after {kills} kills"), || {
            arrived = u64::try_from(hook.count())?;
            Ok(arrived > before)
        })?;
    }
    // What came again has the same id; each alarm's notices came in order.
    let mut seen = BTreeSet::new();
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, body) in hook.heard() {
        let text =
            |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        if seen.insert(id) {
            told.entry(text("/data/instance")).or_default().push(text("/type"));
        }
    }
    for (instance, stored) in sent {
        let told = told.remove(&instance).unwrap_or_default();
        assert_eq!(u64::try_from(told.len())?, stored, "{instance} after {kills} kills");
        let in_turn = ["alarm.raised", "alarm.resolved"].into_iter().cycle();
        assert!(told.iter().zip(in_turn).all(|(told, expected)| told == expected), "{told:?}");
    }
    assert!(told.is_empty(), "{told:?}");
    ensure!(kills > 5, "the relay was killed {kills} times only");
    Ok(())
}
