//! Rules about adapters: connection, speed, errors, packet size, Wi-Fi.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::quality::PACKETS_ENOUGH;
use crate::diagnosis::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use crate::diagnosis::show::{names, percent, share};
use crate::facts::network::{DefaultRoutes, LinkShape, NetworkInterface};
use crate::facts::{FactSource, MachineFacts, MissingFact};

/// Percent of packets that were broken or dropped. Above 0.1 a connection is slowed noticeably, above 1 badly.
const ERRORS_WARN_PERCENT: f64 = 0.1;
const ERRORS_FAIL_PERCENT: f64 = 1.0;

/// Percent of good packets that were dropped here because a buffer was full.
const LOST_WARN_PERCENT: f64 = 5.0;

/// Interfaces on interfaces that are followed; ends loops.
const STACK_LIMIT: usize = 8;

/// Megabits per second that every wire of today reaches.
const SPEED_WARN_MBIT: u64 = 100;

/// Smallest packet size that IPv6 allows (RFC 8200), and the one below which tunnels and VPNs misbehave.
const MTU_FAIL: u64 = 1280;
const MTU_WARN: u64 = 1400;

/// Wi-Fi signal in dBm: below -75 it is slow, below -85 it breaks.
const SIGNAL_WARN_DBM: i64 = -75;
const SIGNAL_FAIL_DBM: i64 = -85;

pub(in crate::diagnosis) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "network.link",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Links, FactSource::Routes],
        what: "At least one network adapter must be connected.",
        source: "/sys/class/net",
        thresholds: "fail if no adapter that leads out is up; bridges, tunnels and the like don't count by themselves",
        judge: link,
    },
    DiagnosticCheck {
        id: "network.speed",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Links],
        what: "A bad cable or port makes a wire fall back to a low speed or half duplex.",
        source: "/sys/class/net/*/speed, duplex",
        thresholds: "warn below 100 Mbit/s or at half duplex",
        judge: speed,
    },
    DiagnosticCheck {
        id: "network.errors",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Links],
        what: "Packet errors: a bad cable, port or driver. Packets that nobody here wanted are no errors.",
        source: "/sys/class/net/*/statistics",
        thresholds: "warn from 0.1 % broken or 5 % dropped because a buffer was full, fail from 1 % broken",
        judge: errors,
    },
    DiagnosticCheck {
        id: "network.mtu",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Links],
        what: "A too small MTU (packet size) breaks tunnels and some sites.",
        source: "/sys/class/net/*/mtu",
        thresholds: "warn below 1400 bytes, fail below 1280",
        judge: mtu,
    },
    DiagnosticCheck {
        id: "network.wifi",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Links],
        what: "A weak Wi-Fi signal makes everything slow and breaks calls.",
        source: "/proc/net/wireless",
        thresholds: "warn below -75 dBm, fail below -85 dBm",
        judge: wifi,
    },
];

fn link(facts: &MachineFacts) -> CheckVerdict {
    let links = facts.links.as_ref()?;
    let all = LinksAndRoutes { links, routes: facts.routes.as_ref().ok() };
    let connected: Vec<&str> =
        links.iter().filter(|link| all.leads_out(link, 0)).map(|link| link.name.as_str()).collect();
    if connected.is_empty() {
        let up: Vec<&str> = links.iter().filter(|link| link.is_up()).map(|link| link.name.as_str()).collect();
        return FindingDraft::fail("No network adapter is connected")
            .fact("Adapters", names(&links.iter().map(|link| &link.name).collect::<Vec<_>>(), 8))
            .maybe("Up, and leading nowhere by itself", (!up.is_empty()).then(|| names(&up, 8)))
            .fix("Check the cable and the switch on the machine's side; for Wi-Fi: rfkill list, nmcli radio wifi on.")
            .runbook("reset-adapter")
            .alone();
    }
    let down: Vec<&str> = links
        .iter()
        .filter(|link| link.physical && link.enabled && !link.is_up())
        .map(|link| link.name.as_str())
        .collect();
    FindingDraft::ok(format!("Network is connected by {}", names(&connected, 4)))
        .maybe("Without a connection", (!down.is_empty()).then(|| names(&down, 8)))
        .alone()
}

struct LinksAndRoutes<'a> {
    links: &'a [NetworkInterface],
    routes: Option<&'a DefaultRoutes>,
}

impl LinksAndRoutes<'_> {
    /// Whether something beyond this machine can be reached over `link`. A bridge of virtual machines, a tunnel and the
    /// like are up with the cable out; what counts is the adapter below. Where there is no real adapter at all
    /// (containers), a virtual one may be the way out, but not the port of a bridge: that belongs to a guest of this
    /// machine, unless the default route says otherwise.
    fn leads_out(&self, link: &NetworkInterface, depth: usize) -> bool {
        if !link.is_up() || depth > STACK_LIMIT {
            return false;
        }
        if link.physical || link.shape == LinkShape::DialUp {
            return true;
        }
        let below = |name: &String| self.links.iter().find(|link| link.name == *name);
        if link.lower.iter().filter_map(below).any(|below| self.leads_out(below, depth + 1)) {
            return true;
        }
        let has_hardware = self.links.iter().any(|link| link.physical);
        let is_way_out = match link.shape {
            LinkShape::Adapter => link.master.is_none() && link.lower.is_empty(),
            LinkShape::Tunnel => link.master.is_none(),
            LinkShape::Bridge | LinkShape::Bond => self.has_default_route(&link.name),
            LinkShape::DialUp | LinkShape::Dummy => false,
        };
        !has_hardware && is_way_out
    }

    fn has_default_route(&self, name: &str) -> bool {
        self.routes
            .is_some_and(|routes| routes.v4.iter().chain(&routes.v6).any(|route| route.interface == name))
    }
}

fn speed(facts: &MachineFacts) -> CheckVerdict {
    let wires =
        facts.links.as_ref()?.iter().filter(|link| link.physical && !link.wireless && link.state == "up");
    let judged: Vec<FindingDraft> = wires
        .filter_map(|link| {
            let speed = link.speed?;
            let half = link.duplex.as_deref() == Some("half");
            let draft = match speed < SPEED_WARN_MBIT || half {
                true => FindingDraft::warn(format!("Slow link: {} runs at only {speed} Mbit/s", link.name)),
                false => FindingDraft::ok(format!("{} runs at {speed} Mbit/s", link.name)),
            };
            Some(
                draft
                    .on(&link.name)
                    .fact("Speed", format!("{speed} Mbit/s"))
                    .maybe("Duplex", link.duplex.as_ref())
                    .fix("Change the cable, then the port on the switch."),
            )
        })
        .collect();
    match judged.is_empty() {
        true => Err(MissingFact::NotApplicable("no connected wire tells its speed".to_owned())),
        false => Ok(judged),
    }
}

fn errors(facts: &MachineFacts) -> CheckVerdict {
    // Tunnels and bridges drop what nobody reads: only of what has a cable or takes its place is it a fault.
    let links = facts.links.as_ref()?.iter().filter(|link| {
        let counts = link.physical || link.shape == LinkShape::Adapter;
        counts && link.enabled && link.packets >= PACKETS_ENOUGH
    });
    Ok(links
        .map(|link| {
            let broken = percent(link.errors, link.packets);
            let lost = percent(link.lost, link.packets);
            let status = match ladder(broken, ERRORS_WARN_PERCENT, ERRORS_FAIL_PERCENT) {
                FindingStatus::Ok if lost >= LOST_WARN_PERCENT => FindingStatus::Warn,
                status => status,
            };
            let (title, fix) = match status {
                FindingStatus::Ok => (format!("No packet errors on {}", link.name), ""),
                _ if broken >= ERRORS_WARN_PERCENT => (
                    format!("Packet errors on {}", link.name),
                    "Change the cable and the port on the switch; for Wi-Fi go nearer to the access point; update the adapter's driver.",
                ),
                _ => (
                    format!("Packets are lost on {}", link.name),
                    "The machine takes packets too slowly: see check cpu.usage, update the adapter's driver, and enlarge its buffers (ethtool -g, ethtool -G).",
                ),
            };
            FindingDraft::new(status, title)
                .on(&link.name)
                .fact("Broken", format!("{} ({})", link.errors, share(broken)))
                .fact("Dropped because a buffer was full", format!("{} ({})", link.lost, share(lost)))
                .maybe("Not wanted by anybody here", (link.unwanted > 0).then_some(link.unwanted))
                .fact("Packets", link.packets)
                .fix(fix)
        })
        .collect())
}

fn mtu(facts: &MachineFacts) -> CheckVerdict {
    let links: Vec<&NetworkInterface> =
        facts.links.as_ref()?.iter().filter(|link| link.physical && link.state == "up").collect();
    Ok(links
        .into_iter()
        .map(|link| {
            let status = match link.mtu {
                ..MTU_FAIL => FindingStatus::Fail,
                MTU_FAIL..MTU_WARN => FindingStatus::Warn,
                _ => FindingStatus::Ok,
            };
            let title = match status {
                FindingStatus::Ok => format!("MTU of {} is normal", link.name),
                _ => format!("MTU of {} is too small", link.name),
            };
            FindingDraft::new(status, title)
                .on(&link.name)
                .fact("Largest packet", format!("{} bytes", link.mtu))
                .fix(format!("Set it: ip link set dev {} mtu 1500, and look where the small value comes from (DHCP, network settings).", link.name))
        })
        .collect())
}

fn wifi(facts: &MachineFacts) -> CheckVerdict {
    let wireless: Vec<&NetworkInterface> =
        facts.links.as_ref()?.iter().filter(|link| link.wireless).collect();
    if wireless.is_empty() {
        return Err(MissingFact::NotApplicable("there is no Wi-Fi adapter".to_owned()));
    }
    Ok(wireless
        .into_iter()
        .map(|link| {
            let draft = match link.signal_dbm {
                Some(dbm) if dbm < SIGNAL_FAIL_DBM => {
                    FindingDraft::fail(format!("Wi-Fi signal of {} is too weak", link.name))
                }
                Some(dbm) if dbm < SIGNAL_WARN_DBM => {
                    FindingDraft::warn(format!("Wi-Fi signal of {} is weak", link.name))
                }
                Some(_) => FindingDraft::ok(format!("Wi-Fi signal of {} is good", link.name)),
                None => FindingDraft::info(format!("Wi-Fi {} is not connected", link.name)),
            };
            draft.on(&link.name).maybe("Signal", link.signal_dbm.map(|dbm| format!("{dbm} dBm"))).fix(
                "Move closer to the access point, use 5 GHz instead of 2.4 GHz at short distance, or use a cable.",
            )
        })
        .collect())
}
