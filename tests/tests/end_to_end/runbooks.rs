//! Runbooks with the real programs: what is allowed runs and is written down, what isn't is refused and told why,
//! a run that is stopped or killed in the middle is undone, and nothing runs twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use nearhand_proto::grant::Capability;
use nearhand_proto::id::RunId;
use nearhand_proto::identity::{SecretKey, Signed};
use nearhand_proto::message::control::SessionTarget;
use nearhand_proto::message::runbook::{RunbookMessage, RunbookRequest};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::{AgentHello, ConsentDecision, FromAgent, StreamOpen, TechnicianProof};
use nearhand_proto::runbook::{
    Manifest, ParameterValue, RunEnding, RunMode, RunOrder, RunOutcome, RunRefusal, built_in,
};
use nearhand_proto::time::UnixMillis;
use nearhand_report::model::Report;
use nearhand_tests::deployment::{LIMIT, TestDeployment};
use nearhand_tests::disk::MountedDisk;
use nearhand_tests::parties::TestAgent;
use nearhand_tests::program::until;
use nearhand_tests::wire_client::{SessionWire, WireEndpoint, WireMember};
use rand_core::OsRng;
use rustix::process::Signal;
use serde_json::Value as Json;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ASKED: &str =
    "[[allow]]\ntechnicians = [\"*\"]\ncapabilities = [\"runbook\"]\nfor = \"1h\"\neven_if_attended = true\n";

/// The files of these tests are new, with old times.
const AGE: &str = "clear_age = \"content\"\n";

fn policy(agent: &TestAgent, runbooks: &str) -> Result<()> {
    Ok(fs::write(agent.data().join("policy.toml"), format!("{ASKED}[runbooks]\n{AGE}{runbooks}"))?)
}

fn old(path: &Path, bytes: usize) -> Result<()> {
    fs::create_dir_all(path.parent().context("a parent")?)?;
    fs::write(path, vec![1; bytes])?;
    let before = SystemTime::now().checked_sub(10 * DAY).context("a time")?;
    let times = fs::FileTimes::new().set_modified(before).set_accessed(before);
    Ok(fs::File::options().write(true).open(path)?.set_times(times)?)
}

/// A device with a directory that may be cleared, and ten old files and a new one in it.
fn cluttered(site: &TestDeployment, label: &str) -> Result<(TestAgent, PathBuf)> {
    let agent = site.device(label)?;
    let place = site.directory(&format!("cache-{label}"))?.join("deep");
    for n in 0..10 {
        old(&place.join(format!("old-{n}")), 100_000)?;
    }
    fs::write(place.join("new"), "x")?;
    policy(&agent, &format!("clear = [\"{}\"]\n", place.display()))?;
    Ok((agent, place))
}

fn files(place: &Path) -> Result<usize> {
    Ok(fs::read_dir(place)?.count())
}

fn outcome(done: &nearhand_tests::deployment::CommandResult) -> Result<Json> {
    let mut events = done.text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let found = events.find_map(|event| event.get("outcome").filter(|outcome| !outcome.is_null()).cloned());
    found.with_context(|| format!("no outcome in {}", done.text))
}

#[test]
fn what_is_allowed_is_tried_then_done_and_written_down_and_the_person_sees_it() -> Result<()> {
    let site = TestDeployment::new()?;
    let (agent, place) = cluttered(&site, "pc-1")?;
    let mut console = agent.watch(&["--no-code"])?;
    let run = ["run", "clear-caches", "pc-1", "--set", "older-than=24"];
    let done = site.admin().run(&[&run[..], &["--dry-run"]].concat())?.ok()?;
    let tried = outcome(&done)?;
    assert_eq!((tried["mode"].as_str(), tried["ending"].as_str()), (Some("dry-run"), Some("done")));
    assert!(tried["why"].as_str().is_some_and(|why| why.contains("would remove 10 old files")), "{tried}");
    assert_eq!(files(&place)?, 11, "a dry run changes nothing");
    console.sees("Clear temporary files and the package cache (dry run)")?;

    let done = site.admin().run(&run)?.ok()?;
    let ran = outcome(&done)?;
    assert!(ran["why"].as_str().is_some_and(|why| why.contains("removed 10 old files")), "{ran}");
    assert_eq!(files(&place)?, 1);
    console.sees("clear-caches is done now (10 old files of")?;
    console.sees("runbook clear-caches: removed 10 old files")?;
    agent.has_audited("runbook.end", 2)?;
    assert_eq!((agent.audited("runbook.begin")?, agent.audited("runbook.apply")?), (2, 1));
    agent.run(&["audit", "verify"])?.ok()?;
    let runs: Json = serde_json::from_str(&agent.run(&["runbooks", "runs", "--json"])?.ok()?.text)?;
    assert_eq!(runs.as_array().map(Vec::len), Some(2));
    assert_eq!(runs[0]["outcome"]["why"], ran["why"]);
    // There is nothing left to do, which is told as that.
    site.admin().run(&run)?.fails_with(24)?.says("nothing to do")?;
    Ok(())
}

#[test]
fn the_person_is_asked_in_plain_words_and_a_no_is_a_no() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client = site.admin().start(&["run", "clear-caches", &console.code])?;
    console.sees("run repairs that this machine's owner allows")?;
    console.answers("deny")?;
    client.ends_with(11)?;
    assert_eq!(agent.audited("runbook.begin")?, 0);
    Ok(())
}

#[test]
fn the_owners_switch_and_lists_win() -> Result<()> {
    let site = TestDeployment::new()?;
    let (agent, place) = cluttered(&site, "pc-1")?;
    agent.run(&["runbooks", "off"])?.ok()?;
    site.admin().run(&["run", "clear-caches", "pc-1"])?.fails_with(25)?.says("switched runbooks off")?;
    agent.run(&["runbooks", "on"])?.ok()?;
    policy(&agent, "allow = [\"sync-time\"]\n")?;
    site.admin().run(&["run", "clear-caches", "pc-1"])?.fails_with(25)?.says("does not allow")?;
    let listed = site.admin().run(&["runbook", "list", "pc-1"])?.ok()?;
    assert!(listed.text.contains("\"NotAllowed\":\"clear-caches\""), "{}", listed.text);
    fs::write(agent.data().join("policy.toml"), format!("{ASKED}[runbooks]\nmax_class = 9\n"))?;
    // A policy that can't be read allows nothing at all, not even to ask.
    site.admin().run(&["run", "clear-caches", "pc-1"])?.fails_with(11)?;
    assert_eq!(files(&place)?, 11);
    agent.has_audited("runbook.refused", 2)?;
    Ok(())
}

/// A technician who may send anything.
struct RunbookSender {
    site: TestDeployment,
    agent: TestAgent,
    place: PathBuf,
    member: WireMember,
    session: SessionWire,
    _wire: WireEndpoint,
}

impl RunbookSender {
    fn new() -> Result<Self> {
        let site = TestDeployment::new()?;
        let (agent, place) = cluttered(&site, "pc-1")?;
        let wire = WireEndpoint::new()?;
        let member = wire.join(&site.invite("Mallory")?)?;
        let device = agent_id(&site)?;
        let mut session = member.connect(&wire)?.open(&member, SessionTarget::Device(device))?;
        let ready = session.hello(TechnicianProof::Managed)?;
        ensure!(matches!(ready, AgentHello::Ready(_)), "{ready:?}");
        let granted = session.ask(Capability::Runbook.into())?;
        let is = matches!(granted, FromAgent::Decision { decision: ConsentDecision::Granted { .. }, .. });
        ensure!(is, "{granted:?}");
        Ok(Self { site, agent, place, member, session, _wire: wire })
    }

    fn order(&self, name: &str) -> Result<RunOrder> {
        let manifest = built_in().into_iter().find(|manifest| manifest.name == name).context("built in")?;
        let now = UnixMillis(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?);
        Ok(RunOrder {
            run: RunId::random(&mut OsRng),
            runbook: manifest.name.clone(),
            version: manifest.version,
            hash: manifest.hash(),
            device: agent_id(&self.site)?,
            parameters: vec![],
            mode: RunMode::Apply,
            issued: now,
            deadline: now.after(Duration::from_secs(60)),
        })
    }

    fn sends(&self, order: Signed<RunOrder>, manifest: Option<Signed<Manifest>>) -> Result<RunbookMessage> {
        let mut talk = self.session.talk(&StreamOpen::Runbook)?;
        talk.say(&RunbookRequest::Run { order: Box::new(order), manifest: manifest.map(Box::new) })?;
        loop {
            match talk.hears::<RunbookMessage>()? {
                RunbookMessage::Begun { .. } | RunbookMessage::Saw(_) => {}
                last => return Ok(last),
            }
        }
    }

    fn ordered(&self, order: &RunOrder) -> Result<RunbookMessage> {
        self.sends(self.member.key.sign(order)?, None)
    }

    /// The order is refused as expected, and that is in the record.
    fn refuses(&self, order: &RunOrder, expected: &RunRefusal) -> Result<()> {
        let before = self.agent.audited("runbook.refused")?;
        let answer = self.ordered(order)?;
        ensure!(answer == RunbookMessage::Refused(expected.clone()), "{answer:?} instead of {expected:?}");
        self.agent.has_audited("runbook.refused", before + 1)?;
        let rows = self.agent.audit()?;
        let refused: Vec<_> = rows.iter().filter(|[_, action, _]| action == "runbook.refused").collect();
        let why = expected.to_string();
        let last = refused.last().context("a row")?;
        ensure!(last[2].contains(&why), "{last:?} does not say {why:?}");
        Ok(())
    }
}

fn agent_id(site: &TestDeployment) -> Result<nearhand_proto::id::DeviceId> {
    Ok(site.admin().run(&["devices"])?.ok()?.field("/devices/0/id")?.parse()?)
}

#[test]
fn what_must_not_run_is_refused_written_down_and_told_why() -> Result<()> {
    let bench = RunbookSender::new()?;
    let good = bench.order("clear-caches")?;
    // A broken signature: another key's, and bytes that were changed.
    let thief = SecretKey::generate(&mut OsRng);
    assert_eq!(bench.sends(thief.sign(&good)?, None)?, RunbookMessage::Refused(RunRefusal::OrderSignature));
    // A wrong type, a value out of bounds, something that is no parameter.
    for (value, says) in [
        (("older-than", ParameterValue::Text("24; rm -rf /".into())), "older-than: a whole number is wanted"),
        (("older-than", ParameterValue::Integer(0)), "older-than: it must be from 1 to 8760 (hours)"),
        (("path", ParameterValue::Text("/etc".into())), "there is no parameter \"path\""),
    ] {
        let parameters = vec![(value.0.to_owned(), value.1)];
        bench.refuses(&RunOrder { parameters, ..good.clone() }, &RunRefusal::Parameter(says.into()))?;
    }
    // A deadline that is over, and one that is too far ahead.
    let (early, late) = (UnixMillis(good.issued.0 - 120_000), UnixMillis(good.issued.0 - 60_000));
    bench.refuses(&RunOrder { issued: early, deadline: late, ..good.clone() }, &RunRefusal::Late(late))?;
    let far = good.issued.after(Duration::from_secs(2 * 3600));
    bench.refuses(&RunOrder { deadline: far, ..good.clone() }, &RunRefusal::TooFar(far))?;
    // Above the owner's class.
    let disruptive = bench.order("mend-network")?;
    let how = vec![("how".to_owned(), ParameterValue::Text("reset-adapter".into()))];
    bench.refuses(&RunOrder { parameters: how, ..disruptive }, &RunRefusal::Class { class: 2, most: 1 })?;
    // Another device, another content, none at all.
    let device = nearhand_proto::id::DeviceId::from_bytes([1; 16]);
    bench.refuses(&RunOrder { device, ..good.clone() }, &RunRefusal::OtherDevice)?;
    bench.refuses(
        &RunOrder { hash: [0; 32], ..good.clone() },
        &RunRefusal::OtherContent("clear-caches".into()),
    )?;
    let unknown = RunOrder { runbook: "format-disk".into(), ..good.clone() };
    bench.refuses(&unknown, &RunRefusal::Unknown("format-disk".into()))?;
    // A runbook that somebody else has signed.
    let mut foreign = built_in().remove(1);
    foreign.name = "mine".into();
    let order = RunOrder { runbook: "mine".into(), hash: foreign.hash(), ..good.clone() };
    let answer = bench.sends(bench.member.key.sign(&order)?, Some(bench.member.key.sign(&foreign)?))?;
    assert_eq!(answer, RunbookMessage::Refused(RunRefusal::RunbookSignature));
    assert_eq!(files(&bench.place)?, 11, "nothing of it happened");
    assert_eq!(bench.agent.audited("runbook.begin")?, 0);

    // The order that all of these were changes of runs, once.
    let RunbookMessage::Over(first) = bench.ordered(&good)? else { panic!("it ran") };
    assert_eq!((first.ending, files(&bench.place)?), (RunEnding::Done, 1));
    old(&bench.place.join("later"), 10)?;
    bench.refuses(&good, &RunRefusal::Repeated(Some(first.clone())))?;
    // With any other content, and after its deadline: the id alone counts.
    let again = RunOrder { deadline: good.issued, mode: RunMode::DryRun, ..good };
    bench.refuses(&again, &RunRefusal::Repeated(Some(first)))?;
    assert!(bench.place.join("later").exists());
    bench.agent.run(&["audit", "verify"])?.ok()?;
    bench.session.leave()
}

/// Its own program name that takes a processor, until it is dropped.
struct ProcessorHog(Child, String);

impl ProcessorHog {
    fn new(site: &TestDeployment, name: &str) -> Result<Self> {
        let path = site.directory("hogs")?.join(name);
        fs::copy("/bin/sh", &path)?;
        Ok(Self(Command::new(&path).args(["-c", "while :; do :; done"]).spawn()?, name.to_owned()))
    }

    fn nice(&self) -> Result<i32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let after = stat.rsplit_once(')').context("a name")?.1;
        Ok(after.split_whitespace().nth(16).context("a priority")?.parse()?)
    }
}

impl Drop for ProcessorHog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An organisation's own runbook: tames a process, then looks at the machine, which takes its time.
fn organisations(site: &TestDeployment, version: u32) -> Result<PathBuf> {
    let place = site.directory("runbooks")?;
    let text = format!(
        "name = \"tame-and-look\"\nversion = {version}\ntitle = \"Tame a program and look\"\nabout = \"Has it wait, and \
         checks the machine.\"\nclass = 1\ntimeout = 120\n\n[[parameter]]\nname = \"process\"\nkind = \"process\"\n\
         patterns = [\"nh-hog*\"]\n\n[[step]]\nact = \"tame-process\"\nset = {{ process = \"$process\", how = \"renice\", \
         busy = 10 }}\n\n[[step]]\nact = \"collect-diagnostics\"\n"
    );
    let (written, signed) = (place.join(format!("{version}.toml")), place.join(format!("{version}.nrhb")));
    fs::write(&written, text)?;
    let (written, out) = (written.to_string_lossy(), signed.to_string_lossy());
    site.admin().run(&["runbook", "check", &written])?.ok()?;
    site.admin().run(&["runbook", "sign", &written, "--out", &out])?.ok()?;
    Ok(signed)
}

fn tamed(hog: &ProcessorHog, agent: &TestAgent) -> Result<()> {
    until(LIMIT, "the second step runs", || Ok(hog.nice()? == 19 && agent.audited("runbook.apply")? == 2))?;
    Ok(())
}

#[test]
fn an_organisations_own_runs_where_the_owner_lists_it_and_stop_undoes_it() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let hog = ProcessorHog::new(&site, "nh-hog-stop")?;
    let before = hog.nice()?;
    let file = organisations(&site, 2)?;
    let (file, process) = (file.to_string_lossy(), format!("process={}", hog.1));
    let run = ["run", &file, "pc-1", "--set", &process];
    policy(&agent, "processes = [\"nh-hog-*\"]\n")?;
    site.admin().run(&run)?.fails_with(25)?.says("does not allow the runbook")?;
    policy(&agent, "allow = [\"tame-and-look\"]\nprocesses = [\"nh-hog-*\"]\n")?;
    let mut client = site.admin().start(&run)?;
    tamed(&hog, &agent)?;
    agent.run(&["stop"])?.ok()?;
    client.ends_with(18)?;
    until(LIMIT, "it is undone", || Ok(hog.nice()? == before && agent.audited("runbook.end")? == 1))?;
    let runs = agent.run(&["runbooks", "runs"])?.ok()?;
    assert!(
        runs.text.contains("cancelled: stopped by the person")
            && runs.text.contains("what was done is undone"),
        "{}",
        runs.text
    );
    // As a file on the device; and an older version no longer counts.
    let place = agent.data().join("runbooks");
    fs::create_dir_all(&place)?;
    fs::copy(&*file, place.join("own.nrhb"))?;
    let named = ["run", "tame-and-look", "pc-1", "--set", &process, "--dry-run"];
    site.admin().run(&named)?.ok()?.says("would have wait for all others")?;
    let older = organisations(&site, 1)?;
    let older = ["run", &older.to_string_lossy(), "pc-1", "--set", &process];
    site.admin().run(&older)?.fails_with(25)?.says("version 2 of this runbook was here already")?;
    fs::write(place.join("own.nrhb"), b"not signed by anybody")?;
    site.admin().run(&named)?.fails_with(25)?.says("there is no runbook")?;
    Ok(())
}

#[test]
fn ctrl_c_stops_a_run_and_undoes_it() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let hog = ProcessorHog::new(&site, "nh-hog-int")?;
    let before = hog.nice()?;
    let file = organisations(&site, 1)?;
    policy(&agent, "allow = [\"tame-and-look\"]\nprocesses = [\"nh-hog-*\"]\n")?;
    let (file, process) = (file.to_string_lossy(), format!("process={}", hog.1));
    let mut client = site.admin().start(&["run", &file, "pc-1", "--set", &process])?;
    tamed(&hog, &agent)?;
    client.program.signal(Signal::INT)?;
    let told = client.event("outcome")?;
    assert_eq!(told["outcome"]["ending"], "cancelled");
    let notes = told["outcome"]["notes"].as_array().context("notes")?;
    let undone = notes.last().context("a note")?;
    assert_eq!((undone["phase"].as_str(), undone["well"].as_bool()), (Some("rollback"), Some(true)));
    client.ends_with(24)?;
    assert_eq!(hog.nice()?, before);
    Ok(())
}

#[test]
fn the_person_stops_a_run_that_a_rule_has_started() -> Result<()> {
    let site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    let log = site.directory("watched")?.join("app.log");
    fs::write(&log, "begins\n")?;
    let rules = format!(
        "profile = \"none\"\n[[rule]]\nname = \"app\"\nkind = \"log\"\nevery = \"1s\"\nfile = \"{}\"\n\
         match = \"^failed\"\nrunbook = \"collect-diagnostics\"\n",
        log.display()
    );
    fs::write(agent.data().join("rules.toml"), rules)?;
    policy(&agent, "automatic = [\"collect-diagnostics\"]\n")?;
    agent.restart()?;
    agent.wait_connected()?;
    fs::write(&log, "begins\nfailed to answer\n")?;
    until(LIMIT, "it runs", || Ok(agent.audited("runbook.apply")? == 1))?;
    agent.run(&["stop"])?.ok()?;
    until(LIMIT, "it is stopped", || Ok(agent.audited("runbook.end")? == 1))?;
    agent.run(&["runbooks", "runs"])?.ok()?.says("stopped by the person at the device")?;
    Ok(())
}

/// The report that a run has kept on the device.
fn kept_report(agent: &TestAgent) -> Result<Report> {
    let file = agent.data().join("reports/report.json");
    let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "others may read it: {mode:o}");
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

#[test]
fn what_a_rule_starts_waits_for_the_run_before_it_and_diagnostics_keep_their_report() -> Result<()> {
    let site = TestDeployment::new()?;
    let (mut agent, place) = cluttered(&site, "pc-1")?;
    // Too mild for a diagnosis, which would take its time first; and about a path, as `clear-caches` wants it.
    let file = site.directory("watched")?.join("backup");
    fs::write(&file, "made")?;
    let rules = format!(
        "profile = \"none\"\n[watch]\nbackups = [\"{}\"]\n[[rule]]\nname = \"old\"\nsensor = \"backup.age\"\n\
         every = \"1s\"\nraise = \"> 1h\"\nclear = \"< 30m\"\nseverity = \"info\"\nrunbook = \"clear-caches\"\n",
        file.display()
    );
    fs::write(agent.data().join("rules.toml"), rules)?;
    policy(&agent, &format!("clear = [\"{}\"]\nautomatic = [\"clear-caches\"]\n", place.display()))?;
    agent.restart()?;
    agent.wait_connected()?;
    // A technician's run that takes some seconds, and an alarm in the middle of it.
    let mut client = site.admin().start(&["run", "collect-diagnostics", "pc-1"])?;
    until(LIMIT, "it runs", || Ok(agent.audited("runbook.apply")? == 1))?;
    old(&file, 1)?;
    agent.program.wait_for("it waits until the runbook before it is over", LIMIT)?;
    assert_eq!((files(&place)?, agent.audited("runbook.end")?), (11, 0));
    // Who is there can be told to come later; it is not put into the queue.
    site.admin().run(&["run", "clear-caches", "pc-1"])?.fails_with(25)?;
    client.ends_within(0, Duration::from_secs(90))?;
    until(LIMIT, "it had its turn", || Ok(agent.audited("runbook.end")? == 2))?;
    let rows = agent.audit()?;
    let at =
        |actor: &str, action: &str| rows.iter().position(|row| row[0].starts_with(actor) && row[1] == action);
    let (before, begun) = (at("technician", "runbook.end"), at("rule old", "runbook.begin"));
    ensure!(before.is_some() && before < begun, "{rows:?}");
    let refused: Vec<_> =
        agent.audit()?.into_iter().filter(|[_, action, _]| action == "runbook.refused").collect();
    ensure!(refused.len() == 1 && !refused[0][0].starts_with("rule"), "{refused:?}");

    let report = kept_report(&agent)?;
    ensure!(report.findings.len() > 20 && report.set == CheckSet::Full, "{report:?}");
    agent.run(&["audit", "verify"])?.ok()?;
    Ok(())
}

#[test]
fn an_agent_that_is_killed_in_the_middle_undoes_it_at_its_next_start_and_runs_it_never_again() -> Result<()> {
    let site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    let hog = ProcessorHog::new(&site, "nh-hog-kill")?;
    let before = hog.nice()?;
    let file = organisations(&site, 1)?;
    policy(&agent, "allow = [\"tame-and-look\"]\nprocesses = [\"nh-hog-*\"]\n")?;
    let id = RunId::random(&mut OsRng).to_string();
    let (file, process) = (file.to_string_lossy(), format!("process={}", hog.1));
    let run = ["run", &file, "pc-1", "--set", &process, "--run-id", &id];
    let mut client = site.admin().start(&run)?;
    tamed(&hog, &agent)?;
    agent.restart()?;
    agent.wait_connected()?;
    until(LIMIT, "it is undone", || Ok(hog.nice()? == before && agent.audited("runbook.end")? == 1))?;
    client.program.kill()?;
    let runs: Vec<Json> = serde_json::from_str(&agent.run(&["runbooks", "runs", "--json"])?.ok()?.text)?;
    assert_eq!((runs.len(), runs[0]["outcome"]["ending"].as_str()), (1, Some("interrupted")));
    // Ordered again, it is answered with what came of it.
    let again = site.admin().run(&run)?.fails_with(24)?.says("interrupted")?;
    let told: RunOutcome = serde_json::from_value(outcome(&again)?)?;
    assert_eq!(told.ending, RunEnding::Interrupted);
    assert_eq!((hog.nice()?, agent.audited("runbook.begin")?), (before, 1));
    agent.run(&["audit", "verify"])?.ok()?;
    Ok(())
}

#[test]
fn a_rule_clears_caches_on_the_disk_that_is_full_and_the_alarm_is_over() -> Result<()> {
    let site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    let disk = MountedDisk::new(site.directory("watched")?.join("small"))?;
    let elsewhere = site.directory("elsewhere")?.join("old");
    old(&elsewhere, 1000)?;
    let shown = disk.0.display().to_string();
    // The directory of the disk, and one on another: only where the alarm is may be cleared.
    let clear =
        format!("clear = [\"{shown}/cache\", \"{}\"]\n", elsewhere.parent().context("a parent")?.display());
    policy(&agent, &clear)?;
    let rules = format!(
        "profile = \"server\"\n[[rule]]\nname = \"disk-space\"\nevery = \"1s\"\nkeep = \"0s\"\ninstances = [\"{shown}\"]\n"
    );
    fs::write(agent.data().join("rules.toml"), rules)?;
    agent.restart()?;
    agent.wait_connected()?;
    let alarm = |agent: &TestAgent| -> Result<bool> {
        let asked = agent.run(&["alarms", "--json"])?;
        let report: Json = serde_json::from_str(&asked.text).unwrap_or_default();
        let alarms = report["alarms"].as_array().cloned().unwrap_or_default();
        Ok(alarms.iter().any(|a| {
            a["rule"] == "disk-space" && a["instance"] == shown.as_str() && !a["severity"].is_null()
        }))
    };
    for n in 0..19 {
        old(&disk.0.join(format!("cache/{n}")), 1024 * 1024)?;
    }
    // Rules start nothing unless the owner says so.
    until(LIMIT, "the alarm", || alarm(&agent))?;
    agent.program.wait_for("no runbook was run for this alarm", LIMIT)?;
    assert_eq!((files(&disk.0.join("cache"))?, agent.audited("runbook.begin")?), (19, 0));
    for n in 0..19 {
        fs::remove_file(disk.0.join(format!("cache/{n}")))?;
    }
    until(LIMIT, "its end", || Ok(!alarm(&agent)?))?;

    policy(&agent, &format!("{clear}automatic = [\"clear-caches\"]\n"))?;
    for n in 0..19 {
        old(&disk.0.join(format!("cache/{n}")), 1024 * 1024)?;
    }
    until(LIMIT, "it is cleared", || Ok(files(&disk.0.join("cache"))? == 0))?;
    until(LIMIT, "the alarm is over", || Ok(!alarm(&agent)?))?;
    until(LIMIT, "it is in the record", || Ok(agent.audited("runbook.end")? == 1))?;
    let rows = agent.audit()?;
    let begin = rows.iter().find(|[_, action, _]| action == "runbook.begin").context("a row")?;
    assert!(begin[0] == "rule disk-space" && begin[2].contains(&shown), "{begin:?}");
    assert!(elsewhere.exists(), "another disk is left alone");
    let runs: Vec<Json> = serde_json::from_str(&agent.run(&["runbooks", "runs", "--json"])?.ok()?.text)?;
    assert_eq!((runs.len(), runs[0]["outcome"]["ending"].as_str()), (1, Some("done")));
    // A technician who looks at the alarm finds what the device found out before, and what it did.
    let mut last = String::new();
    let stands = until(LIMIT, "it stands with the alarm", || {
        let alarms = site.admin().run(&["alarms", "--all", "--device", "pc-1"])?.ok()?.json()?;
        let list = alarms["alarms"].as_array().context("a list")?;
        // The machine's own disk may be full as well.
        let ours = |a: &&Json| a["rule"] == "disk-space" && a["instance"] == shown.as_str();
        let Some(id) = list.iter().find(ours).and_then(|a| a["id"].as_str()) else { return Ok(false) };
        last = site.admin().run(&["alarms", "show", id])?.ok()?.text;
        let stands = |words: &str| last.contains(words);
        Ok(stands("the device diagnosed itself") && stands("the device ran a runbook: clear-caches"))
    });
    stands.with_context(|| format!("there is:\n{last}"))?;
    // Within half an hour it isn't run again, and that is told.
    for n in 0..19 {
        old(&disk.0.join(format!("cache/{n}")), 1024 * 1024)?;
    }
    until(LIMIT, "it is refused", || Ok(agent.audited("runbook.refused")? == 1))?;
    assert_eq!(files(&disk.0.join("cache"))?, 19);
    Ok(())
}

#[test]
fn a_fleet_says_which_one_failed_and_goes_on_with_it_later() -> Result<()> {
    let site = TestDeployment::new()?;
    let three: Vec<(TestAgent, PathBuf)> =
        ["till-1", "till-2", "till-3"].iter().map(|label| cluttered(&site, label)).collect::<Result<_>>()?;
    three[1].0.run(&["runbooks", "off"])?.ok()?;
    let notes = site.directory("fleet")?.join("progress.json");
    let notes = notes.to_string_lossy();
    let run = ["run", "clear-caches", "--on", "till-*", "--resume", &notes];
    let done = site.admin().run(&run)?.fails_with(24)?.says("\"well\":2")?.says("\"failed\":1")?;
    assert!(done.text.contains("switched runbooks off"), "{}", done.text);
    let left: Vec<usize> = three.iter().map(|(_, place)| files(place)).collect::<Result<_>>()?;
    assert_eq!(left, [1, 11, 1]);
    three[1].0.run(&["runbooks", "on"])?.ok()?;
    site.admin().run(&run)?.ok()?.says("\"well\":1")?;
    assert_eq!(files(&three[1].1)?, 1);
    // Those that were done are not asked again.
    for (agent, _) in &three {
        agent.has_audited("runbook.begin", 1)?;
    }
    site.admin().run(&["run", "clear-caches", "--on", "shop-*"])?.fails_with(7)?;
    Ok(())
}
