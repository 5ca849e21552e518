//! Rules about the network.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use super::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use super::show::{milliseconds, names, percent, share};
use crate::facts::network::{DnsServer, EchoRun, NetworkInterface, TlsPeer};
use crate::facts::{FactSource, MachineFacts, MissingFact};

/// Percent of packets that were broken or dropped. Above 0.1 a connection is slowed noticeably, above 1 badly.
const ERRORS_WARN_PERCENT: f64 = 0.1;
const ERRORS_FAIL_PERCENT: f64 = 1.0;
/// Dropped packets are often ones that nobody here wanted, so they need to be many.
const DROPS_WARN_PERCENT: f64 = 5.0;
/// Packets below which percentages mean nothing.
const PACKETS_ENOUGH: u64 = 1_000;

/// Megabits per second that every wire of today reaches.
const SPEED_WARN_MBIT: u64 = 100;

/// Smallest packet size that IPv6 allows (RFC 8200), and the one below which tunnels and VPNs misbehave.
const MTU_FAIL: u64 = 1280;
const MTU_WARN: u64 = 1400;

/// Milliseconds to the gateway that only a crowded Wi-Fi or broken switch needs.
const GATEWAY_WARN_MS: f64 = 100.0;

/// Milliseconds for a name; people notice a second.
const DNS_WARN_MS: f64 = 500.0;

/// Percent lost (alarm rules: warning 5, critical 20).
const LOSS_WARN_PERCENT: f64 = 5.0;
const LOSS_FAIL_PERCENT: f64 = 20.0;

/// Mean change of delay from one answer to the next in milliseconds; calls break up above 30 (ITU-T G.114
/// practice).
const JITTER_WARN_MS: f64 = 30.0;

/// Delay in milliseconds above which remote control feels slow.
const DELAY_WARN_MS: f64 = 300.0;

/// Wi-Fi signal in dBm: below -75 it is slow, below -85 it breaks.
const SIGNAL_WARN_DBM: i64 = -75;
const SIGNAL_FAIL_DBM: i64 = -85;

/// Percent of TCP segments sent again.
const RESENT_WARN_PERCENT: f64 = 5.0;

/// Percent of the connection table in use.
const TRACKED_WARN_PERCENT: f64 = 90.0;

/// Most lines that a hosts file written by hand has.
const HOSTS_MANY: usize = 500;

pub(super) const CHECKS: &[DiagnosticCheck] = &[
    check(
        "network.link",
        CheckSet::Quick,
        &[FactSource::Links],
        link,
        "At least one network adapter must be connected.",
        "/sys/class/net",
        "fail if no adapter is up",
    ),
    check(
        "network.speed",
        CheckSet::Quick,
        &[FactSource::Links],
        speed,
        "A bad cable or port makes a wire fall back to a low speed or half duplex.",
        "/sys/class/net/*/speed, duplex",
        "warn below 100 Mbit/s or at half duplex",
    ),
    check(
        "network.errors",
        CheckSet::Quick,
        &[FactSource::Links],
        errors,
        "Packet errors: a bad cable, port or driver.",
        "/sys/class/net/*/statistics",
        "warn from 0.1 % broken or 5 % dropped, fail from 1 % broken",
    ),
    check(
        "network.mtu",
        CheckSet::Quick,
        &[FactSource::Links],
        mtu,
        "A too small MTU (packet size) breaks tunnels and some sites.",
        "/sys/class/net/*/mtu",
        "warn below 1400 bytes, fail below 1280",
    ),
    check(
        "network.wifi",
        CheckSet::Quick,
        &[FactSource::Links],
        wifi,
        "A weak Wi-Fi signal makes everything slow and breaks calls.",
        "/proc/net/wireless",
        "warn below -75 dBm, fail below -85 dBm",
    ),
    check(
        "network.default_route",
        CheckSet::Quick,
        &[FactSource::Routes],
        default_route,
        "Without a default route nothing outside can be reached.",
        "/proc/net/route, ipv6_route",
        "fail without one; info with several of the same preference",
    ),
    check(
        "network.gateway",
        CheckSet::Quick,
        &[FactSource::Gateway],
        gateway,
        "The gateway is the first step to everything else.",
        "ICMP echo, /proc/net/arp",
        "warn from 100 ms, fail if neither echo nor neighbour table knows it",
    ),
    check(
        "network.dns",
        CheckSet::Quick,
        &[FactSource::Dns],
        dns,
        "Each configured DNS server should answer: programs wait for one that doesn't.",
        "a DNS question to each server of /etc/resolv.conf and systemd-resolved",
        "warn from 500 ms or if one is silent or refuses, fail if all are",
    ),
    check(
        "network.resolver",
        CheckSet::Quick,
        &[FactSource::Resolver],
        resolver,
        "The configured DNS servers.",
        "/etc/resolv.conf",
        "fail without one",
    ),
    check(
        "network.hosts_file",
        CheckSet::Quick,
        &[FactSource::Resolver],
        hosts_file,
        "The hosts file overrides DNS; malware uses it to redirect people to false sites.",
        "/etc/hosts",
        "warn if a well-known site is sent elsewhere or localhost is missing; info from 500 lines",
    ),
    check(
        "network.loss",
        CheckSet::Full,
        &[FactSource::Echo],
        loss,
        "Packet loss, latency and jitter, which disturb remote work and calls.",
        "20 ICMP echoes to each target",
        "warn from 5 % lost, 300 ms or 30 ms jitter, fail from 20 % lost",
    ),
    check(
        "network.retransmissions",
        CheckSet::Quick,
        &[FactSource::Tcp],
        retransmissions,
        "TCP retransmissions: a high share means a bad path for all connections.",
        "/proc/net/snmp",
        "warn from 5 %",
    ),
    check(
        "network.connections",
        CheckSet::Quick,
        &[FactSource::Tcp],
        connections,
        "A full connection tracking table drops new connections.",
        "/proc/sys/net/netfilter",
        "warn from 90 %",
    ),
    check(
        "network.proxy",
        CheckSet::Quick,
        &[FactSource::Proxy],
        proxy,
        "A proxy that doesn't answer cuts programs off, although the network works.",
        "environment, /etc/environment, apt.conf; a connection to each",
        "fail if one doesn't answer; info if one is set",
    ),
    check(
        "network.captive_portal",
        CheckSet::Quick,
        &[FactSource::Portal],
        captive_portal,
        "Captive portals of hotels and guest networks block the internet until somebody logs in.",
        "one HTTP request with a known answer",
        "fail if another answer comes; warn without an answer",
    ),
    check(
        "network.tls_interception",
        CheckSet::Full,
        &[FactSource::Tls],
        tls_interception,
        "TLS interception: a proxy that opens encrypted connections shows certificates of its own authority.",
        "certificates of well-known hosts against built-in public authorities",
        "warn if a certificate isn't of a public authority",
    ),
    check(
        "network.ipv6",
        CheckSet::Full,
        &[FactSource::Ipv6],
        ipv6,
        "Broken IPv6 makes each connection wait before it falls back to IPv4.",
        "/proc/net/if_inet6, a connection over IPv6",
        "warn if there is an address and a route but no connection",
    ),
    check(
        "network.udp",
        CheckSet::Full,
        &[FactSource::Udp],
        udp,
        "Direct sessions and calls go over UDP; some firewalls block it.",
        "STUN questions",
        "warn if no server answers",
    ),
];

const fn check(
    id: &'static str,
    set: CheckSet,
    needs: &'static [FactSource],
    judge: fn(&MachineFacts) -> CheckVerdict,
    what: &'static str,
    source: &'static str,
    thresholds: &'static str,
) -> DiagnosticCheck {
    DiagnosticCheck { id, area: Area::Network, set, needs, what, source, thresholds, judge }
}

fn link(facts: &MachineFacts) -> CheckVerdict {
    let links = facts.links.as_ref()?;
    let up = |link: &&NetworkInterface| link.state == "up" || (link.state == "unknown" && link.enabled);
    let connected: Vec<&str> = links.iter().filter(up).map(|link| link.name.as_str()).collect();
    if connected.is_empty() {
        return FindingDraft::fail("No network adapter is connected")
            .fact("Adapters", names(&links.iter().map(|link| &link.name).collect::<Vec<_>>(), 8))
            .fix("Check the cable and the switch on the machine's side; for Wi-Fi: rfkill list, nmcli radio wifi on.")
            .runbook("reset-adapter")
            .alone();
    }
    let down: Vec<&str> = links
        .iter()
        .filter(|link| link.physical && link.enabled && link.state == "down")
        .map(|link| link.name.as_str())
        .collect();
    FindingDraft::ok(format!("Network is connected by {}", names(&connected, 4)))
        .maybe("Without a connection", (!down.is_empty()).then(|| names(&down, 8)))
        .alone()
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
    let links = facts.links.as_ref()?.iter().filter(|link| link.enabled && link.packets >= PACKETS_ENOUGH);
    Ok(links
        .map(|link| {
            let broken = percent(link.errors, link.packets);
            let dropped = percent(link.dropped, link.packets);
            let status = match ladder(broken, ERRORS_WARN_PERCENT, ERRORS_FAIL_PERCENT) {
                FindingStatus::Ok if dropped >= DROPS_WARN_PERCENT => FindingStatus::Warn,
                status => status,
            };
            let title = match status {
                FindingStatus::Ok => format!("No packet errors on {}", link.name),
                _ => format!("Packet errors on {}", link.name),
            };
            FindingDraft::new(status, title)
                .on(&link.name)
                .fact("Broken", format!("{} ({})", link.errors, share(broken)))
                .fact("Dropped", format!("{} ({})", link.dropped, share(dropped)))
                .fact("Packets", link.packets)
                .fix("Change the cable and the port on the switch; for Wi-Fi go nearer to the access point; update the adapter's driver.")
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

fn default_route(facts: &MachineFacts) -> CheckVerdict {
    let routes = facts.routes.as_ref()?;
    let all: Vec<String> = routes
        .v4
        .iter()
        .chain(&routes.v6)
        .map(|route| format!("{} {}", route.interface, route.gateway))
        .collect();
    let Some(best) = all.first() else {
        return FindingDraft::fail("No internet: no default route")
            .fix("Connect the network, then renew the address: nmcli networking off && nmcli networking on, or dhclient -v.")
            .runbook("renew-dhcp")
            .alone();
    };
    let tied =
        matches!(routes.v4.as_slice(), [a, b, ..] if a.metric == b.metric && a.interface != b.interface);
    let draft = match tied {
        true => FindingDraft::info("Several default routes with the same preference")
            .because("The kernel may use either of them, so connections may take an unexpected network.")
            .fix("Give one of them a higher metric, or disconnect it."),
        false => FindingDraft::ok(format!("Default route: {best}")),
    };
    draft.fact("Default routes", names(&all, 6)).alone()
}

fn gateway(facts: &MachineFacts) -> CheckVerdict {
    let gateway = facts.gateway.as_ref()?;
    let draft = match (gateway.answer_ms, gateway.neighbour) {
        (Some(ms), _) if ms >= GATEWAY_WARN_MS => FindingDraft::warn("Gateway is slow to answer"),
        (Some(_), _) => FindingDraft::ok("Gateway answers"),
        (None, true) => FindingDraft::ok("Gateway is present but does not answer ping")
            .because("Its hardware address is known, so it is there. Some gateways ignore ping."),
        (None, false) => FindingDraft::fail("Gateway does not answer"),
    };
    draft
        .on(&gateway.address)
        .maybe("Answer", gateway.answer_ms.map(milliseconds))
        .fact("Known as neighbour", if gateway.neighbour { "yes" } else { "no" })
        .fix("Check cable or Wi-Fi, then restart the router. Compare the address with the router's: a wrong one comes from a fixed setting.")
        .alone()
}

fn dns(facts: &MachineFacts) -> CheckVerdict {
    let servers = facts.dns.as_ref()?;
    let good = |server: &DnsServer| server.answer_ms.is_some() && server.code == Some(0);
    let bad_status = if servers.iter().any(good) { FindingStatus::Warn } else { FindingStatus::Fail };
    Ok(servers
        .iter()
        .map(|server| {
            let address = &server.address;
            let draft = match (server.answer_ms, server.code) {
                (None, _) => FindingDraft::new(bad_status, format!("DNS server {address} does not answer")),
                // NXDOMAIN, for a name that everybody on the internet can find.
                (Some(_), Some(3)) => FindingDraft::warn(format!("DNS server {address} can't resolve public names"))
                    .because("It answers, but not for a public name that exists: it has no internet itself, filters names, or only knows this network's own names."),
                (Some(_), Some(code)) if code != 0 => {
                    FindingDraft::new(bad_status, format!("DNS server {address} refuses or fails: {}", response_code(code)))
                }
                (Some(ms), _) if ms >= DNS_WARN_MS => FindingDraft::warn(format!("DNS server {address} is slow")),
                _ => FindingDraft::ok(format!("DNS server {address} answers")),
            };
            draft
                .on(address)
                .maybe("Answer", server.answer_ms.map(milliseconds))
                .maybe("Code", server.code.map(response_code))
                .fix("Ask for names by another server to compare: dig @9.9.9.9 example.com. Then correct the server in the network settings or the router.")
                .runbook("flush-dns")
        })
        .collect())
}

fn response_code(code: u8) -> String {
    match code {
        0 => "no error".to_owned(),
        1 => "format error".to_owned(),
        2 => "server failure".to_owned(),
        3 => "name unknown".to_owned(),
        5 => "refused".to_owned(),
        other => format!("code {other}"),
    }
}

fn resolver(facts: &MachineFacts) -> CheckVerdict {
    let resolver = facts.resolver.as_ref()?;
    let draft = match resolver.servers.is_empty() {
        true => FindingDraft::fail("No DNS server is configured")
            .fix("Renew the address from the router, or enter a name server in the network settings."),
        false => FindingDraft::ok("DNS servers are configured"),
    };
    draft
        .maybe("Servers", (!resolver.servers.is_empty()).then(|| names(&resolver.servers, 6)))
        .maybe(
            "Behind the local resolver",
            (!resolver.upstream.is_empty()).then(|| names(&resolver.upstream, 6)),
        )
        .alone()
}

fn hosts_file(facts: &MachineFacts) -> CheckVerdict {
    let resolver = facts.resolver.as_ref()?;
    let draft = if !resolver.redirected.is_empty() {
        FindingDraft::warn("Hosts file redirects well-known sites")
            .fact("Names", names(&resolver.redirected, 8))
            .fix("Remove these lines from /etc/hosts unless somebody here wanted them, and look for malware.")
    } else if !resolver.has_localhost {
        FindingDraft::warn("The hosts file does not name localhost").fix("Add the line: 127.0.0.1 localhost")
    } else if resolver.hosts_lines >= HOSTS_MANY {
        FindingDraft::info("Hosts file is very long")
            .because("Usually a list that blocks advertisements. If a site can't be reached, look here.")
    } else {
        FindingDraft::ok("Hosts file is normal")
    };
    draft.fact("Entries", resolver.hosts_lines).alone()
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen packets")]
fn loss(facts: &MachineFacts) -> CheckVerdict {
    let runs = facts.echo.as_ref()?;
    // A target that answers nothing while another does is filtered there, not lost here.
    let some_answer = runs.iter().any(|run| !run.times_ms.is_empty());
    let judged = |run: &EchoRun| {
        let answered = run.times_ms.len() as f64;
        let lost = 100.0 - answered * 100.0 / f64::from(run.sent.max(1));
        let mean = run.times_ms.iter().sum::<f64>() / answered.max(1.0);
        let changes: f64 =
            run.times_ms.iter().zip(run.times_ms.iter().skip(1)).map(|(a, b)| (a - b).abs()).sum();
        let jitter = changes / (answered - 1.0).max(1.0);
        let status = match ladder(lost, LOSS_WARN_PERCENT, LOSS_FAIL_PERCENT) {
            FindingStatus::Fail if run.times_ms.is_empty() && some_answer => FindingStatus::Info,
            FindingStatus::Ok if mean >= DELAY_WARN_MS || jitter >= JITTER_WARN_MS => FindingStatus::Warn,
            status => status,
        };
        let title = match status {
            FindingStatus::Ok => format!("No packet loss to {}", run.target),
            FindingStatus::Info => format!("{} does not answer ping", run.target),
            _ if lost >= LOSS_WARN_PERCENT => {
                format!("Packet loss: {} of the packets to {}", share(lost), run.target)
            }
            _ => format!("High latency or jitter to {}", run.target),
        };
        FindingDraft::new(status, title)
            .on(&run.target)
            .fact("Lost", share(lost))
            .maybe("Mean delay", (answered > 0.0).then(|| milliseconds(mean)))
            .maybe("Jitter", (answered > 1.0).then(|| milliseconds(jitter)))
            .fact("Sent", run.sent)
            .fix("Compare with the gateway: loss to it is a matter of cable or Wi-Fi, loss beyond it one of the provider.")
    };
    Ok(runs.iter().map(judged).collect())
}

fn retransmissions(facts: &MachineFacts) -> CheckVerdict {
    let tcp = facts.tcp.as_ref()?;
    if tcp.sent < PACKETS_ENOUGH {
        return FindingDraft::ok("Too little TCP traffic so far to judge retransmissions")
            .fact("Segments sent", tcp.sent)
            .alone();
    }
    let again = percent(tcp.resent, tcp.sent);
    let draft = match again >= RESENT_WARN_PERCENT {
        true => FindingDraft::warn("Many TCP retransmissions"),
        false => FindingDraft::ok("Few TCP retransmissions"),
    };
    draft
        .fact("Sent again", share(again))
        .fact("Segments sent", tcp.sent)
        .fix("See checks network.errors, network.wifi and network.loss for where packets get lost.")
        .alone()
}

fn connections(facts: &MachineFacts) -> CheckVerdict {
    let Some((count, limit)) = facts.tcp.as_ref()?.tracked else {
        return Err(MissingFact::NotApplicable(
            "connections are not tracked here (no packet filter that needs it)".to_owned(),
        ));
    };
    let used = percent(count, limit);
    let draft = match used >= TRACKED_WARN_PERCENT {
        true => FindingDraft::warn("Connection tracking table is almost full"),
        false => FindingDraft::ok("Connection tracking table has room"),
    };
    draft
        .fact("Tracked", format!("{count} of {limit}"))
        .fix("Find who opens so many: ss -s. Then raise net.netfilter.nf_conntrack_max with sysctl.")
        .alone()
}

fn proxy(facts: &MachineFacts) -> CheckVerdict {
    let proxy = facts.proxy.as_ref()?;
    if proxy.settings.is_empty() {
        return FindingDraft::ok("No proxy configured").alone();
    }
    let draft = match proxy.unreachable.is_empty() {
        true => FindingDraft::info("Configured proxy answers"),
        false => FindingDraft::fail("Configured proxy does not answer"),
    };
    let mut draft = draft
        .maybe("No answer", (!proxy.unreachable.is_empty()).then(|| names(&proxy.unreachable, 4)))
        .fact("Chosen by a script", if proxy.automatic { "yes" } else { "no" })
        .fix("Correct or remove the setting where it is made, then log in again.");
    for (place, host) in proxy.settings.iter().take(8) {
        draft = draft.fact(place, host);
    }
    draft.alone()
}

fn captive_portal(facts: &MachineFacts) -> CheckVerdict {
    let portal = facts.portal.as_ref()?;
    let draft = match portal.status {
        Some(status) if status == portal.expected => FindingDraft::ok("No captive portal"),
        Some(_) => FindingDraft::fail("Captive portal: a login page blocks the internet")
            .fix("Open any http:// page in a browser and log in there; on a company's network ask for the proxy."),
        None => FindingDraft::warn("No answer from the internet over HTTP")
            .because("There is a default route, but the test page did not answer: the provider's line is down, HTTP or the page is blocked, or this network has no internet on purpose.")
            .fix("See the checks network.gateway and network.dns first, then try another page in a browser. Where no internet is meant, nothing is wrong."),
    };
    draft
        .fact("Expected status", portal.expected)
        .maybe("Status", portal.status)
        .maybe("Sent to", portal.redirect_host.as_ref())
        .maybe("Problem", portal.problem.as_ref())
        .alone()
}

fn tls_interception(facts: &MachineFacts) -> CheckVerdict {
    let peers = facts.tls.as_ref()?;
    let judged = |peer: &TlsPeer| {
        let draft = match (&peer.issuer, peer.public) {
            (Some(_), true) => FindingDraft::ok(format!("No TLS interception: {} shows a public certificate", peer.target)),
            (Some(issuer), false) => {
                FindingDraft::warn(format!("TLS interception: {} shows a certificate of no public authority", peer.target))
                    .because(format!("It is signed by \"{issuer}\". Security software or a company's proxy opens encrypted connections here, the clock is wrong, or this is an attack."))
                    .fix("Ask the customer whether their company or antivirus does this. If not: change the network, and enter no passwords until it is cleared up.")
            }
            (None, _) => FindingDraft::info(format!("TLS interception not checked: {} does not answer", peer.target))
                .because("Without an encrypted connection nothing can be said about who opens them."),
        };
        draft
            .on(&peer.target)
            .maybe("Signed by", peer.issuer.as_ref())
            .maybe("Days left", peer.days_left)
            .maybe("Handshake", peer.issuer.as_ref().map(|_| milliseconds(peer.ms)))
            .maybe("Problem", peer.problem.as_ref())
    };
    Ok(peers.iter().map(judged).collect())
}

fn ipv6(facts: &MachineFacts) -> CheckVerdict {
    let ipv6 = facts.ipv6.as_ref()?;
    let draft = match (ipv6.global_address, ipv6.connect_ms) {
        (_, Some(_)) => FindingDraft::ok("IPv6 works"),
        (false, None) => FindingDraft::info("No IPv6; IPv4 is used"),
        (true, None) => FindingDraft::warn("There is an IPv6 address, but nothing is reached by it").fix(
            "Restart the router; if it stays, ask the provider, or switch IPv6 off in the network settings.",
        ),
    };
    draft
        .fact("Global address", if ipv6.global_address { "yes" } else { "no" })
        .maybe("Connected in", ipv6.connect_ms.map(milliseconds))
        .alone()
}

fn udp(facts: &MachineFacts) -> CheckVerdict {
    let targets = facts.udp.as_ref()?;
    if !targets.iter().any(|target| target.found) {
        return Err(MissingFact::NotApplicable(
            "no server to ask was found by its name; see network.dns".to_owned(),
        ));
    }
    let answered: Vec<String> = targets
        .iter()
        .filter_map(|target| Some(format!("{} {}", target.target, milliseconds(target.answer_ms?))))
        .collect();
    let draft = match answered.is_empty() {
        true => FindingDraft::warn("UDP is probably blocked")
            .because("No server answered over UDP. Sessions then go the slower way over TCP.")
            .fix("Allow outgoing UDP in the firewall, at least to the relay's port."),
        false => FindingDraft::ok("UDP gets through").fact("Answered", names(&answered, 4)),
    };
    let silent: Vec<String> = targets
        .iter()
        .filter_map(|target| Some(format!("{}: {}", target.target, target.problem.as_ref()?)))
        .collect();
    draft.maybe("No answer", (!silent.is_empty()).then(|| names(&silent, 4))).alone()
}
