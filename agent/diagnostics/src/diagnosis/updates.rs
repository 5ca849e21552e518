//! Rules about updates and the clock.

use nearhand_proto::message::session::CheckSet;
use nearhand_proto::time::UnixMillis;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use super::show::{count, duration, milliseconds, names};
use crate::facts::{FactSource, MachineFacts, MissingFact};

/// Seconds after which package lists say nothing about today.
const LISTS_WARN_SECONDS: u64 = 14 * 86_400;

/// Packages waiting that show that nobody updates.
const PENDING_WARN: usize = 100;

/// Seconds that the clock may be off (alarm rules: 2 warning, 60 error). From 300 on, logins by Kerberos fail.
const OFFSET_WARN_SECONDS: f64 = 2.0;
const OFFSET_FAIL_SECONDS: f64 = 60.0;

/// Seconds since 1970 of 2026-01-01: this program is newer, so it is never earlier.
const PROGRAM_SECONDS: u64 = 1_767_225_600;

/// Seconds after that by which this program is surely not in use any more.
const PROGRAM_LIFE_SECONDS: u64 = 20 * 365 * 86_400;

/// Seconds that the system's own files may be ahead of the clock.
const AHEAD_FAIL_SECONDS: u64 = 86_400;

/// Seconds without a success of the time service: it asks every 34 minutes at the least often.
const SYNC_WARN_SECONDS: u64 = 4 * 3600;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "updates.pending",
        area: Area::Updates,
        set: CheckSet::Full,
        needs: &[FactSource::Pending],
        what: "Available updates.",
        source: "apt-get -s dist-upgrade, dnf check-update",
        thresholds: "info from 1, warn from 100",
        judge: pending,
    },
    DiagnosticCheck {
        id: "updates.security",
        area: Area::Updates,
        set: CheckSet::Full,
        needs: &[FactSource::Pending],
        what: "Available security updates.",
        source: "apt-get -s dist-upgrade, dnf --security check-update",
        thresholds: "warn from 1",
        judge: security,
    },
    DiagnosticCheck {
        id: "updates.reboot",
        area: Area::Updates,
        set: CheckSet::Quick,
        needs: &[FactSource::Upkeep],
        what: "Reboot required: some updates take effect only after a restart.",
        source: "/run/reboot-required, /lib/modules",
        thresholds: "warn if one is asked for or a newer kernel of the running one's flavour is installed",
        judge: reboot,
    },
    DiagnosticCheck {
        id: "updates.sources_age",
        area: Area::Updates,
        set: CheckSet::Quick,
        needs: &[FactSource::Upkeep],
        what: "Outdated package lists don't show new updates.",
        source: "change time of the package lists",
        thresholds: "warn from 14 days",
        judge: sources_age,
    },
    DiagnosticCheck {
        id: "updates.automatic",
        area: Area::Updates,
        set: CheckSet::Quick,
        needs: &[FactSource::Upkeep],
        what: "Automatic installation of security updates.",
        source: "apt.conf (APT::Periodic), dnf-automatic's timer",
        thresholds: "info if off",
        judge: automatic,
    },
    DiagnosticCheck {
        id: "updates.broken",
        area: Area::Updates,
        set: CheckSet::Full,
        needs: &[FactSource::Packages],
        what: "A half-installed package blocks all further updates.",
        source: "/var/lib/dpkg/status",
        thresholds: "fail from 1",
        judge: broken,
    },
    DiagnosticCheck {
        id: "updates.held",
        area: Area::Updates,
        set: CheckSet::Full,
        needs: &[FactSource::Packages],
        what: "Held packages get no updates, security included.",
        source: "/var/lib/dpkg/status",
        thresholds: "info from 1",
        judge: held,
    },
    DiagnosticCheck {
        id: "time.offset",
        area: Area::Time,
        set: CheckSet::Full,
        needs: &[FactSource::Clock],
        what: "Clock offset: a wrong clock breaks certificates, logins and logs.",
        source: "SNTP",
        thresholds: "warn from 2 s, fail from 60 s",
        judge: offset,
    },
    DiagnosticCheck {
        id: "time.clock",
        area: Area::Time,
        set: CheckSet::Quick,
        needs: &[FactSource::TimeSync],
        what: "A clock that is years off: certificates, logins, and what a policy allows for a time, are refused.",
        source: "the clock, change times of the system's own files",
        thresholds: "fail before 2026, 20 years after that, or a day before the latest change of two of the files",
        judge: clock,
    },
    DiagnosticCheck {
        id: "time.sync",
        area: Area::Time,
        set: CheckSet::Quick,
        needs: &[FactSource::TimeSync],
        what: "Time synchronisation (NTP).",
        source: "running services, /run/systemd/timesync",
        thresholds: "warn without a service (info in a guest) or without success for 4 h",
        judge: sync,
    },
    DiagnosticCheck {
        id: "time.zone",
        area: Area::Time,
        set: CheckSet::Quick,
        needs: &[FactSource::TimeSync],
        what: "The time zone, which decides what people read from the clock.",
        source: "/etc/localtime",
        thresholds: "information only",
        judge: zone,
    },
];

fn pending(facts: &MachineFacts) -> CheckVerdict {
    let pending = facts.pending.as_ref()?;
    let number = pending.all.len();
    let draft = match number {
        0 => FindingDraft::ok("No updates available"),
        1..PENDING_WARN => {
            FindingDraft::info(format!("{} available", count(number, "update is", "updates are")))
        }
        _ => FindingDraft::warn(format!("{number} updates are available")),
    };
    draft
        .fact("Updates", number)
        .maybe("Packages", (number > 0).then(|| names(&pending.all, 12)))
        .fix("Install them: apt-get update && apt-get dist-upgrade, or dnf upgrade.")
        .alone()
}

fn security(facts: &MachineFacts) -> CheckVerdict {
    let security = &facts.pending.as_ref()?.security;
    let draft = match security.len() {
        0 => FindingDraft::ok("No security updates available"),
        number => FindingDraft::warn(format!(
            "{} waiting",
            count(number, "security update is", "security updates are")
        )),
    };
    draft
        .fact("Security updates", security.len())
        .maybe("Packages", (!security.is_empty()).then(|| names(security, 12)))
        .fix("Install them now: apt-get update && apt-get dist-upgrade, or dnf upgrade --security.")
        .alone()
}

fn reboot(facts: &MachineFacts) -> CheckVerdict {
    let upkeep = facts.upkeep.as_ref()?;
    let newer = upkeep.newest_kernel.as_ref().filter(|newest| **newest != upkeep.running_kernel);
    let draft = match upkeep.reboot_asked || newer.is_some() {
        true => FindingDraft::warn("Reboot required: updates take effect after a restart"),
        false => FindingDraft::ok("No reboot required"),
    };
    draft
        .fact("Running kernel", &upkeep.running_kernel)
        .maybe("Newer kernel", newer)
        .maybe(
            "Asked for by",
            (!upkeep.reboot_packages.is_empty()).then(|| names(&upkeep.reboot_packages, 8)),
        )
        .fix("Restart when it suits the person at the machine.")
        .alone()
}

fn sources_age(facts: &MachineFacts) -> CheckVerdict {
    let Some(at) = facts.upkeep.as_ref()?.lists_at else {
        return Err(MissingFact::Absent("a package list".to_owned()));
    };
    let age = (facts.taken_at.0 / 1000).saturating_sub(at);
    let draft = match age >= LISTS_WARN_SECONDS {
        true => FindingDraft::warn("Package lists are outdated"),
        false => FindingDraft::ok("Package lists are up to date"),
    };
    draft
        .fact("Last renewed", format!("{} ago", duration(age)))
        .fix("Renew them: apt-get update, or dnf makecache; if that fails, its error says which source is broken.")
        .alone()
}

fn automatic(facts: &MachineFacts) -> CheckVerdict {
    let draft = match facts.upkeep.as_ref()?.automatic {
        Some(true) => FindingDraft::ok("Automatic security updates are on"),
        Some(false) => FindingDraft::info("Automatic updates are off")
            .fix("On Debian and Ubuntu: apt-get install unattended-upgrades && dpkg-reconfigure unattended-upgrades; on Fedora: dnf-automatic."),
        None => return Err(MissingFact::Absent("a package tool with automatic updates (apt, dnf)".to_owned())),
    };
    draft.alone()
}

fn broken(facts: &MachineFacts) -> CheckVerdict {
    let packages = facts.packages.as_ref()?;
    if packages.broken.is_empty() {
        return FindingDraft::ok("All packages are completely installed")
            .fact("Packages", packages.count)
            .alone();
    }
    let shown: Vec<String> =
        packages.broken.iter().map(|(name, state)| format!("{name} ({state})")).collect();
    FindingDraft::fail(format!(
        "{} not completely installed",
        count(shown.len(), "package is", "packages are")
    ))
    .fact("Packages", names(&shown, 12))
    .fix("Finish it: dpkg --configure -a, then apt-get -f install.")
    .alone()
}

fn held(facts: &MachineFacts) -> CheckVerdict {
    let packages = facts.packages.as_ref()?;
    let draft = match packages.held.is_empty() {
        true => FindingDraft::ok("No package is held back"),
        false => FindingDraft::info(format!(
            "{} held back",
            count(packages.held.len(), "package is", "packages are")
        ))
        .fact("Packages", names(&packages.held, 12))
        .fix("Let them go if nobody remembers why: apt-mark unhold NAME"),
    };
    draft.alone()
}

fn offset(facts: &MachineFacts) -> CheckVerdict {
    let clock = facts.clock.as_ref()?;
    let off = clock.offset_seconds.abs();
    let status = ladder(off, OFFSET_WARN_SECONDS, OFFSET_FAIL_SECONDS);
    let direction = if clock.offset_seconds > 0.0 { "slow" } else { "fast" };
    let title = match status {
        FindingStatus::Ok => "Clock is correct".to_owned(),
        _ => format!("Clock is wrong: {off:.0} s {direction}"),
    };
    FindingDraft::new(status, title)
        .fact("Offset", format!("{:+.3} s", clock.offset_seconds))
        .fact("Precise to", milliseconds(clock.round_trip_ms / 2.0))
        .fact("Server", format!("{} (stratum {})", clock.server, clock.stratum))
        .fix("Switch on time synchronisation: timedatectl set-ntp true. If it is off again after a restart, replace the mainboard's battery.")
        .runbook("resync-time")
        .alone()
}

fn sync(facts: &MachineFacts) -> CheckVerdict {
    let sync = facts.time_sync.as_ref()?;
    let late = sync.synchronised_seconds.filter(|seconds| *seconds >= SYNC_WARN_SECONDS);
    let draft = match (&sync.service, late, sync.guest) {
        (Some(_), Some(_), _) => FindingDraft::warn("Time synchronisation has failed for hours"),
        (Some(service), None, _) => FindingDraft::ok(format!("Time synchronisation works: {service}")),
        (None, None, _) if sync.synchronised_seconds.is_some() => {
            FindingDraft::ok("Time synchronisation works")
        }
        // Not to find a service means nothing where programs are hidden.
        (None, _, _) if sync.services_hidden => {
            return Err(MissingFact::Denied(
                "the programs of other users, which /proc hides (hidepid)".to_owned(),
            ));
        }
        (None, _, true) => {
            FindingDraft::info("No time synchronisation in this guest; its host may set the clock")
        }
        (None, _, false) => FindingDraft::warn("No time synchronisation (NTP)"),
    };
    draft
        .maybe("Service", sync.service.as_ref())
        .maybe("Last success", sync.synchronised_seconds.map(|seconds| format!("{} ago", duration(seconds))))
        .fix(
            "Switch it on: timedatectl set-ntp true. See also: timedatectl timesync-status, chronyc sources.",
        )
        .runbook("resync-time")
        .alone()
}

fn clock(facts: &MachineFacts) -> CheckVerdict {
    let sync = facts.time_sync.as_ref()?;
    let now = facts.taken_at.0 / 1000;
    let is_behind = sync.latest_change.is_some_and(|latest| latest > now.saturating_add(AHEAD_FAIL_SECONDS));
    let is_possible = (PROGRAM_SECONDS..PROGRAM_SECONDS + PROGRAM_LIFE_SECONDS).contains(&now);
    let says = facts.taken_at.to_string();
    let latest = sync.latest_change.map(|seconds| UnixMillis(seconds.saturating_mul(1000)));
    let draft = match is_possible && !is_behind {
        true => FindingDraft::ok("Clock says a possible time"),
        false => FindingDraft::fail(format!("Clock is wrong: it says {says}")).because(
            "With this clock certificates, logins and sessions that a policy allows are refused as too early or too late.",
        ),
    };
    let rtc = match sync.has_rtc {
        Some(false) => Some("none: the clock begins anew with each start until network time is reached"),
        _ => None,
    };
    draft
        .fact("Clock", says)
        .maybe("Latest change of the system's files", latest.filter(|_| is_behind))
        .maybe("Clock with a battery (RTC)", rtc)
        .fix("Set it: timedatectl set-ntp true, or without network: timedatectl set-time 'YYYY-MM-DD hh:mm'. If it comes back with each start, change the battery on the mainboard, or install fake-hwclock where there is none.")
        .runbook("resync-time")
        .alone()
}

fn zone(facts: &MachineFacts) -> CheckVerdict {
    match &facts.time_sync.as_ref()?.zone {
        Some(zone) => FindingDraft::info(format!("The time zone is {zone}")).fact("Zone", zone).alone(),
        None => FindingDraft::info("No time zone is set: times are UTC").alone(),
    }
}
