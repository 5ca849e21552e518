//! Who is at the device: a session that nobody sees pauses and ends, its person pauses and resumes it, several people
//! at one machine see only what is theirs; they ask for help and say what they thought of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_tests::build::ProgramBinary;
use nearhand_tests::deployment::{LIMIT, TestDeployment};
use nearhand_tests::parties::{TestAgent, TestTechnician};
use nearhand_tests::program::{TestProgram, until};
use rustix::process::Signal;
use serde_json::Value;

#[test]
fn the_person_pauses_a_session_and_lets_it_go_on() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client = site.admin().connect(&console.code, &["--ask", "diagnostics"])?;
    console.allows()?;
    client.granted(true)?;
    console.types("/pause")?;
    console.sees("· paused: nothing is seen or done")?;
    ensure!(client.granted(false)?.contains("paused"));
    client.say("/diagnose quick")?;
    console.sees("· refused: ")?;
    // What they write still arrives: only acts are paused.
    client.say("shall I wait?")?;
    console.sees("│ Ada Lovelace: shall I wait?")?;
    console.types("/resume")?;
    client.granted(true)?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    client.end()?;
    agent.has_audited("session.paused", 1)?;
    agent.has_audited("session.continued", 1)?;
    Ok(())
}

#[test]
fn a_session_that_nobody_sees_pauses_at_once_and_ends_soon() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client = site.admin().connect(&console.code, &["--ask", "diagnostics"])?;
    console.allows()?;
    client.granted(true)?;
    console.program.kill()?;
    ensure!(client.granted(false)?.contains("nobody can see the session"));
    client.say("/diagnose quick")?;
    client.program.wait_for("nobody at the device can be asked", LIMIT)?;
    // Somebody looks again in time.
    let mut console = agent.watch(&["--no-code"])?;
    client.granted(true)?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    console.program.kill()?;
    client.granted(false)?;
    client.ends_with(18)?;
    Ok(())
}

#[test]
fn a_terminal_that_hangs_sees_nothing_and_pauses_the_session_until_it_goes_on() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client = site.admin().connect(&console.code, &["--ask", "diagnostics"])?;
    console.allows()?;
    client.granted(true)?;
    console.program.signal(Signal::STOP)?;
    ensure!(client.granted(false)?.contains("nobody can see the session on the device"));
    client.say("/diagnose quick")?;
    client.program.wait_for("nobody at the device can be asked", LIMIT)?;
    console.program.signal(Signal::CONT)?;
    client.granted(true)?;
    client.say("/diagnose quick")?;
    client.event_within("report", Duration::from_secs(60))?;
    console.types("stop")?;
    client.ends_with(18)?;
    agent.has_audited("session.paused", 1)?;
    agent.has_audited("session.continued", 1)?;
    Ok(())
}

#[test]
fn a_person_who_let_somebody_in_is_to_see_it_also_on_a_managed_device() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut client = site.admin().connect("pc-1", &["--ask", "diagnostics"])?;
    console.allows()?;
    client.granted(true)?;
    console.program.kill()?;
    client.granted(false)?;
    client.ends_with(18)?;
    Ok(())
}

fn queue(technician: &TestTechnician, more: &[&str]) -> Result<Vec<Value>> {
    let listed = technician.run(&[&["queue"], more].concat())?.ok()?.json()?;
    listed.get("requests").and_then(Value::as_array).cloned().context("no list")
}

fn numbers(requests: &[Value]) -> Vec<u64> {
    requests.iter().filter_map(|request| request.get("number")?.as_u64()).collect()
}

/// Waits until the agent says this of its request for help.
fn stands(agent: &TestAgent, needle: &str) -> Result<()> {
    until(LIMIT, &format!("{needle:?} of a request"), || Ok(agent.run(&["ask"])?.ok()?.text.contains(needle)))
        .map(|_| ())
}

#[test]
fn people_queue_by_urgency_and_learn_who_takes_care_of_them() -> Result<()> {
    let mut site = TestDeployment::new()?;
    let (mut first, second) = (site.device("pc-1")?, site.device("pc-2")?);
    let bob = site.technician("Bob")?;
    first
        .run(&["ask", "the printer", "is \u{1b}[31mred", "--reach", "room 7"])?
        .ok()?
        .says("is the next one")?;
    second.run(&["ask", "the till is down", "--urgency", "stopped"])?.ok()?.says("is the next one")?;
    // More urgent, so it overtook.
    stands(&first, "1 before it")?;
    let waiting = queue(&bob, &[])?;
    assert_eq!(numbers(&waiting), [2, 1]);
    let what = waiting.get(1).and_then(|request| request.get("what")?.as_str()).unwrap_or_default();
    assert!(what.starts_with("the printer is") && !what.contains('\u{1b}'), "{what:?}");
    bob.run(&["queue", "take", "2"])?.ok()?;
    stands(&second, "\"Bob\" has your request")?;
    stands(&first, "is the next one")?;
    // Somebody else's is not taken away.
    site.admin().run(&["queue", "take", "2"])?.fails_with(6)?;
    // It is the same request after either has started again.
    site.restart_relay()?;
    first.restart()?;
    first.wait_connected()?;
    stands(&first, "is the next one")?;
    assert_eq!(numbers(&queue(&bob, &[])?), [1, 2]);
    // Closed while its device is away: it doesn't come back.
    first.program.kill()?;
    bob.run(&["queue", "close", "1"])?.ok()?;
    bob.run(&["queue", "close", "1"])?.fails_with(6)?;
    first.restart()?;
    first.wait_connected()?;
    stands(&first, "is closed")?;
    assert_eq!(numbers(&queue(&bob, &[])?), [2]);
    second.run(&["ask", "--withdraw"])?.ok()?;
    until(LIMIT, "the withdrawal at the relay", || Ok(queue(&bob, &[])?.is_empty()))?;
    assert_eq!(numbers(&queue(&bob, &["--all"])?).len(), 2);
    Ok(())
}

#[test]
fn what_was_thought_of_a_session_is_kept_and_reports_are_for_administrators() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let bob = site.technician("Bob")?;
    let mut console = agent.attend()?;
    let mut client = bob.connect(&console.code, &["--ask", "diagnostics"])?;
    console.answers("deny")?;
    client.event("refused")?;
    client.end()?;
    console.sees("How was it?")?;
    console.types("/rate 7")?;
    console.sees("from 1 to 5")?;
    console.types("/rate 2 slow \u{202e}but kind")?;
    console.sees("Thank you")?;
    console.types("/report asked me for my bank login")?;
    console.sees("Thank you")?;
    let ratings = |who: &TestTechnician| -> Result<Value> {
        let listed = who.run(&["ratings"])?.ok()?.json()?;
        listed.pointer("/ratings/0").cloned().context("no rating")
    };
    let (theirs, all) = (ratings(&bob)?, ratings(site.admin())?);
    assert_eq!(theirs.get("stars"), Some(&Value::from(2)));
    assert!(theirs.get("comment").and_then(Value::as_str).is_some_and(|c| c.starts_with("slow ")));
    assert_eq!(theirs.get("report"), Some(&Value::Null), "not for whom it is about");
    assert_eq!(all.get("report"), Some(&Value::from("asked me for my bank login")));
    let carol = site.technician("Carol")?;
    let none = carol.run(&["ratings"])?.ok()?.json()?;
    assert_eq!(none.pointer("/ratings/0"), None, "only her own");
    Ok(())
}

/// Two people at one machine whose agent runs as a service.
struct SharedMachine<'a> {
    site: &'a TestDeployment,
    agent: TestProgram,
    homes: tempfile::TempDir,
}

impl<'a> SharedMachine<'a> {
    /// In a mount namespace with a separate /run, where the programs can be reached by any user.
    fn new(site: &'a TestDeployment, people: &[&str]) -> Result<Self> {
        let binary = ProgramBinary::Agent.path()?;
        let programs = binary.parent().context("no directory")?;
        let data = site.directory("service")?;
        let string = site.enrolment("till")?.reveal();
        let let_in: Vec<String> = people.iter().map(|name| format!("--attended-by {name}")).collect();
        let script = format!(
            "mount -t tmpfs tmpfs /run && mkdir /run/bin && mount --bind '{}' /run/bin && \
             /run/bin/nearhand-agent --data '{data}' enrol {} && \
             exec /run/bin/nearhand-agent --data '{data}' run {}",
            programs.display(),
            *string,
            let_in.join(" "),
            data = data.display(),
        );
        let words = ["unshare", "-m", "sh", "-c", &script].map(str::to_owned);
        let mut agent = TestProgram::start("agent till", &words, site.data(), site.logs())?;
        agent.wait_for("control: connected", LIMIT)?;
        let homes = tempfile::tempdir()?;
        fs::set_permissions(homes.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self { site, agent, homes })
    }

    fn start(&self, name: &str, user: u32, args: &[&str]) -> Result<TestProgram> {
        let home = self.homes.path().join(name);
        if !home.exists() {
            fs::create_dir(&home)?;
            chown(&home, Some(user), Some(user))?;
        }
        let (pid, id) = (self.agent.pid().to_string(), user.to_string());
        let home = format!("HOME={}", home.display());
        let enter =
            ["nsenter", "-m", "-t", &pid, "setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"];
        let words =
            [&enter[..], &["env", "-u", "XDG_DATA_HOME", &home, "/run/bin/nearhand-agent"], args].concat();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        TestProgram::start(name, &words, Path::new("/"), self.site.logs())
    }
}

#[test]
fn two_people_at_one_machine_see_only_what_is_theirs() -> Result<()> {
    const DAEMON: u32 = 1;
    const BIN: u32 = 2;
    const SYS: u32 = 3;
    let site = TestDeployment::new()?;
    let shared = SharedMachine::new(&site, &["daemon", "bin"])?;
    let mut ann = shared.start("ann", DAEMON, &["attend"])?;
    let line = ann.wait_for("Your support code:", LIMIT)?;
    let digits: String = line.chars().filter(char::is_ascii_digit).take(12).collect();
    let mut ben = shared.start("ben", BIN, &["attend", "--no-code"])?;
    ben.wait_for("Type ? for help.", LIMIT)?;
    let mut client = site.admin().connect(&digits, &["--ask", "diagnostics", "--reason", "for Ann alone"])?;
    ann.wait_for("Type allow or deny", LIMIT)?;
    // Ben neither reads it nor can decide or end it.
    ben.type_line("allow")?;
    ben.wait_for("Nobody asks for anything", LIMIT)?;
    let mut look = shared.start("ben's look", BIN, &["status", "--json"])?;
    assert_eq!(look.exit(LIMIT)?, 0);
    assert!(!look.text().contains("Ada") && !look.text().contains("spoken"), "{}", look.text());
    let mut stop = shared.start("ben's stop", BIN, &["stop"])?;
    assert_eq!(stop.exit(LIMIT)?, 0);
    until(LIMIT, "Ann's answer counts", || {
        if ann.said(": allowed.") {
            return Ok(true);
        }
        ann.type_line("allow")?;
        std::thread::park_timeout(Duration::from_millis(500));
        Ok(false)
    })?;
    client.granted(true)?;
    client.say("only for Ann")?;
    ann.wait_for("only for Ann", LIMIT)?;
    assert!(!ben.said("Ada") && !ben.said("only for Ann"), "{}", ben.text());
    // Ben's presence doesn't make Ann's session seen.
    ann.kill()?;
    client.granted(false)?;
    client.ends_with(18)?;
    // A third user doesn't get in at all.
    let mut eve = shared.start("eve", SYS, &["status"])?;
    assert_ne!(eve.exit(LIMIT)?, 0);
    assert!(eve.text().contains("does not let this user in"), "{}", eve.text());
    Ok(())
}
