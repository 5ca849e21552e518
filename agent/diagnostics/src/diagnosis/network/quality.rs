//! Rules about loss, delay, and what is sent again.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{Area, FindingStatus};

use crate::diagnosis::check::{CheckVerdict, DiagnosticCheck, FindingDraft, ladder};
use crate::diagnosis::show::{milliseconds, percent, share};
use crate::facts::network::EchoRun;
use crate::facts::{FactSource, MachineFacts, MissingFact};

/// Packets below which percentages mean nothing.
pub(super) const PACKETS_ENOUGH: u64 = 1_000;

/// Percent lost (alarm rules: warning 5, critical 20).
const LOSS_WARN_PERCENT: f64 = 5.0;
const LOSS_FAIL_PERCENT: f64 = 20.0;

/// Mean change of delay from one answer to the next in milliseconds; calls break up above 30 (ITU-T G.114
/// practice).
const JITTER_WARN_MS: f64 = 30.0;

/// Delay in milliseconds above which remote control feels slow.
const DELAY_WARN_MS: f64 = 300.0;

/// Percent of TCP segments sent again.
const RESENT_WARN_PERCENT: f64 = 5.0;

/// Percent of the connection table in use.
const TRACKED_WARN_PERCENT: f64 = 90.0;

pub(in crate::diagnosis) const CHECKS: &[DiagnosticCheck] = &[
    DiagnosticCheck {
        id: "network.loss",
        area: Area::Network,
        set: CheckSet::Full,
        needs: &[FactSource::Echo],
        what: "Packet loss, latency and jitter, which disturb remote work and calls.",
        source: "20 ICMP echoes to each target",
        thresholds: "warn from 5 % lost, 300 ms or 30 ms jitter, fail from 20 % lost",
        judge: loss,
    },
    DiagnosticCheck {
        id: "network.retransmissions",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Tcp],
        what: "TCP retransmissions: a high share means a bad path for all connections.",
        source: "/proc/net/snmp",
        thresholds: "warn from 5 %",
        judge: retransmissions,
    },
    DiagnosticCheck {
        id: "network.connections",
        area: Area::Network,
        set: CheckSet::Quick,
        needs: &[FactSource::Tcp],
        what: "A full connection tracking table drops new connections.",
        source: "/proc/sys/net/netfilter",
        thresholds: "warn from 90 %",
        judge: connections,
    },
];

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
