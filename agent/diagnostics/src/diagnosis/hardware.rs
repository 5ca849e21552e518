//! Rules about the machine and its operating system.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use super::release_table::{is_rolling, last_day};
use super::show::{bytes, day_number, duration, share, today};
use crate::facts::{FactSource, MachineFacts, MissingFact};

/// Years after which firmware is worth a look: makers mend security flaws for about five.
const FIRMWARE_OLD_YEARS: i64 = 5;

/// Percent of the design capacity below which a battery is worn. Makers' usual warranty limit is 80, and
/// replacement is advised at about 60.
const BATTERY_WARN_PERCENT: f64 = 60.0;
const BATTERY_FAIL_PERCENT: f64 = 30.0;

/// Degrees below the critical temperature (alarm rules: within 5 °C).
const HEAT_MARGIN_CELSIUS: f64 = 5.0;

/// Degrees Celsius that are too hot for a chip that names no limit.
const HEAT_UNKNOWN_CELSIUS: f64 = 95.0;

/// Days before the end of support at which a change must be planned.
const END_OF_LIFE_WARN_DAYS: i64 = 90;

/// Days without a restart after which kernel updates are surely not in effect.
const UPTIME_INFO_DAYS: u64 = 60;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "hardware.model",
        area: Area::Hardware,
        set: CheckSet::Quick,
        needs: &[FactSource::Machine],
        what: "Maker, model, processor and memory of the machine.",
        source: "/sys/class/dmi, /proc/cpuinfo, /proc/meminfo",
        thresholds: "information only",
        judge: model,
    },
    DiagnosticCheck {
        id: "hardware.firmware_age",
        area: Area::Hardware,
        set: CheckSet::Quick,
        needs: &[FactSource::Machine],
        what: "Age of the firmware (BIOS, UEFI): makers publish fixes for security and stability.",
        source: "/sys/class/dmi/id/bios_date",
        thresholds: "info from 5 years",
        judge: firmware_age,
    },
    DiagnosticCheck {
        id: "hardware.virtualisation",
        area: Area::Hardware,
        set: CheckSet::Quick,
        needs: &[FactSource::Machine],
        what: "Whether the system runs on physical hardware, in a virtual machine or in a container.",
        source: "/sys/class/dmi, /proc/cpuinfo; containers as systemd-detect-virt does",
        thresholds: "information only",
        judge: virtualisation,
    },
    DiagnosticCheck {
        id: "hardware.battery",
        area: Area::Hardware,
        set: CheckSet::Quick,
        needs: &[FactSource::Batteries],
        what: "A worn battery ends work without warning.",
        source: "/sys/class/power_supply",
        thresholds: "warn below 60 % of the design capacity, fail below 30 %",
        judge: battery,
    },
    DiagnosticCheck {
        id: "hardware.graphics",
        area: Area::Hardware,
        set: CheckSet::Quick,
        needs: &[FactSource::Graphics],
        what: "Every graphics adapter should have its driver.",
        source: "/sys/bus/pci/devices",
        thresholds: "warn without a driver",
        judge: graphics,
    },
    DiagnosticCheck {
        id: "hardware.temperature",
        area: Area::Hardware,
        set: CheckSet::Quick,
        needs: &[FactSource::Sensors],
        what: "Chips near their critical temperature slow down, then switch off.",
        source: "/sys/class/hwmon, /sys/class/thermal",
        thresholds: "warn within 5 °C of critical (95 °C where none is known), fail at critical",
        judge: temperature,
    },
    DiagnosticCheck {
        id: "system.end_of_life",
        area: Area::System,
        set: CheckSet::Quick,
        needs: &[FactSource::Release],
        what: "End of support: afterwards a release gets no security updates.",
        source: "/etc/os-release, built-in table of dates",
        thresholds: "warn 90 days before the last day, fail after it",
        judge: end_of_life,
    },
    DiagnosticCheck {
        id: "system.kernel",
        area: Area::System,
        set: CheckSet::Quick,
        needs: &[FactSource::Release],
        what: "A tainted kernel has met an error or runs code that its makers don't support.",
        source: "/proc/sys/kernel/osrelease, /proc/sys/kernel/tainted",
        thresholds: "warn after a kernel oops, warning or machine check; info for foreign modules",
        judge: kernel,
    },
    DiagnosticCheck {
        id: "system.uptime",
        area: Area::System,
        set: CheckSet::Quick,
        needs: &[FactSource::Release],
        what: "Uptime: kernel updates take effect only after a restart.",
        source: "/proc/uptime",
        thresholds: "info from 60 days",
        judge: uptime,
    },
];

fn model(facts: &MachineFacts) -> CheckVerdict {
    let machine = facts.machine.as_ref()?;
    let name: Vec<&str> =
        [&machine.vendor, &machine.product].into_iter().flatten().map(String::as_str).collect();
    let title = if name.is_empty() { "The firmware names no model".to_owned() } else { name.join(" ") };
    FindingDraft::info(title)
        .maybe("Processor", machine.processor.as_ref())
        .fact("Logical processors", machine.processors)
        .fact("Memory", bytes(machine.memory_bytes))
        .maybe("Firmware", machine.firmware.as_ref())
        .alone()
}

fn firmware_age(facts: &MachineFacts) -> CheckVerdict {
    let machine = facts.machine.as_ref()?;
    let dated = machine.firmware_date.as_ref().and_then(|date| Some((date, day_number(date)?)));
    let Some((date, day)) = dated else { return Err(MissingFact::Absent("the firmware's date".to_owned())) };
    // A hypervisor's firmware date says nothing about care.
    let old = today(facts) - day >= FIRMWARE_OLD_YEARS * 365 && machine.virtualisation.is_none();
    let status = if old { FindingStatus::Info } else { FindingStatus::Ok };
    FindingDraft::new(status, format!("Firmware of {date}"))
        .fact("Date", date)
        .maybe("Version", machine.firmware.as_ref())
        .fix("Look on the maker's page for a newer version, or run: fwupdmgr get-updates")
        .alone()
}

fn virtualisation(facts: &MachineFacts) -> CheckVerdict {
    let machine = facts.machine.as_ref()?;
    match (&machine.container, &machine.virtualisation) {
        (Some(name), _) => FindingDraft::info(match name.as_str() {
            "container" => "Runs in a container".to_owned(),
            name => format!("Runs in a container ({name})"),
        })
        .fact("Container", name)
        .because(
            "Its host decides about firmware, encryption, clock and packet filter; such checks are skipped here.",
        )
        .alone(),
        (None, Some(name)) => FindingDraft::info(format!("Runs on {name}")).fact("Hypervisor", name).alone(),
        (None, None) => FindingDraft::info("Runs on physical hardware").alone(),
    }
}

fn battery(facts: &MachineFacts) -> CheckVerdict {
    let batteries = facts.batteries.as_ref()?;
    if batteries.is_empty() {
        return Err(MissingFact::NotApplicable("there is no battery".to_owned()));
    }
    Ok(batteries
        .iter()
        .map(|battery| {
            let status = match battery.health_percent {
                Some(health) if health < BATTERY_FAIL_PERCENT => FindingStatus::Fail,
                Some(health) if health < BATTERY_WARN_PERCENT => FindingStatus::Warn,
                Some(_) => FindingStatus::Ok,
                None => FindingStatus::Info,
            };
            let title = match (status, battery.health_percent) {
                (FindingStatus::Fail | FindingStatus::Warn, Some(health)) => {
                    format!("Battery {} is worn: {} of its design capacity left", battery.name, share(health))
                }
                (FindingStatus::Info, _) => format!("Battery {} does not tell how worn it is", battery.name),
                _ => format!("Battery {} is healthy", battery.name),
            };
            FindingDraft::new(status, title)
                .on(&battery.name)
                .maybe("Capacity left of the design", battery.health_percent.map(share))
                .maybe("Charge", battery.charge_percent.map(|charge| format!("{charge} %")))
                .maybe("Full cycles", battery.cycles)
                .fact("State", &battery.state)
                .fix("Replace the battery; until then work on mains power.")
        })
        .collect())
}

fn graphics(facts: &MachineFacts) -> CheckVerdict {
    let adapters = facts.graphics.as_ref()?;
    if adapters.is_empty() {
        return Err(MissingFact::NotApplicable("there is no graphics adapter".to_owned()));
    }
    Ok(adapters
        .iter()
        .map(|adapter| {
            let draft = match &adapter.driver {
                Some(driver) => {
                    FindingDraft::info(format!("{} graphics with driver {driver}", adapter.vendor)).fact("Driver", driver)
                }
                None => FindingDraft::warn(format!("No driver for the {} graphics adapter", adapter.vendor))
                    .because("Without its driver the screen is drawn slowly, in a low resolution or not at all.")
                    .fix("Install the driver that the distribution offers (for example firmware-amd-graphics, nvidia-driver), then restart."),
            };
            draft.on(&adapter.address).fact("Vendor", &adapter.vendor).fact("Device", &adapter.device)
        })
        .collect())
}

fn temperature(facts: &MachineFacts) -> CheckVerdict {
    let sensors = facts.sensors.as_ref()?;
    let near = |sensor: &&crate::facts::hardware::TemperatureSensor| match sensor.critical {
        Some(critical) => sensor.celsius >= critical - HEAT_MARGIN_CELSIUS,
        None => sensor.celsius >= HEAT_UNKNOWN_CELSIUS,
    };
    let hot: Vec<FindingDraft> = sensors
        .iter()
        .filter(near)
        .map(|sensor| {
            let at_limit = sensor.critical.is_some_and(|critical| sensor.celsius >= critical);
            let status = if at_limit { FindingStatus::Fail } else { FindingStatus::Warn };
            FindingDraft::new(status, format!("Overheating: {} is at {:.0} °C", sensor.name, sensor.celsius))
                .on(&sensor.name)
                .fact("Temperature", format!("{:.1} °C", sensor.celsius))
                .maybe("Critical", sensor.critical.map(|limit| format!("{limit:.0} °C")))
                .fix("Clean fans and air vents, check that every fan turns, and put the machine where air can flow.")
        })
        .collect();
    if !hot.is_empty() {
        return Ok(hot);
    }
    let hottest = sensors.iter().max_by(|a, b| a.celsius.total_cmp(&b.celsius));
    FindingDraft::ok("All temperatures are normal")
        .fact("Sensors", sensors.len())
        .maybe("Hottest", hottest.map(|sensor| format!("{} {:.0} °C", sensor.name, sensor.celsius)))
        .alone()
}

fn end_of_life(facts: &MachineFacts) -> CheckVerdict {
    let release = facts.release.as_ref()?;
    if is_rolling(&release.id) {
        return FindingDraft::ok(format!("{} is a rolling release without an end of support", release.name))
            .because("Security updates come as long as the machine is updated often: at least every month.")
            .alone();
    }
    let Some(day) = last_day(&release.id, &release.version) else {
        return FindingDraft::info(format!("{}: end of support not known", release.name))
            .fact("System", &release.name)
            .because(
                "This release isn't in the built-in table: its maker's pages say how long it gets security updates.",
            )
            .alone();
    };
    let left = day_number(day).unwrap_or(i64::MAX).saturating_sub(today(facts));
    let draft = if left < 0 {
        FindingDraft::fail(format!("{} is out of support: no security updates since {day}", release.name))
    } else if left <= END_OF_LIFE_WARN_DAYS {
        FindingDraft::warn(format!(
            "{} is close to its end of support: security updates for {left} more days",
            release.name
        ))
    } else {
        FindingDraft::ok(format!("{} is supported: security updates until {day}", release.name))
    };
    draft
        .fact("System", &release.name)
        .fact("Last day of support", day)
        .fix("Plan the upgrade to the next release: make a backup first, then follow the distribution's release notes.")
        .alone()
}

/// The kernel's taint bits that tell of an error: machine check, bad page, oops, warning, soft lockup
/// (Documentation/admin-guide/tainted-kernels.rst).
const TAINT_ERRORS: [(u32, &str); 5] = [
    (4, "machine check"),
    (5, "bad page"),
    (7, "kernel oops"),
    (9, "kernel warning"),
    (14, "processor lockup"),
];

fn kernel(facts: &MachineFacts) -> CheckVerdict {
    let release = facts.release.as_ref()?;
    let taint = release.taint.unwrap_or(0);
    let errors: Vec<&str> =
        TAINT_ERRORS.iter().filter(|(bit, _)| taint & (1 << bit) != 0).map(|(_, name)| *name).collect();
    let draft = if !errors.is_empty() {
        FindingDraft::warn(format!("The kernel had an error since the start: {}", errors.join(", ")))
            .fix("See: journalctl -k -b -p warning. Restart to get rid of its effects; if it comes back, check memory and drivers.")
    } else if taint != 0 {
        FindingDraft::info(format!("Kernel {} has foreign modules loaded (tainted)", release.kernel))
    } else {
        FindingDraft::ok(format!("Kernel {} runs without errors", release.kernel))
    };
    draft.fact("Kernel", &release.kernel).maybe("Taint", release.taint).alone()
}

fn uptime(facts: &MachineFacts) -> CheckVerdict {
    let seconds = facts.release.as_ref()?.uptime_seconds;
    let long = seconds >= UPTIME_INFO_DAYS * 86_400;
    let status = if long { FindingStatus::Info } else { FindingStatus::Ok };
    FindingDraft::new(status, format!("Uptime: {}", duration(seconds)))
        .fact("Since the last start", duration(seconds))
        .fix("Restart at the next occasion, so that updates of the kernel and libraries take effect.")
        .alone()
}
