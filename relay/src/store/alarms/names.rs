//! Names and numbers that rows hold for profiles, goodbyes and severities. Released ones never change.

use nearhand_proto::alarm::{DeviceProfile, Severity, ShutdownNotice};

pub(super) const fn profile_name(profile: DeviceProfile) -> &'static str {
    match profile {
        DeviceProfile::Desktop => "desktop",
        DeviceProfile::Server => "server",
    }
}

pub(super) fn profile(name: &str) -> Option<DeviceProfile> {
    [DeviceProfile::Desktop, DeviceProfile::Server].into_iter().find(|p| profile_name(*p) == name)
}

pub(super) const fn leaving_name(leaving: ShutdownNotice) -> &'static str {
    match leaving {
        ShutdownNotice::AgentStops => "agent-stops",
        ShutdownNotice::Restart => "restart",
        ShutdownNotice::PowerOff => "power-off",
        ShutdownNotice::Sleep => "sleep",
    }
}

pub(super) fn leaving(name: &str) -> Option<ShutdownNotice> {
    [ShutdownNotice::AgentStops, ShutdownNotice::Restart, ShutdownNotice::PowerOff, ShutdownNotice::Sleep]
        .into_iter()
        .find(|l| leaving_name(*l) == name)
}

/// 0 info to 3 critical.
pub(super) fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
        Severity::Critical => 3,
    }
}

pub(super) fn severity(number: i64) -> Option<Severity> {
    Severity::ALL.into_iter().find(|s| severity_number(*s) == number)
}
