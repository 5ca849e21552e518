//! `nearhand-agent enrol STRING`: makes this machine a device of an organisation.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use nearhand_proto::credential::{Credential, Role};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::EnrolmentString;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{RelayHello, RelayRequest};
use nearhand_proto::text;
use nearhand_transport::control::RelayConnection;
use rand_core::OsRng;

use crate::home::{AgentHome, AgentHomeError, Enrolment};
use crate::hub::Hub;
use crate::platform;
use crate::service::facts;

/// The string, and what to do if the device is enrolled already.
#[derive(Debug, Args)]
pub(crate) struct AgentEnrolArgs {
    /// The enrolment string (begins with nearhand-enrol-); - reads it from standard input
    string: String,
    /// Enrol although this device is enrolled already
    #[arg(long)]
    again: bool,
}

pub(crate) async fn run(home: AgentHome, args: AgentEnrolArgs) -> anyhow::Result<ExitCode> {
    let is_copy = match home.refuse_copy() {
        Err(AgentHomeError::Copied) => true,
        other => other.map(|()| false)?,
    };
    match home.enrolment() {
        // It is the original's.
        Ok(_) if is_copy => {}
        Ok(old) if !args.again => bail!(
            "this device belongs to {} already; --again enrols it anew",
            text::one_line(&old.organisation_name, 64)
        ),
        Ok(_) | Err(AgentHomeError::NotEnrolled) => {}
        Err(error) => return Err(error.into()),
    }
    let string: EnrolmentString = read_string(&args.string)?.parse()?;
    // A copy's key is the original's, and must not become this machine's as well. It stays until the relay has taken the new
    // one: a mistyped string costs nothing.
    let key = if is_copy { SecretKey::generate(&mut OsRng) } else { home.key()? };
    let now = Hub::now();
    let credential = Credential::join(string.invite.clone(), &string.secret.key(), &key.public(), now)?;
    let verified =
        credential.verify(&string.organisation, now).context("the enrolment string does not hold")?;
    if verified.invite.role != Role::Device {
        bail!("this string is for a {}, not for a device", verified.invite.role);
    }
    let relay = RelayConnection::dial(&string.relay, &key).await?;
    relay.hello(RelayHello::Newcomer { program: ProgramInfo::this() }).await?;
    relay.done(&RelayRequest::Join { credential: credential.clone(), facts: Some(facts()) }).await?;
    relay.finish().await;
    let enrolment = Enrolment {
        relay: string.relay,
        organisation: string.organisation,
        organisation_name: verified.invite.organisation_name.clone(),
        credential: Some(credential),
    };
    let service = ServiceUnits::find(&home).await;
    if is_copy {
        home.leave_original(&key)?;
    } else {
        home.adopt()?;
    }
    home.save_enrolment(&enrolment)?;
    println!("Enrolled as {:?} with {}.", verified.invite.name, verified.invite.organisation_name);
    println!("Device id: {}", key.public().device_id());
    println!("{}", service.what_is_next());
    Ok(ExitCode::SUCCESS)
}

/// The service's units before this machine was enrolled, if they are installed.
struct ServiceUnits(Option<(String, String)>);

impl ServiceUnits {
    async fn find(home: &AgentHome) -> Self {
        // Another directory than the service's is somebody's own affair.
        if !home.is_default() || !platform::is_root() {
            return Self(None);
        }
        let states = async {
            let bus = zbus::Connection::system().await.ok()?;
            let path = unit_state(&bus, "nearhand-agent.path").await?;
            Some((path, unit_state(&bus, "nearhand-agent.service").await?))
        };
        Self(states.await)
    }

    /// How the agent comes to run.
    fn what_is_next(&self) -> &'static str {
        match self.0.as_ref().map(|(path, service)| (path.as_str(), service.as_str())) {
            Some((_, "active" | "activating")) => {
                "The agent still runs with what it knew before: systemctl restart nearhand-agent"
            }
            Some(("active", _)) => "The agent starts by itself now.",
            Some(_) => "Start the agent: systemctl enable --now nearhand-agent",
            None => "Start the agent: nearhand-agent run",
        }
    }
}

/// The state of a unit that systemd knows; `None` for one that isn't installed.
async fn unit_state(bus: &zbus::Connection, unit: &str) -> Option<String> {
    let systemd = "org.freedesktop.systemd1";
    let manager = Some("org.freedesktop.systemd1.Manager");
    let found =
        bus.call_method(Some(systemd), "/org/freedesktop/systemd1", manager, "LoadUnit", &(unit,)).await;
    let path: zbus::zvariant::OwnedObjectPath = found.ok()?.body().deserialize().ok()?;
    let property = async |name: &str| {
        let interface = Some("org.freedesktop.DBus.Properties");
        let about = ("org.freedesktop.systemd1.Unit", name);
        let reply = bus.call_method(Some(systemd), &path, interface, "Get", &about).await.ok()?;
        let value: zbus::zvariant::OwnedValue = reply.body().deserialize().ok()?;
        String::try_from(value).ok()
    };
    if property("LoadState").await? != "loaded" {
        return None;
    }
    property("ActiveState").await
}

/// The argument, or standard input for `-`: so a secret string stays out of the process list.
pub(crate) fn read_string(argument: &str) -> anyhow::Result<String> {
    if argument == "-" {
        return std::io::read_to_string(std::io::stdin()).context("standard input can't be read");
    }
    Ok(argument.to_owned())
}
