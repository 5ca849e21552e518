//! Programs as the user whose desktop it is, under exactly the rights of the agent's unit.

use anyhow::{Context, Result, ensure};
use nearhand_system_tests::{Machine, MachineNetwork, until};
use nearhand_test_programs::workspace;

use crate::organisation::{SOON, packaged};

/// The user's number.
const ADA: &str = "1234";

pub(crate) fn a_users_display_is_reached_under_the_units_rights(mut network: MachineNetwork) -> Result<()> {
    let device = packaged(network.machine("till")?)?.start()?;
    device.run(&["useradd", "--create-home", "--uid", ADA, "ada"])?;
    under_the_unit(&device)?;
    log_in(&device)?;
    let said = check(&device)?;
    ensure!(
        said.contains(&format!("The display :7 of user {ADA} can be seen and used.")),
        "{said}\n{}",
        device.journal()
    );
    ensure!(said.contains("800 × 600"), "{said}");
    // It was systemd that started it, and nothing of it is left or counts as failed.
    let log = device.journal();
    ensure!(log.contains("Nearhand: sees and uses a display"), "{log}");
    ensure!(
        device
            .run(&["systemctl", "list-units", "--all", "--plain", "--no-legend", "nearhand-user-*"])?
            .is_empty()
    );
    ensure!(device.run(&["systemctl", "--failed", "--no-legend"])?.is_empty());
    // The kernel does refuse the other way here: the test means something.
    let unit = text_of_unit()?;
    ensure!(!unit.contains("CAP_SETUID"), "the unit has the right to become anybody");
    ensure!(device.run(&["systemctl", "show", "--value", "--property=PrivateTmp", "look"])?.trim() == "yes");
    Ok(())
}

pub(crate) fn without_a_way_to_the_user_the_reason_is_told(mut network: MachineNetwork) -> Result<()> {
    let device = packaged(network.machine("till")?)?.start()?;
    device.run(&["useradd", "--create-home", "--uid", ADA, "ada"])?;
    under_the_unit(&device)?;
    log_in(&device)?;
    // The bus goes, and with it the way to systemd; who has which display is read from processes.
    device.run(&["systemctl", "stop", "dbus.socket", "dbus.service"])?;
    let said = check(&device)?;
    ensure!(!said.contains("can be seen"), "{said}");
    ensure!(
        said.contains(&format!("may not start a program as user {ADA}"))
            || said.contains("which display is in use"),
        "{said}"
    );
    Ok(())
}

fn text_of_unit() -> Result<String> {
    let path = workspace()?.join("packaging/systemd/nearhand-agent.service");
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// A unit that is the agent's but for what it runs.
fn under_the_unit(device: &Machine) -> Result<()> {
    let mut unit = String::new();
    for line in text_of_unit()?.lines() {
        let replaced = match line.split_once('=').map(|(name, _)| name) {
            Some("ExecStart") => "ExecStart=/usr/bin/nearhand-agent desktop --check",
            Some("Type") => "Type=oneshot\nStandardOutput=append:/run/said\nStandardError=append:/run/said",
            Some(
                "Restart" | "RestartSec" | "RestartSteps" | "RestartMaxDelaySec" | "WatchdogSec"
                | "ExecReload",
            ) => "",
            Some("ConditionPathExists" | "Wants") => "",
            _ => line,
        };
        unit.push_str(replaced);
        unit.push('\n');
    }
    device.write("/etc/systemd/system/look.service", &unit)?;
    device.run(&["systemctl", "daemon-reload"]).map(|_| ())
}

/// What the agent says of the display, under its unit's rights.
fn check(device: &Machine) -> Result<String> {
    // A check that finds nothing ends with another exit code; what it says is what counts.
    let _ = device.output(&["systemctl", "start", "look"], b"")?;
    device.run(&["cat", "/run/said"])
}

/// Ada logs in, with an X server of her own that only she may use.
fn log_in(device: &Machine) -> Result<()> {
    let session = "systemd-run --quiet --unit=ada-desktop --uid=ada -p PAMName=login -E XDG_SESSION_TYPE=x11 \
                   -E XDG_SESSION_CLASS=user -E DISPLAY=:7 -E HOME=/home/ada \
                   Xvfb :7 -screen 0 800x600x24 -nolisten tcp -noreset";
    device.shell(session)?;
    until(SOON, "the X server", || {
        Ok(device.output(&["test", "-S", "/tmp/.X11-unix/X7"], b"")?.status.success())
    })
    .with_context(|| device.journal())?;
    Ok(())
}
