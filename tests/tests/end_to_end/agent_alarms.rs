//! Alarms of a real agent, to a relay that does what a test wants: nothing is lost and nothing is told twice, even if programs are
//! killed and the relay can't take an alarm.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nearhand_proto::alarm::{
    AlarmEvent, AlarmTransition, DeviceProfile, Severity, ShutdownNotice, SpoolEntry,
};
use nearhand_tests::deployment::{LIMIT, TestDeployment};
use nearhand_tests::disk::MountedDisk;
use nearhand_tests::hanging_fs::HangingFileSystem;
use nearhand_tests::hostile_relay::{AlarmIntake, HostileRelay, RelayBehaviour};
use nearhand_tests::parties::TestAgent;
use nearhand_tests::program::until;
use nearhand_tests::wire_client::WireEndpoint;
use nearhand_transport::key_file;
use rustix::process::Signal;

/// A device whose alarms come here.
struct AlarmDevice {
    agent: TestAgent,
    relay: HostileRelay,
    site: TestDeployment,
    _wire: WireEndpoint,
}

impl AlarmDevice {
    fn new(rules: &str) -> Result<Self> {
        let (mut site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
        let agent = site.device("pc-1")?;
        site.relay.kill()?;
        let key = key_file::load_key(&site.data().join("relay.key"))?;
        let relay = HostileRelay::start(&wire, site.port, &key, RelayBehaviour::Honestly)?;
        let mut bench = Self { agent, relay, site, _wire: wire };
        bench.rules(rules)?;
        bench.agent.restart()?;
        bench.agent.wait_connected()?;
        Ok(bench)
    }

    fn rules(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.agent.data().join("rules.toml"), text)?)
    }

    /// A directory that the test may fill.
    fn place(&self) -> Result<PathBuf> {
        let place = self.site.data().parent().context("a parent")?.join("watched");
        fs::create_dir_all(&place)?;
        Ok(place)
    }

    /// Waits until what came fits.
    fn until(&self, what: &str, fits: impl Fn(&AlarmIntake) -> bool) -> Result<Duration> {
        let said = || format!("{:#?}\n{}", self.report(), self.agent.program.text());
        until(LIMIT, what, || Ok(fits(&self.relay.alarms()))).with_context(said)
    }

    /// What the agent says of its alarms; nothing while it isn't there.
    fn report(&self) -> serde_json::Value {
        let asked =
            self.agent.run(&["alarms", "--json"]).and_then(nearhand_tests::deployment::CommandResult::ok);
        asked.ok().and_then(|done| serde_json::from_str(&done.text).ok()).unwrap_or_default()
    }
}

fn events(intake: &AlarmIntake) -> Vec<&AlarmEvent> {
    intake
        .records
        .iter()
        .filter_map(|(_, record)| match &record.entry {
            SpoolEntry::Event(event) => Some(event),
            SpoolEntry::Gap { .. } | SpoolEntry::Report(_) => None,
        })
        .collect()
}

/// Events of one rule: the machine of the test may have other alarms before the test's rules are there.
fn about<'a>(intake: &'a AlarmIntake, rule: &str) -> Vec<&'a AlarmEvent> {
    events(intake).into_iter().filter(|event| event.rule == rule).collect()
}

fn raised(intake: &AlarmIntake, rule: &str) -> usize {
    about(intake, rule).iter().filter(|event| event.transition == AlarmTransition::Raised).count()
}

fn backups(files: &[PathBuf]) -> String {
    let list: Vec<String> = files.iter().map(|file| format!("\"{}\"", file.display())).collect();
    format!(
        "profile = \"none\"\n[watch]\nbackups = [{}]\n[[rule]]\nname = \"old\"\nsensor = \"backup.age\"\nevery = \"1s\"\n\
         raise = \"> 1h\"\nclear = \"< 30m\"\n",
        list.join(", ")
    )
}

fn touch(file: &Path, age: Duration) -> Result<()> {
    let opened = fs::OpenOptions::new().create(true).append(true).open(file)?;
    let at = std::time::SystemTime::now().checked_sub(age).context("a time")?;
    Ok(opened.set_modified(at)?)
}

const OLD: Duration = Duration::from_secs(7200);

#[test]
fn a_log_line_becomes_an_alarm_at_the_relay_and_a_stop_says_goodbye() -> Result<()> {
    let mut bench = AlarmDevice::new("profile = \"server\"\n")?;
    let log = bench.place()?.join("app.log");
    fs::write(&log, "failed before anybody looked\n")?;
    bench.rules(&format!(
        "profile = \"server\"\n[[rule]]\nname = \"app\"\nkind = \"log\"\nevery = \"1s\"\nfile = \"{}\"\nmatch = \"^failed\"\n\
         severity = \"error\"\nrunbook = \"restart-service\"\n",
        log.display()
    ))?;
    bench.agent.program.signal(Signal::HUP)?;
    bench.agent.program.wait_for("other rules from now on", LIMIT)?;
    bench.until("the relay knows what is watched", |intake| {
        intake.monitoring.last().is_some_and(|m| m.profile == DeviceProfile::Server)
    })?;
    let began = Instant::now();
    fs::write(&log, "failed before anybody looked\nfailed to answer\n")?;
    bench.until("the alarm", |intake| raised(intake, "app") == 1)?;
    println!("from the line to the relay: {:?}", began.elapsed());
    let intake = bench.relay.alarms();
    let all = events(&intake);
    let event = all.iter().find(|event| event.rule == "app").context("it was there")?;
    assert_eq!((event.instance.as_str(), event.runbook.as_deref()), ("app", Some("restart-service")));
    assert!(
        event.clock_ahead_ms.is_some_and(|ms| ms.abs() < 60_000),
        "the relay's time is known: {:?}",
        event.clock_ahead_ms
    );
    until(LIMIT, "nothing waits", || Ok(bench.report()["waiting"] == 0))?;
    let report = bench.report();
    let open = report["alarms"].as_array().context("a list")?;
    assert!(open.iter().any(|alarm| alarm["rule"] == "app"), "{report}");
    bench.agent.program.signal(Signal::TERM)?;
    bench.agent.program.exit(LIMIT)?;
    assert_eq!(bench.relay.alarms().leaving, [ShutdownNotice::AgentStops]);
    Ok(())
}

#[test]
fn a_bad_rules_file_keeps_the_old_rules_and_is_an_alarm_itself() -> Result<()> {
    let bench = AlarmDevice::new("[[rule]]\nname = \"rules-file\"\nevery = \"1s\"\n")?;
    bench.until("the relay knows what is watched", |intake| !intake.monitoring.is_empty())?;
    bench.rules("[[rule]]\nname = \"rules-file\"\ncolour = \"red\"\n")?;
    bench.until("the alarm", |intake| raised(intake, "rules-file") == 1)?;
    let problem = bench.report()["problems"][0].to_string();
    assert!(problem.contains("line 3: unknown field `colour`"), "{problem}");
    bench.agent.run(&["rules", "check"])?.fails_with(10)?;
    bench.rules("[[rule]]\nname = \"rules-file\"\nevery = \"1s\"\n")?;
    bench.until("its end", |intake| {
        about(intake, "rules-file").iter().any(|e| e.transition == AlarmTransition::Cleared)
    })?;
    Ok(())
}

#[test]
fn what_a_relay_does_not_take_is_kept_and_sent_to_the_next() -> Result<()> {
    let mut bench = AlarmDevice::new("profile = \"none\"\n")?;
    bench.relay.with_alarms(|intake| intake.takes = false);
    let files: Vec<PathBuf> =
        (0..3).map(|n| Ok(bench.place()?.join(format!("b{n}")))).collect::<Result<_>>()?;
    files.iter().try_for_each(|file| touch(file, OLD))?;
    bench.rules(&backups(&files))?;
    bench.agent.restart()?;
    until(LIMIT, "they wait and it is said why", || {
        let report = bench.report();
        Ok(report["waiting"].as_u64() >= Some(3)
            && report["delivery"].to_string().contains("takes no alarms"))
    })?;
    // The next relay stores them and its answer is lost: they come again, and count once.
    bench.relay.with_alarms(|intake| (intake.takes, intake.forgets_to_answer) = (true, 2));
    bench.agent.restart()?;
    bench
        .until("all are here, and came twice", |intake| raised(intake, "old") == 3 && intake.repeated >= 3)?;
    until(LIMIT, "nothing waits", || Ok(bench.report()["waiting"] == 0))?;
    assert_eq!(about(&bench.relay.alarms(), "old").len(), 3);
    Ok(())
}

#[test]
fn agents_killed_at_any_moment_lose_no_alarm_and_tell_none_twice() -> Result<()> {
    let mut bench = AlarmDevice::new("profile = \"none\"\n")?;
    let place = bench.place()?;
    let files: Vec<PathBuf> = (0..48).map(|n| place.join(format!("b{n:02}"))).collect();
    files.iter().try_for_each(|file| touch(file, Duration::ZERO))?;
    bench.rules(&backups(&files))?;
    bench.agent.restart()?;
    bench.until("the relay knows what is watched", |intake| !intake.monitoring.is_empty())?;
    for (n, eight) in files.chunks(8).enumerate() {
        bench.relay.with_alarms(|intake| intake.forgets_to_answer = u32::try_from(n % 2).unwrap_or(0));
        eight.iter().try_for_each(|file| touch(file, OLD))?;
        // As soon as something of it is written down, or here: a different moment each time.
        match n % 3 {
            0 => drop(bench.agent.program.wait_for("raised", LIMIT)?),
            1 => drop(bench.until("one of them", |intake| raised(intake, "old") > n * 8)?),
            _ => {}
        }
        bench.agent.restart()?;
    }
    bench.until("all", |intake| raised(intake, "old") >= files.len())?;
    files.iter().try_for_each(|file| touch(file, Duration::ZERO))?;
    bench.until("all are over", |intake| {
        about(intake, "old").iter().filter(|event| event.transition == AlarmTransition::Cleared).count()
            >= files.len()
    })?;
    let intake = bench.relay.alarms();
    let mut by_file: BTreeMap<&str, Vec<AlarmTransition>> = BTreeMap::new();
    about(&intake, "old")
        .into_iter()
        .for_each(|e| by_file.entry(&e.instance).or_default().push(e.transition));
    ensure!(by_file.len() == files.len(), "{} files", by_file.len());
    for (file, told) in by_file {
        assert_eq!(told, [AlarmTransition::Raised, AlarmTransition::Cleared], "{file}");
    }
    let streams: Vec<_> = intake.records.iter().map(|(stream, _)| *stream).collect();
    assert!(streams.windows(2).all(|pair| pair[0] == pair[1]), "one stream through all restarts");
    let numbers: Vec<u64> = intake.records.iter().map(|(_, record)| record.seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] > pair[0]), "in order: {numbers:?}");
    println!("{} events, {} sent again", numbers.len(), intake.repeated);
    Ok(())
}

#[test]
fn a_file_system_that_is_filled_is_an_alarm_until_there_is_room_again() -> Result<()> {
    let rules = "profile = \"server\"\n[[rule]]\nname = \"disk-space\"\nevery = \"1s\"\nkeep = \"0s\"\n";
    let bench = AlarmDevice::new(rules)?;
    let disk = MountedDisk::new(bench.place()?.join("small"))?;
    let instance = disk.0.display().to_string();
    let came = |transition: AlarmTransition, severity: Severity| {
        bench.until("what became of the disk", |intake| {
            events(intake)
                .iter()
                .any(|e| e.instance == instance && e.transition == transition && e.severity == severity)
        })
    };
    let file = disk.0.join("filler");
    fs::write(&file, vec![1; 19 * 1024 * 1024])?;
    println!("from full to the relay: {:?}", came(AlarmTransition::Raised, Severity::Warning)?);
    // To the last byte: the write that doesn't fit is meant to fail.
    let _ = fs::write(disk.0.join("more"), vec![1; 2 * 1024 * 1024]);
    came(AlarmTransition::Worsened, Severity::Critical)?;
    fs::remove_file(disk.0.join("more"))?;
    fs::remove_file(&file)?;
    came(AlarmTransition::Cleared, Severity::Critical)?;
    let intake = bench.relay.alarms();
    let all = events(&intake);
    let raised = all.iter().find(|e| e.instance == instance).context("it was raised")?;
    assert_eq!(raised.runbook.as_deref(), Some("clear-caches"));
    assert!(raised.summary.contains("95"), "{}", raised.summary);
    Ok(())
}

#[test]
fn a_file_system_that_hangs_is_an_alarm_and_delays_no_other() -> Result<()> {
    let bench = AlarmDevice::new("profile = \"none\"\n")?;
    let place = bench.place()?;
    let Some(hung) = HangingFileSystem::new(place.join("hung"))? else { return Ok(()) };
    let log = place.join("app.log");
    fs::write(&log, "")?;
    bench.rules(&format!(
        "profile = \"none\"\n[watch]\nbackups = [\"{}\"]\n[[rule]]\nname = \"old\"\nsensor = \"backup.age\"\nevery = \"1s\"\n\
         raise = \"> 1h\"\n[[rule]]\nname = \"hangs\"\nsensor = \"io.silent\"\nevery = \"1s\"\nraise = \">= 2s\"\n[[rule]]\n\
         name = \"app\"\nkind = \"log\"\nevery = \"1s\"\nfile = \"{}\"\nmatch = \"^FATAL\"\n",
        hung.file().display(),
        log.display()
    ))?;
    bench.agent.program.signal(Signal::HUP)?;
    bench.until("its file is watched", |intake| raised(intake, "old") == 1)?;
    hung.hang(true);
    let of = |intake: &AlarmIntake, transition| {
        let file = hung.file().display().to_string();
        about(intake, "hangs").iter().any(|e| e.instance == file && e.transition == transition)
    };
    bench.until("that it hangs", |intake| of(intake, AlarmTransition::Raised))?;
    fs::write(&log, "FATAL written meanwhile\n")?;
    bench.until("an alarm about something else", |intake| raised(intake, "app") == 1)?;
    let problems = bench.report()["problems"].to_string();
    assert!(problems.contains(&format!("{} does not answer for", hung.file().display())), "{problems}");
    let doctor = bench.agent.run(&["doctor", "--json"])?;
    assert!([0, 10].contains(&doctor.code), "{}", doctor.text);
    // The line about its progress goes before it, on the other output.
    let begin = doctor.text.find('{').context("a report")?;
    let mut values =
        serde_json::Deserializer::from_str(&doctor.text[begin..]).into_iter::<serde_json::Value>();
    let report = values.next().context("a report")??;
    let findings = report["findings"].as_array().context("findings")?;
    let statuses = |id: &str| -> Vec<&str> {
        findings.iter().filter(|f| f["id"] == id).filter_map(|f| f["status"].as_str()).collect()
    };
    let named = findings.iter().find(|f| f["id"] == "disks.answers" && f["status"] == "fail");
    let named = named.and_then(|f| f["instance"].as_str());
    assert_eq!(named, Some(hung.at().to_str().context("a path")?), "{:?}", statuses("disks.answers"));
    assert!(
        !statuses("disks.space").is_empty() && !statuses("disks.space").contains(&"skipped"),
        "{report:#}"
    );
    hung.hang(false);
    bench.until("that it answers again", |intake| of(intake, AlarmTransition::Cleared))?;
    Ok(())
}
