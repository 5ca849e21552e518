//! Rules about the way out: default routes and the gateway.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::Area;

use crate::diagnosis::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use crate::diagnosis::show::{milliseconds, names};
use crate::facts::{FactSource, MachineFacts};

/// Milliseconds to the gateway that only a crowded Wi-Fi or broken switch needs.
const GATEWAY_WARN_MS: f64 = 100.0;

pub(in crate::diagnosis) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "network.default_route",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Routes],
        what: "Without a default route nothing outside can be reached.",
        source: "/proc/net/route, ipv6_route",
        thresholds: "fail without one; info with several of the same preference",
        judge: default_route,
    },
    DiagnosticCheck {
        id: "network.gateway",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Gateway],
        what: "The gateway is the first step to everything else.",
        source: "ICMP echo, /proc/net/arp, ip -6 neighbour",
        thresholds: "warn from 100 ms, fail if neither echo nor neighbour table knows it",
        judge: gateway,
    },
];

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
        (None, Some(true)) => FindingDraft::ok("Gateway is present but does not answer ping")
            .because("Its hardware address is known, so it is there. Some gateways ignore ping."),
        (None, Some(false)) => FindingDraft::fail("Gateway does not answer"),
        (None, None) => FindingDraft::info("Gateway does not answer ping")
            .because("Whether it is there can't be told here. Some gateways ignore ping."),
    };
    draft
        .on(&gateway.address)
        .maybe("Answer", gateway.answer_ms.map(milliseconds))
        .fact("Known as neighbour", match gateway.neighbour {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        })
        .fix("Check cable or Wi-Fi, then restart the router. Compare the address with the router's: a wrong one comes from a fixed setting.")
        .alone()
}
