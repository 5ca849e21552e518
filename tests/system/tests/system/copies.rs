//! Disks that were copied.

use anyhow::{Result, ensure};
use nearhand_system_tests::{MachineNetwork, until};

use crate::organisation::{Organisation, SOON, connected, packaged};

pub(crate) fn a_copied_disk_does_not_use_the_originals_key(mut network: MachineNetwork) -> Result<()> {
    let organisation = Organisation::start(&mut network)?;
    let original = organisation.device(&mut network, "till")?;
    let disk = original.output(&["tar", "-C", "/var/lib", "-c", "nearhand-agent"], b"")?;
    let copy = packaged(network.machine("copy")?)?.start()?;
    let unpack = ["tar", "-C", "/var/lib", "-x", "--exclude=agent.sock"];
    ensure!(copy.output(&unpack, &disk.stdout)?.status.success(), "the copy can't be made");
    copy.run(&["systemctl", "enable", "--now", "nearhand-agent"])?;
    // It says so wherever somebody looks.
    copy.unit_becomes("nearhand-agent", "StatusText", SOON, |text| text.contains("copy of another machine"))?;
    let said = copy.output(&["nearhand-agent", "status"], b"")?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(said.contains("copy of another machine") && said.contains("nearhand-agent adopt"), "{said}");
    ensure!(copy.log_of("nearhand-agent")?.contains("copy of another machine"), "{}", copy.journal());
    ensure!(!copy.log_of("nearhand-agent")?.contains("connected"), "{}", copy.journal());
    // The original was never disturbed.
    connected(&original)?;
    ensure!(
        !original.log_of("nearhand-agent")?.contains("the connection to the relay ended"),
        "{}",
        original.journal()
    );
    // Its owner makes it a device of its own; the service goes on by itself, with another key.
    copy.feed(&["nearhand-agent", "enrol", "-"], organisation.enrolment_string("till 2")?.as_bytes())?;
    connected(&copy)?;
    let key = ["sha256sum", "/var/lib/nearhand-agent/device.key"];
    ensure!(copy.run(&key)? != original.run(&key)?, "both have one key");
    until(SOON, "both are there", || Ok(organisation.sees("till")? && organisation.sees("till 2")?))
        .map(|_| ())?;
    // The same device after a new installation: its owner says so.
    original.shell("systemd-id128 new >/etc/machine-id && systemctl restart nearhand-agent")?;
    original.unit_becomes("nearhand-agent", "StatusText", SOON, |text| {
        text.contains("copy of another machine")
    })?;
    original.run(&["nearhand-agent", "adopt"])?;
    connected(&original)
}
