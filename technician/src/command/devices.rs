//! `nearhand devices`: the organisation's devices, with what the organisation signed of them told apart from
//! what they and the relay say.

use nearhand_proto::credential::Revocations;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::DeviceEntry;
use nearhand_proto::time::UnixMillis;
use serde::Serialize;

use crate::clock;
use crate::context::CommandContext;
use crate::exit::CommandFailure;
use crate::home::KnownDevices;
use crate::membership::Membership;
use crate::output::{TableCell, TextTone};

/// Arguments of `nearhand devices`.
#[derive(clap::Args)]
pub struct DevicesArgs {
    /// Only those that are connected
    #[arg(long)]
    online: bool,
}

#[derive(Serialize)]
struct DeviceListing {
    devices: Vec<ListedDevice>,
}

/// A device as it is shown.
#[derive(Serialize)]
struct ListedDevice {
    id: String,
    /// Signed by the organisation; empty if it isn't.
    label: String,
    membership: Membership,
    online: bool,
    last_seen: String,
    valid_until: Option<String>,
    /// Whether its key is known here from a session.
    met: bool,
    hostname: String,
    os: String,
    version: String,
}

/// Lists devices.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses, or a file in the technician's directory can't be
/// read.
pub async fn run(ctx: &CommandContext, args: &DevicesArgs) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    let entries = relay.devices().await?;
    let (revocations, known) = (relay.home().revocations()?, relay.home().known_devices()?);
    let organisation = relay.identity().profile.organisation;
    relay.finish().await;
    let now = clock::now();
    let devices = entries
        .into_iter()
        .filter(|entry| entry.online || !args.online)
        .map(|entry| device(entry, &organisation, &revocations, &known, now))
        .collect::<Vec<_>>();
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&DeviceListing { devices })?);
    }
    if devices.is_empty() {
        ctx.output.note("No devices. `nearhand enrol NAME` adds one.");
        return Ok(());
    }
    let rows: Vec<_> = devices.into_iter().map(row).collect();
    Ok(ctx.output.table(&["LABEL", "CONNECTED", "MEMBERSHIP", "SYSTEM", "HOST", "VERSION", "ID"], &rows)?)
}

fn device(
    entry: DeviceEntry,
    organisation: &PublicKey,
    revocations: &Revocations,
    known: &KnownDevices,
    now: UnixMillis,
) -> ListedDevice {
    let (membership, who) = Membership::of(&entry.credential, organisation, revocations, now);
    // An entry under another id than its credential's is the relay's invention.
    let who = who.filter(|who| who.device_id() == Some(entry.id));
    ListedDevice {
        id: entry.id.to_string(),
        label: who.as_ref().map(|w| w.invite.name.clone()).unwrap_or_default(),
        membership: if who.is_some() { membership } else { Membership::Unsigned },
        online: entry.online,
        last_seen: entry.last_seen.to_string(),
        valid_until: who.map(|w| w.invite.valid_until.to_string()),
        met: known.find(entry.id).is_some(),
        hostname: entry.facts.hostname.into_string(),
        os: entry.facts.os.into_string(),
        version: entry.version.into_string(),
    }
}

fn row(device: ListedDevice) -> Vec<TableCell> {
    let connected = if device.online {
        TableCell::toned("now", TextTone::Good)
    } else {
        TableCell::toned(device.last_seen, TextTone::Faint)
    };
    let label = if device.label.is_empty() { "?".to_owned() } else { device.label };
    let membership = TableCell::toned(device.membership.name(), device.membership.tone());
    vec![
        label.into(),
        connected,
        membership,
        device.os.into(),
        device.hostname.into(),
        device.version.into(),
        device.id.into(),
    ]
}
