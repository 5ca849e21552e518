//! Rules about names: DNS servers, resolver, hosts file.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use crate::diagnosis::check::{CheckVerdict, DiagnosticCheck, FindingDraft};
use crate::diagnosis::show::{milliseconds, names};
use crate::facts::network::DnsServer;
use crate::facts::{FactSource, MachineFacts};

/// Milliseconds for a name; people notice a second.
const DNS_WARN_MS: f64 = 500.0;

/// Most lines that a hosts file written by hand has.
const HOSTS_MANY: usize = 500;

pub(in crate::diagnosis) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "network.dns",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Dns],
        what: "Each configured DNS server should answer: programs wait for one that doesn't.",
        source: "a DNS question to each server of /etc/resolv.conf and systemd-resolved",
        thresholds: "warn from 500 ms or if one is silent or refuses, fail if all are; one that is for a VPN's names may refuse others",
        judge: dns,
    },
    DiagnosticCheck {
        id: "network.resolver",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Resolver],
        what: "The configured DNS servers.",
        source: "/etc/resolv.conf",
        thresholds: "fail without one",
        judge: resolver,
    },
    DiagnosticCheck {
        id: "network.hosts_file",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Resolver],
        what: "The hosts file overrides DNS; malware uses it to redirect people to false sites.",
        source: "/etc/hosts, nsswitch.conf",
        thresholds: "warn if a well-known site is sent elsewhere or localhost is found nowhere; info from 500 lines",
        judge: hosts_file,
    },
];

fn dns(facts: &MachineFacts) -> CheckVerdict {
    let servers = facts.dns.as_ref()?;
    let good = |server: &DnsServer| server.answer_ms.is_some() && server.code == Some(0);
    let for_all = |server: &&DnsServer| server.only_for.is_none();
    let fails = !servers.iter().filter(for_all).any(good);
    Ok(servers
        .iter()
        .map(|server| {
            let address = &server.address;
            let bad_status = if fails && for_all(&server) { FindingStatus::Fail } else { FindingStatus::Warn };
            let draft = match (server.answer_ms, server.code) {
                (Some(_), _) if server.only_for.is_some() => {
                    FindingDraft::ok(format!("DNS server {address} answers"))
                        .because("It is asked for some domains only (split DNS), so it may refuse all others.")
                }
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
                .maybe("Asked only for", server.only_for.as_ref())
                .fix("Ask for names by another server to compare: dig @9.9.9.9 example.com. Then correct the server in the network settings or the router.")
                .runbook("flush-dns")
        })
        .collect())
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
        FindingDraft::warn("The hosts file does not name localhost")
            .because("Nothing else here knows the name either (nss-myhostname, systemd-resolved).")
            .fix("Add the line: 127.0.0.1 localhost")
    } else if resolver.hosts_lines >= HOSTS_MANY {
        FindingDraft::info("Hosts file is very long")
            .because("Usually a list that blocks advertisements. If a site can't be reached, look here.")
    } else {
        FindingDraft::ok("Hosts file is normal")
    };
    draft.fact("Entries", resolver.hosts_lines).alone()
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
