//! The spool: crashes, copies, damage, no room.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use nearhand_proto::alarm::{AlarmMeasurement, Severity};

use super::*;

const CHILD: &str = "NEARHAND_TEST_SPOOL";

fn owner(n: u8) -> SpoolOwner {
    SpoolOwner { mark: [n; 32] }
}

fn stream(n: u8) -> StreamId {
    StreamId::from_bytes([n; 16])
}

fn open(dir: &Path) -> Spool {
    Spool::open(dir, &owner(1), stream(1), UnixMillis(1)).unwrap()
}

fn event(n: u64, transition: AlarmTransition) -> AlarmEvent {
    AlarmEvent {
        rule: "cpu".into(),
        rule_version: 1,
        instance: format!("i{}", n % 3),
        transition,
        severity: Severity::Warning,
        #[expect(clippy::cast_precision_loss, reason = "small")]
        value: Some(AlarmMeasurement { value: n as f64, unit: "%".into() }),
        summary: n.to_string(),
        observed_at: UnixMillis(1000 + n),
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    }
}

fn row(state: &str) -> StateRow {
    StateRow { rule: "cpu".into(), instance: String::new(), state: Some(state.as_bytes().to_vec()) }
}

fn summaries(spool: &mut Spool) -> Vec<(u64, String)> {
    let records = spool.batch().unwrap().map(|batch| batch.records).unwrap_or_default();
    records
        .into_iter()
        .map(|record| match record.entry {
            SpoolEntry::Event(event) => (record.seq, event.summary),
            SpoolEntry::Gap { lost, .. } => (record.seq, format!("gap {lost}")),
            SpoolEntry::Report(report) => (record.seq, format!("report {}", report.title)),
        })
        .collect()
}

#[test]
fn what_was_confirmed_goes_and_numbers_are_never_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool
        .commit(&[event(1, AlarmTransition::Raised), event(2, AlarmTransition::Raised)], &[row("a")])
        .unwrap();
    assert_eq!(summaries(&mut spool).len(), 2);
    spool.acknowledged(stream(9), 2, stream(2)).unwrap();
    assert_eq!(spool.waiting(), 2, "another stream's acknowledgement means nothing");
    spool.acknowledged(stream(1), 1, stream(2)).unwrap();
    assert_eq!(summaries(&mut spool), [(2, "2".into())]);
    spool.acknowledged(stream(1), 2, stream(2)).unwrap();
    drop(spool);
    let mut spool = open(dir.path());
    assert_eq!((spool.newest(), spool.waiting(), spool.stream()), (2, 0, stream(1)));
    spool.commit(&[event(3, AlarmTransition::Cleared)], &[]).unwrap();
    assert_eq!(summaries(&mut spool), [(3, "3".into())]);
    assert_eq!(spool.rows().unwrap(), [row("a")]);
    assert_eq!(spool.oldest().unwrap(), Some(UnixMillis(1003)));
}

#[test]
fn a_restored_copy_begins_another_stream_and_sends_what_waits_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool.commit(&[event(1, AlarmTransition::Raised)], &[]).unwrap();
    assert_eq!(summaries(&mut spool).len(), 1);
    spool.relay_has(stream(1), 1, stream(2)).unwrap();
    assert_eq!(spool.stream(), stream(1), "it has what was sent");
    // Here it is copied; the original goes on to 3, and the copy, too, before it meets the relay: in another run.
    spool.commit(&[event(2, AlarmTransition::Raised), event(3, AlarmTransition::Raised)], &[]).unwrap();
    drop(spool);
    let mut spool = open(dir.path());
    spool.relay_has(stream(1), 3, stream(2)).unwrap();
    assert_eq!((spool.stream(), spool.waiting()), (stream(2), 3));
    assert_eq!(summaries(&mut spool), [(1, "1".into()), (2, "2".into()), (3, "3".into())]);
    // The same, told by an answer.
    spool.acknowledged(stream(2), 40, stream(3)).unwrap();
    assert_eq!((spool.stream(), spool.waiting()), (stream(3), 3));
    drop(spool);
    assert_eq!(open(dir.path()).stream(), stream(3));
}

#[test]
fn another_devices_stream_is_left_and_what_cannot_be_read_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool.commit(&[event(1, AlarmTransition::Raised), event(2, AlarmTransition::Raised)], &[]).unwrap();
    spool.is_foreign(stream(9), stream(2)).unwrap();
    assert_eq!(spool.stream(), stream(1), "not this one");
    spool.is_foreign(stream(1), stream(2)).unwrap();
    assert_eq!((spool.stream(), spool.waiting()), (stream(2), 2));
    spool.database.execute("UPDATE entry SET body = x'ff' WHERE seq = 1", []).unwrap();
    assert_eq!(summaries(&mut spool), [(1, "gap 1".into()), (2, "2".into())]);
    spool.acknowledged(stream(2), 2, stream(3)).unwrap();
    assert_eq!(spool.waiting(), 0);
}

#[test]
fn reports_go_out_in_their_order_and_never_stand_for_an_alarms_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool.limit_to(4);
    let report = |title: &str| DeviceReport {
        rule: "cpu".into(),
        instance: "i1".into(),
        deed: nearhand_proto::alarm::AlarmResponse::Diagnosis,
        good: false,
        title: title.into(),
        lines: vec!["x".repeat(nearhand_proto::alarm::MAX_LINE); 12],
        at: UnixMillis(1001),
    };
    spool.commit(&[event(1, AlarmTransition::Raised)], &[]).unwrap();
    spool.report(report("a")).unwrap();
    assert_eq!(summaries(&mut spool), [(1, "1".into()), (2, "report a".into())]);
    // No more room: the alarm's newest state stays.
    let more: Vec<AlarmEvent> = [4, 7, 10].map(|n| event(n, AlarmTransition::Worsened)).to_vec();
    spool.commit(&more, &[]).unwrap();
    assert_eq!(summaries(&mut spool).last().map(|(_, said)| said.clone()), Some("10".into()));
    // As many as a frame takes, the rest in the next batch.
    spool.limit_to(1000);
    for n in 0..99 {
        spool.report(report(&n.to_string())).unwrap();
    }
    let first = spool.batch().unwrap().unwrap();
    assert!((20..99).contains(&first.records.len()), "{}", first.records.len());
    let bytes = wire::encode(&nearhand_proto::message::control::RelayRequest::Alarms(first)).unwrap();
    assert!(bytes.len() < nearhand_proto::message::control::FRAME_LIMIT);
}

#[test]
fn a_copied_disk_and_a_damaged_file_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool.commit(&[event(1, AlarmTransition::Raised)], &[row("a")]).unwrap();
    drop(spool);
    let copy = Spool::open(dir.path(), &owner(2), stream(2), UnixMillis(7)).unwrap();
    assert_eq!((copy.stream(), copy.waiting(), copy.rows().unwrap().len()), (stream(2), 0, 0));
    drop(copy);
    assert!(dir.path().join("alarms.db.of-another-machine-7").exists());
    let path = dir.path().join("alarms.db");
    fs::write(&path, vec![0x5a; 20_000]).unwrap();
    let _ = fs::remove_file(dir.path().join("alarms.db-wal"));
    let fresh = Spool::open(dir.path(), &owner(2), stream(3), UnixMillis(8)).unwrap();
    assert_eq!(fresh.stream(), stream(3));
    assert_eq!(fs::read(dir.path().join("alarms.db.damaged-8")).unwrap(), vec![0x5a; 20_000]);
}

#[test]
fn too_many_entries_leave_a_gap_and_the_newest_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool.limit_to(10);
    for n in 1..=10 {
        spool
            .commit(
                &[event(n, if n == 8 { AlarmTransition::Worsened } else { AlarmTransition::Raised })],
                &[],
            )
            .unwrap();
    }
    spool.commit(&[event(12, AlarmTransition::FlappingBegan)], &[]).unwrap();
    let kept = summaries(&mut spool);
    let texts: Vec<&str> = kept.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["gap 7", "8", "10", "12", "12"]);
    assert!(kept.iter().all(|(seq, _)| *seq > 11), "numbers go on: {kept:?}");
    let batch = spool.batch().unwrap().unwrap();
    assert_eq!(batch.check(), Ok(()));
    let first = batch.records.into_iter().nth(1).unwrap();
    assert!(matches!(first.entry, SpoolEntry::Event(event) if event.transition == AlarmTransition::Raised));
    for n in 13..=40 {
        spool.commit(&[event(n, AlarmTransition::Raised)], &[]).unwrap();
    }
    let lost: u64 =
        summaries(&mut spool).iter().filter_map(|(_, t)| t.strip_prefix("gap ")?.parse::<u64>().ok()).sum();
    let events = summaries(&mut spool).iter().filter(|(_, text)| !text.starts_with("gap")).count() as u64;
    assert!(spool.waiting() <= 10 && lost + events >= 39, "{lost} + {events}");
}

/// A small separate file system; `None` where that isn't allowed.
fn small_disk(bytes: u64) -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir().unwrap();
    let options = format!("size={bytes}");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
    mounted.is_ok_and(|output| output.status.success()).then_some(dir)
}

#[test]
fn on_a_full_disk_alarms_use_the_room_kept_back() {
    let Some(dir) = small_disk(80 * 1024 * 1024) else {
        eprintln!("skipped: a file system can't be mounted here");
        return;
    };
    let mut spool = open(dir.path());
    assert!(spool.reserve && dir.path().join("alarms.reserve").exists());
    let mut filler = fs::File::create(dir.path().join("filler")).unwrap();
    while filler.write_all(&[7; 4096]).is_ok() {}
    let mut written = 0;
    for n in 0..300 {
        spool.commit(&[event(n, AlarmTransition::Raised)], &[]).unwrap();
        written += 1;
    }
    assert!(!spool.reserve, "the reserve was used");
    drop(filler);
    fs::remove_file(dir.path().join("filler")).unwrap();
    spool.keep_reserve();
    assert!(spool.reserve && spool.waiting() == written);
    drop(spool);
    let _ = Command::new("umount").arg(dir.path()).status();
}

/// The child of the next test: writes events, says each once it is written, confirms some.
#[test]
fn spool_child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let mut spool = open(Path::new(&dir));
    let mut out = std::io::stdout();
    let mut n = 0;
    loop {
        // The counter is in the rules' state: it must never be apart from the events.
        let counted = spool.rows().unwrap().iter().find(|r| r.rule == "count").and_then(|r| r.state.clone());
        let counted = counted.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
        n = n.max(counted) + 1;
        let row =
            StateRow { rule: "count".into(), instance: String::new(), state: Some(n.to_be_bytes().to_vec()) };
        spool.commit(&[event(n, AlarmTransition::Raised)], &[row]).unwrap();
        writeln!(out, "wrote {n} {}", spool.newest()).unwrap();
        if n.is_multiple_of(7) {
            let through = spool.newest() - 3;
            assert!(spool.batch().unwrap().is_some());
            writeln!(out, "confirms {through}").unwrap();
            spool.acknowledged(spool.stream(), through, stream(9)).unwrap();
        }
    }
}

#[test]
fn killed_at_any_moment_it_loses_nothing_and_repeats_no_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut said: Vec<(u64, u64)> = Vec::new();
    let mut confirmed = 0;
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::spool_child", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Let it come far enough, and then a bit further by chance of the scheduler.
        let want = 5 + round * 7 % 40;
        let mut seen = 0;
        while let Some(Ok(line)) = lines.next() {
            seen += u64::from(take(&line, &mut said, &mut confirmed));
            if seen == want {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= want, "the child ended by itself");
        let mut spool = open(dir.path());
        assert_eq!(spool.stream(), stream(1));
        let waiting = summaries(&mut spool);
        for (n, seq) in said.iter().filter(|(_, seq)| *seq > confirmed).take(MAX_BATCH) {
            assert!(waiting.contains(&(*seq, n.to_string())), "{n} was said to be written: {waiting:?}");
        }
        assert!(waiting.windows(2).all(|pair| pair[1].0 > pair[0].0));
        // An event and the state that led to it are there together.
        let counted =
            spool.rows().unwrap().into_iter().find(|row| row.rule == "count").unwrap().state.unwrap();
        let counted = u64::from_be_bytes(counted.try_into().unwrap());
        assert!(waiting.len() >= MAX_BATCH || waiting.last().is_none_or(|(_, n)| *n == counted.to_string()));
    }
    let mut numbers: Vec<u64> = said.iter().map(|(_, seq)| *seq).collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "a number was used twice");
    let mut events: Vec<u64> = said.iter().map(|(n, _)| *n).collect();
    events.dedup();
    assert_eq!(events.len(), all, "an event was written twice");
}

fn take(line: &str, said: &mut Vec<(u64, u64)>, confirmed: &mut u64) -> bool {
    let line = line.rsplit("... ").next().unwrap_or(line);
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["wrote", n, seq] => {
            said.push((n.parse().unwrap(), seq.parse().unwrap()));
            true
        }
        ["confirms", through] => {
            *confirmed = through.parse().unwrap();
            false
        }
        _ => false,
    }
}
