//! An organisation on machines: a relay as its unit runs it, the administrator's program next to it, devices.

use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_system_tests::{Machine, MachineNetwork, MachineSetup};
use nearhand_test_programs::{ProgramBinary, workspace};

/// How long a service may take to do what it is waited for, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// With our programs and units, as a package would bring them.
pub(crate) fn packaged(setup: MachineSetup) -> Result<MachineSetup> {
    let units = workspace()?.join("packaging/systemd");
    let mut setup = setup;
    for program in ["nearhand-agent", "nearhand-relay", "nearhand"] {
        let file = ProgramBinary::Agent.path()?.with_file_name(program);
        setup = setup.with(&file, &format!("/usr/bin/{program}"));
    }
    for unit in ["nearhand-agent.service", "nearhand-agent.path", "nearhand-relay.service"] {
        let text = std::fs::read(units.join(unit)).with_context(|| unit)?;
        setup = setup.file(&format!("usr/lib/systemd/system/{unit}"), &text, 0o644)?;
    }
    Ok(setup)
}

/// A relay with its organisation, on a machine of its own.
pub(crate) struct Organisation {
    pub(crate) relay: Machine,
}

impl Organisation {
    /// Made as docs/relay.md says.
    pub(crate) fn start(network: &mut MachineNetwork) -> Result<Self> {
        let relay = packaged(network.machine("relay")?)?.start()?;
        let init = "systemd-run --quiet --wait --pipe -p DynamicUser=yes -p StateDirectory=nearhand-relay \
                    -p StateDirectoryMode=0700 /usr/bin/nearhand-relay init --data /var/lib/nearhand-relay --host ";
        let said = relay.shell(&format!("{init}{}", relay.address()))?;
        relay.run(&["systemctl", "enable", "--now", "nearhand-relay"])?;
        let claim = word_in(&said, "nearhand-claim-")?;
        let claimed = ["nearhand", "claim", "-", "--organisation", "Demo", "--name", "Ada Lovelace"];
        relay.feed(&claimed, claim.as_bytes())?;
        Ok(Self { relay })
    }

    /// The string that makes a machine a device.
    pub(crate) fn enrolment_string(&self, device: &str) -> Result<String> {
        let said = self.relay.run(&["nearhand", "enrol", device])?;
        word_in(&said, "nearhand-enrol-").map(str::to_owned)
    }

    /// A device whose service runs and is connected.
    pub(crate) fn device(&self, network: &mut MachineNetwork, name: &str) -> Result<Machine> {
        let device = packaged(network.machine(name)?)?.start()?;
        device.feed(&["nearhand-agent", "enrol", "-"], self.enrolment_string(name)?.as_bytes())?;
        device.run(&["systemctl", "enable", "--now", "nearhand-agent"])?;
        connected(&device)?;
        Ok(device)
    }

    /// Whether the relay has that device connected.
    pub(crate) fn sees(&self, device: &str) -> Result<bool> {
        let list = self.relay.run(&["nearhand", "devices", "--json"])?;
        let connected = list.split('{').any(|one| {
            one.contains(&format!("\"{device}\"")) && one.replace(' ', "").contains("\"online\":true")
        });
        Ok(connected)
    }
}

/// Waits until the agent of a machine says that it is connected.
pub(crate) fn connected(device: &Machine) -> Result<()> {
    let mut said = String::new();
    let waited = nearhand_system_tests::until(SOON, "connected", || {
        let output = device.output(&["nearhand-agent", "status"], b"")?;
        said = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(said.contains(": connected"))
    });
    waited.map(|_| ()).with_context(|| format!("{said}\n--- journal\n{}", device.journal()))
}

/// The first word that begins with `start`.
pub(crate) fn word_in<'a>(text: &'a str, start: &str) -> Result<&'a str> {
    text.split_whitespace()
        .find(|word| word.starts_with(start))
        .with_context(|| format!("no {start}… in {text}"))
}
