//! A relay in the wrong hands, against real agents and clients: it has the stolen key and port of the real one and
//! can cause an outage, nothing else. The attacks are in `src/attack/relay.rs`; here is what shows that they can fail, with
//! a relay that does what it should, and with a client that doesn't check who answers.
//!
//! Tried with mutants: see `mutants/attacks`.

use anyhow::{Context, Result};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::message::control::{self, SessionTarget};
use nearhand_proto::message::session::{AgentHello, FromTechnician, TechnicianProof};
use nearhand_proto::support_code::RoutingDigits;
use nearhand_tests::attack;
use nearhand_tests::deployment::{LIMIT, TestDeployment};
use nearhand_tests::hostile_relay::{HostileRelay, RelayBehaviour, stand_in, stolen};
use nearhand_tests::program::until;
use nearhand_tests::wire_client::WireEndpoint;
use nearhand_transport::key_file;
use rand_core::OsRng;

/// A test of each case of this group.
macro_rules! tests {
    ($($group:ident $cases:tt)*) => { $(of_group!($group $cases);)* };
}

macro_rules! of_group {
    (relay { $($name:ident = $what:literal;)* }) => {
        mod relay {
            $(#[test]
            fn $name() -> anyhow::Result<()> {
                super::attack::case("relay", stringify!($name))?.test().map(|_| ())
            })*
        }
    };
    ($other:ident $cases:tt) => {};
}

nearhand_tests::attack_cases!(tests);

/// What no relay may ever read.
const MARKER: &str = "my bank's password is swordfish";

fn routing(number: u16) -> Result<RoutingDigits> {
    RoutingDigits::new(number).context("too many digits")
}

#[test]
fn an_honest_relay_of_ours_works_so_the_failures_below_are_its_misdeeds() -> Result<()> {
    let (site, agent, _wire, relay) = stolen(RelayBehaviour::Honestly)?;
    site.admin().run(&["diagnose", "pc-1", "--quick", "--reason", MARKER])?.ok()?;
    let mut console = agent.attend()?;
    let mut client = site.admin().connect(&console.code, &["--reason", MARKER])?;
    client.event("connected")?;
    console.sees(MARKER)?;
    client.end()?;
    assert_eq!((relay.heard(), agent.audited("session.start")?), (0, 2));
    Ok(())
}

#[test]
fn a_client_that_does_not_check_is_overheard() -> Result<()> {
    let (mut site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let careless = wire.join(&site.invite("Careless")?)?;
    let mut agent = site.device("pc-1")?;
    let relay = HostileRelay::steal(&mut site, &wire, RelayBehaviour::SkippingTheProof)?;
    agent.restart()?;
    agent.wait_connected()?;
    let control = careless.connect(&wire)?;
    let mut session = control.open(&careless, SessionTarget::Code(routing(1234)?))?;
    let ready = session.hello(TechnicianProof::Code(vec![1; 33]))?;
    assert!(matches!(ready, AgentHello::Ready(_)), "{ready:?}");
    session.say(&FromTechnician::Reason(MARKER.to_owned()))?;
    until(LIMIT, "the relay hears it", || Ok(relay.has_heard(MARKER)))?;
    Ok(())
}

#[test]
fn another_version_and_another_key_are_told_apart() -> Result<()> {
    let (mut site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let mut agent = site.device("pc-1")?;
    site.relay.kill()?;
    let key = key_file::load_key(&site.data().join("relay.key"))?;
    let newer = stand_in(&wire, site.port, &key, b"nearhand-relay/2")?;
    site.admin().run(&["devices"])?.fails_with(16)?.says("does not speak this version")?;
    agent.restart()?;
    agent.program.wait_for("does not speak this version", LIMIT)?;
    newer.close(0_u32.into(), b"");
    drop(newer);
    let other = SecretKey::generate(&mut OsRng);
    let stand_in = free_again(|| stand_in(&wire, site.port, &other, control::ALPN))?;
    site.admin().run(&["devices"])?.fails_with(5)?.says("is not the relay")?;
    agent.restart()?;
    agent.program.wait_for("is not the relay", LIMIT)?;
    drop(stand_in);
    Ok(())
}

/// Once the port is free again.
fn free_again<T>(mut open: impl FnMut() -> Result<T>) -> Result<T> {
    let mut opened = None;
    until(LIMIT, "the port is free", || {
        opened = open().ok();
        Ok(opened.is_some())
    })?;
    opened.context("it isn't")
}
