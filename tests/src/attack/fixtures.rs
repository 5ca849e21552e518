//! What most attacks begin with: a site, a technician who speaks for herself.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use nearhand_proto::id::SessionId;
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::message::control::{RelayRefusal, RelayReply, SessionTarget};
use nearhand_proto::message::session::{AgentHello, TechnicianProof};
use nearhand_proto::support_code::RoutingDigits;
use nearhand_transport::key_file;
use serde_json::Value;

use crate::deployment::{ProgramPlace, TestDeployment};
use crate::parties::{TestAgent, TestClient, TestTechnician};
use crate::wire_client::{SessionWire, WireEndpoint, WireMember};

/// The address of a site's relay, with its key.
pub(super) fn address(site: &TestDeployment) -> Result<RelayAddress> {
    let key = key_file::load_key(&site.data().join("relay.key"))?.public();
    Ok(RelayAddress { host: "127.0.0.1".to_owned(), port: site.port, key })
}

pub(super) fn refused(reply: &RelayReply) -> Option<&RelayRefusal> {
    match reply {
        RelayReply::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

/// The session that an event is of.
pub(super) fn session_id(event: &Value) -> Result<SessionId> {
    let id = event.get("session").and_then(|id| id.as_str()).context("no id")?;
    id.parse().map_err(|_| anyhow::anyhow!("{id} is no id"))
}

/// A site with a device, and a technician who speaks for herself.
pub(super) fn with_eve(policy: bool) -> Result<(TestDeployment, TestAgent, WireEndpoint, WireMember)> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let agent = site.device_at("pc-1", ProgramPlace::without_displays())?;
    if policy {
        agent.allow("\"diagnostics\"", true)?;
    }
    let eve = wire.join(&site.invite("Eve")?)?;
    Ok((site, agent, wire, eve))
}

/// A managed session of hers.
pub(super) fn session(site: &TestDeployment, wire: &WireEndpoint, eve: &WireMember) -> Result<SessionWire> {
    let control = eve.connect(wire)?;
    let mut session = control.open(eve, SessionTarget::Device(site.device_id("pc-1")?))?;
    let ready = session.hello(TechnicianProof::Managed)?;
    ensure!(matches!(ready, AgentHello::Ready(_)), "{ready:?}");
    Ok(session)
}

/// A session with a device that its owner's policy lets begin unasked.
pub(super) fn managed(technician: &TestTechnician, agent: &TestAgent, label: &str) -> Result<TestClient> {
    agent.allow("\"diagnostics\"", true)?;
    let mut client = technician.connect(label, &["--ask", "diagnostics"])?;
    client.event("connected")?;
    client.event("granted")?;
    Ok(client)
}

pub(super) fn routing(number: u16) -> Result<RoutingDigits> {
    RoutingDigits::new(number).context("too many digits")
}

/// Whether this runs as root and can become somebody else.
pub(super) fn can_be_nobody() -> bool {
    let tried =
        Command::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}
