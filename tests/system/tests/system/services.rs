//! The units as systemd runs them.

use anyhow::{Context, Result, ensure};
use nearhand_system_tests::{Machine, MachineNetwork};

use crate::organisation::{Organisation, SOON, connected, packaged};

/// What `systemd-analyze security` may say at most, of 10: the relay needs a port and a directory, the agent reads a machine.
const EXPOSURE: [(&str, f64); 2] = [("nearhand-relay", 1.5), ("nearhand-agent", 4.5)];
/// More failures than systemd's own limit of five in ten seconds.
const MANY: u32 = 7;

pub(crate) fn units_are_hardened_and_the_programs_work_in_them(mut network: MachineNetwork) -> Result<()> {
    let organisation = Organisation::start(&mut network)?;
    let device = organisation.device(&mut network, "till")?;
    for (unit, most) in EXPOSURE {
        let machine = if unit == "nearhand-relay" { &organisation.relay } else { &device };
        let said = machine.run(&["systemd-analyze", "security", "--no-pager", unit])?;
        let line = said.lines().find(|line| line.contains("Overall exposure level")).context("no level")?;
        let level: f64 = line.split_whitespace().find_map(|word| word.parse().ok()).context("no number")?;
        ensure!(level <= most, "{unit}: {level} of 10\n{said}");
        // What the kernel holds it to is what the unit says.
        let pid = machine.unit(unit, "MainPID")?;
        let status = machine.run(&["cat", &format!("/proc/{pid}/status")])?;
        ensure!(field(&status, "NoNewPrivs") == Some("1"), "{unit} may gain privileges\n{status}");
        ensure!(field(&status, "Seccomp") == Some("2"), "{unit} may call what it likes\n{status}");
        let bound = field(&status, "CapBnd").context("no bounding set")?;
        let bound = u64::from_str_radix(bound, 16)?;
        // CAP_SETUID, CAP_SETGID, CAP_SYS_MODULE, CAP_SYS_TIME are nobody's; the relay has none at all.
        for capability in [7, 6, 16, 25] {
            ensure!(bound & (1 << capability) == 0, "{unit} has capability {capability}\n{status}");
        }
        ensure!(unit != "nearhand-relay" || bound == 0, "the relay has capabilities\n{status}");
        let warnings = machine.output(&["systemd-analyze", "verify", &format!("{unit}.service")], b"")?;
        let warnings = String::from_utf8_lossy(&warnings.stderr).into_owned();
        // systemd before 254 doesn't know these two.
        let ours =
            |line: &&str| line.contains("nearhand") && !line.contains("Restart") && !line.contains(".md");
        ensure!(warnings.lines().find(ours).is_none(), "{warnings}");
    }
    ensure!(organisation.sees("till")?, "the relay doesn't see the device");
    Ok(())
}

pub(crate) fn a_reboot_and_a_power_off_are_told_as_what_they_are(mut network: MachineNetwork) -> Result<()> {
    let organisation = Organisation::start(&mut network)?;
    let mut device = organisation.device(&mut network, "till")?;
    // A restart of the service alone is told as such: the lines below mean something.
    device.run(&["systemctl", "restart", "nearhand-agent"])?;
    connected(&device)?;
    ensure!(goodbyes(&device)? == ["AgentStops"], "{:?}\n{}", goodbyes(&device)?, device.journal());
    device.reboot()?;
    connected(&device)?;
    ensure!(
        goodbyes(&device)? == ["AgentStops", "Restart"],
        "{:?}\n{}",
        goodbyes(&device)?,
        device.journal()
    );
    // What the relay was told is what its own rule goes by: no alarm about a device that was switched off on purpose.
    device.power_off()?;
    nearhand_system_tests::until(SOON, "the relay notices", || Ok(!organisation.sees("till")?))?;
    Ok(())
}

pub(crate) fn a_port_that_is_taken_for_long_is_taken_back(mut network: MachineNetwork) -> Result<()> {
    let organisation = Organisation::start(&mut network)?;
    let relay = &organisation.relay;
    relay.run(&["systemctl", "stop", "nearhand-relay"])?;
    // systemd itself has the port, in the name of another program.
    relay.write("/etc/systemd/system/other.socket", "[Socket]\nListenDatagram=[::]:7443\n")?;
    relay.write("/etc/systemd/system/other.service", "[Service]\nExecStart=/bin/sleep infinity\n")?;
    retry_soon(relay, "nearhand-relay")?;
    relay.run(&["systemctl", "start", "other.socket"])?;
    relay.run(&["systemctl", "start", "--no-block", "nearhand-relay"])?;
    fails_often(relay, "nearhand-relay")?;
    let log = relay.log_of("nearhand-relay")?;
    ensure!(log.contains("is another program using it?"), "the relay doesn't say what is wrong\n{log}");
    relay.run(&["systemctl", "stop", "other.socket"])?;
    relay.unit_becomes("nearhand-relay", "ActiveState", SOON, |state| state == "active")?;
    relay.run(&["nearhand", "devices"]).map(|_| ())
}

pub(crate) fn an_agent_that_fails_at_once_many_times_comes_back(mut network: MachineNetwork) -> Result<()> {
    let organisation = Organisation::start(&mut network)?;
    let device = organisation.device(&mut network, "till")?;
    retry_soon(&device, "nearhand-agent")?;
    let home = "/var/lib/nearhand-agent";
    device.shell(&format!("mv {home}/enrolment {home}/kept && head -c 10 {home}/kept >{home}/enrolment && chmod 600 {home}/enrolment"))?;
    device.run(&["systemctl", "restart", "--no-block", "nearhand-agent"])?;
    fails_often(&device, "nearhand-agent")?;
    device.shell(&format!("mv {home}/kept {home}/enrolment"))?;
    connected(&device)
}

pub(crate) fn a_program_that_hangs_is_started_anew(mut network: MachineNetwork) -> Result<()> {
    let organisation = Organisation::start(&mut network)?;
    let device = organisation.device(&mut network, "till")?;
    for (machine, unit) in [(&organisation.relay, "nearhand-relay"), (&device, "nearhand-agent")] {
        ensure!(machine.unit(unit, "Type")? == "notify", "{unit} doesn't say when it is ready");
        ensure!(machine.unit(unit, "WatchdogUSec")? == "1min", "{unit} has another watchdog");
        // The same in a minute less.
        let place = format!("/etc/systemd/system/{unit}.service.d/soon.conf");
        machine.write(&place, "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n")?;
        machine.shell(&format!("systemctl daemon-reload && systemctl restart {unit}"))?;
        let pid = machine.unit(unit, "MainPID")?;
        // It lives longer than its watchdog, so its loop does feed it.
        let fed = machine.unit(unit, "WatchdogTimestampMonotonic")?;
        let fed: u64 = fed.parse().with_context(|| fed.clone())?;
        machine.unit_becomes(unit, "WatchdogTimestampMonotonic", SOON, |now| {
            now.parse::<u64>().is_ok_and(|now| now > fed + 4_000_000)
        })?;
        ensure!(machine.unit(unit, "MainPID")? == pid, "{unit} was restarted\n{}", machine.journal());
        machine.run(&["kill", "-STOP", &pid])?;
        machine.unit_becomes(unit, "MainPID", SOON, |now| now != pid && now != "0")?;
        machine.unit_becomes(unit, "ActiveState", SOON, |state| state == "active")?;
    }
    connected(&device)
}

pub(crate) fn an_enrolled_agent_starts_by_itself_and_stays_stopped(
    mut network: MachineNetwork,
) -> Result<()> {
    let organisation = Organisation::start(&mut network)?;
    let device = packaged(network.machine("till")?)?.start()?;
    let unit = "nearhand-agent";
    device.run(&["systemctl", "enable", "--now", unit])?;
    ensure!(device.unit(unit, "ActiveState")? == "inactive", "it runs though it isn't enrolled");
    let string = organisation.enrolment_string("till")?;
    let said = device.feed(&["nearhand-agent", "enrol", "-"], string.as_bytes())?;
    ensure!(said.contains("starts by itself"), "{said}");
    connected(&device)?;
    // Its owner stops it: it stays so, though the enrolment is there and is looked at.
    device.run(&["systemctl", "stop", unit])?;
    device.write("/etc/systemd/system/later.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")?;
    device.run(&["systemctl", "start", "later"])?;
    ensure!(device.unit(unit, "ActiveState")? == "inactive", "it is back\n{}", device.journal());
    ensure!(device.unit(unit, "Job")?.is_empty(), "it is about to be back\n{}", device.journal());
    Ok(())
}

/// As shipped, but with less waiting between two tries. systemd's own limit of five in ten seconds is met sooner still.
fn retry_soon(machine: &Machine, unit: &str) -> Result<()> {
    machine
        .write(&format!("/etc/systemd/system/{unit}.service.d/soon.conf"), "[Service]\nRestartSec=100ms\n")?;
    machine.run(&["systemctl", "daemon-reload"]).map(|_| ())
}

/// Waits until a service has failed more often than systemd takes by default, and is still tried again.
fn fails_often(machine: &Machine, unit: &str) -> Result<()> {
    machine.unit_becomes(unit, "NRestarts", SOON, |count| {
        count.parse::<u32>().is_ok_and(|count| count >= MANY)
    })?;
    let state = machine.unit(unit, "ActiveState")?;
    ensure!(state != "failed", "{unit} was given up\n{}", machine.journal());
    Ok(())
}

/// What the relay has confirmed to have heard, in order.
fn goodbyes(device: &Machine) -> Result<Vec<String>> {
    let log = device.log_of("nearhand-agent")?;
    let said = log.lines().filter(|line| line.contains("the relay knows that this machine leaves"));
    Ok(said
        .filter_map(|line| line.split_once("leaving=")?.1.split_whitespace().next().map(str::to_owned))
        .collect())
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}
