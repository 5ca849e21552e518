//! Rules about what is reached, and what stands in between.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::Area;

use crate::diagnosis::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use crate::diagnosis::show::{milliseconds, names};
use crate::facts::network::TlsPeer;
use crate::facts::{FactSource, MachineFacts, MissingFact};

pub(in crate::diagnosis) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "network.proxy",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Proxy],
        what: "A proxy that doesn't answer cuts programs off, although the network works.",
        source: "environment, /etc/environment, apt.conf; a connection to each",
        thresholds: "fail if one doesn't answer; info if one is set",
        judge: proxy,
    },
    DiagnosticCheck {
        id: "network.captive_portal",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Portal],
        what: "Captive portals of hotels and guest networks block the internet until somebody logs in.",
        source: "one HTTP request with a known answer",
        thresholds: "fail if another answer comes; warn without an answer",
        judge: captive_portal,
    },
    DiagnosticCheck {
        id: "network.tls_interception",
        area: Area::Network,
        set: CheckSet::Full,
        needs: &[FactSource::Tls],
        what: "TLS interception: a proxy that opens encrypted connections shows certificates of its own authority.",
        source: "certificates of well-known hosts against built-in public authorities",
        thresholds: "warn if a certificate isn't of a public authority",
        judge: tls_interception,
    },
    DiagnosticCheck {
        id: "network.ipv6",
        area: Area::Network,
        set: CheckSet::Full,
        needs: &[FactSource::Ipv6],
        what: "Broken IPv6 makes each connection wait before it falls back to IPv4.",
        source: "/proc/net/if_inet6, a connection over IPv6",
        thresholds: "warn if there is an address and a route but no connection",
        judge: ipv6,
    },
    DiagnosticCheck {
        id: "network.udp",
        area: Area::Network,
        set: CheckSet::Full,
        needs: &[FactSource::Udp],
        what: "Direct sessions and calls go over UDP; some firewalls block it.",
        source: "STUN questions",
        thresholds: "warn if no server answers",
        judge: udp,
    },
];

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
    let draft = match (ipv6.global_address, ipv6.routed, ipv6.connect_ms) {
        (_, _, Some(_)) => FindingDraft::ok("IPv6 works"),
        (false, _, None) => FindingDraft::info("No IPv6; IPv4 is used"),
        (true, false, None) => FindingDraft::info("IPv6 reaches this network only; IPv4 is used")
            .because("There is an IPv6 address and no default route over IPv6, so programs don't try."),
        (true, true, None) => FindingDraft::warn("There is an IPv6 address, but nothing is reached by it").fix(
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
