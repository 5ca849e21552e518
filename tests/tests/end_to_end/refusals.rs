//! Everything that keeps a session from beginning, with the real programs: each has its own exit code and its own
//! words, and costs nothing that it shouldn't.

use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_proto::support_code::SupportCode;
use nearhand_tests::deployment::TestDeployment;
use rand_core::OsRng;
use rustix::process::Signal;

/// A code with the same routing digits and a right check digit, but another secret.
fn guess(code: &str) -> Result<String> {
    let routing = code.parse::<SupportCode>()?.routing();
    loop {
        let guess = SupportCode::generate(routing, &mut OsRng).spoken();
        if guess != code {
            return Ok(guess);
        }
    }
}

/// The code with one digit mistyped.
fn slip(code: &str) -> Result<String> {
    let last = code.chars().last().and_then(|c| c.to_digit(10)).context("no digit")?;
    let rest = code.get(..code.len() - 1).context("no code")?;
    Ok(format!("{rest}{}", (last + 1) % 10))
}

#[test]
fn a_wrong_code_burns_it_and_a_slip_of_the_finger_does_not() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let connect = |code: &str| site.admin().run(&["connect", code]);
    connect(&slip(&console.code)?)?.fails_with(9)?.says("did not use it up")?;
    assert_eq!(agent.audited("code.burnt")?, 0);
    connect(&guess(&console.code)?)?.fails_with(9)?.says("wrong-code")?;
    console.sees("somebody tried a wrong code, so this one no longer counts")?;
    agent.has_audited("code.burnt", 1)?;
    connect(&console.code)?.fails_with(10)?.says("no-such-code")?;
    // A new one works, after a slip too.
    console.types("/code")?;
    let code = console.next_code()?;
    connect(&slip(&code)?)?.fails_with(9)?;
    connect(&code)?.ok()?;
    console.sees("The session is over: ended by the technician")?;
    connect(&code)?.fails_with(10)?;
    Ok(())
}

#[test]
fn nobody_and_nothing_has_its_own_exit_code() -> Result<()> {
    let mut site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    let admin = site.admin().clone();
    let connect = |target: &str| admin.run(&["connect", target, "--ask", "diagnostics"]);
    connect("pc-2")?.fails_with(7)?.says("no-such-device")?;
    let nobody = SupportCode::generate(1234.try_into().map_err(anyhow::Error::msg)?, &mut OsRng).spoken();
    connect(&nobody)?.fails_with(10)?;
    let diagnose = || admin.run(&["diagnose", "pc-1", "--quick"]);
    diagnose()?.fails_with(11)?.says("its policy does not allow it unattended")?;
    // A policy with a mistake allows nothing.
    std::fs::write(agent.data().join("policy.toml"), "[[allow]]\ntechnician = \"*\"\n")?;
    diagnose()?.fails_with(11)?;
    agent.run(&["policy"])?.fails_with(1)?.says("unknown field")?;
    // And one for something else is not one for this.
    agent.allow("\"view\"", true)?;
    diagnose()?.fails_with(11)?;
    // A crashed agent is not known to be away yet; it doesn't answer.
    agent.program.signal(Signal::KILL)?;
    connect("pc-1")?.fails_with(12)?.says("did not answer in time")?;
    agent.restart()?;
    agent.wait_connected()?;
    agent.program.signal(Signal::TERM)?;
    assert_eq!(agent.program.exit(Duration::from_secs(10))?, 0);
    connect("pc-1")?.fails_with(8)?.says("offline")?;
    site.relay.kill()?;
    connect("pc-1")?.fails_with(4)?.says("unreachable")?;
    site.restart_relay()?;
    connect("pc-1")?.fails_with(8)?;
    let stranger = site.directory("stranger")?.join("home");
    site.admin().run(&["--home", &stranger.to_string_lossy(), "devices"])?.fails_with(2)?;
    Ok(())
}

#[test]
fn the_person_can_deny_and_the_code_is_gone() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client = site.admin().start(&["diagnose", &console.code, "--quick"])?;
    console.sees("Type allow or deny")?;
    console.types("deny")?;
    client.ends_with(11)?;
    assert!(client.program.said("denied by the person"));
    agent.has_audited("deny", 1)?;
    assert_eq!(agent.audited("grant")?, 0);
    Ok(())
}

/// Takes the whole minute that a person has.
#[test]
fn no_answer_is_a_no() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let mut console = agent.attend()?;
    let mut client = site.admin().start(&["diagnose", &console.code, "--quick"])?;
    console.sees("no answer within 60 s counts as deny")?;
    console.sees_within("nobody answered", Duration::from_secs(75))?;
    client.ends_with(12)?;
    assert_eq!(agent.audited("grant")?, 0);
    Ok(())
}

/// The check that no log holds a secret can fail: it finds one that is there.
#[test]
fn the_search_for_secrets_in_logs_finds_one() -> Result<()> {
    let site = TestDeployment::new()?;
    assert_eq!(site.leaks(), Vec::<String>::new());
    let logged = site.relay.text();
    let word = logged.split_whitespace().find_map(|w| w.strip_prefix("key=")).context("no word")?.to_owned();
    site.keep_secret("a canary", &word);
    assert_eq!(site.leaks(), ["a canary in the log of relay"]);
    site.reveal_all();
    Ok(())
}
