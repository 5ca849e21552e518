//! What forwarding costs: our relay's forwarding thread, a forwarder that does nothing else ([`nearhand_tests::plain_forwarder`]),
//! coturn, and no forwarder at all, in one run on one machine.
//!
//! Datagrams of 100 and 1,200 bytes on loopback, over one, 50 and 1,000 sessions, with and without segmentation offload
//! at the sender; and real sessions with and without the relay between their ends ([`sessions`]). The processor time is
//! that of the forwarding threads only. Absolute numbers depend on the machine; the ratios are what to look at. coturn
//! runs without authentication, which is its fastest way: a channel's data.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

mod sessions;
mod ways;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use nearhand_tests::rows::{self, BenchmarkRow, BetterWhen};
use nearhand_tests::udp_load::{self, FloodResult, FloodShape, UdpPath};

use ways::{ForwarderRoute, ForwarderRoutes};

/// Datagrams that a sender with offload gives the system at once: quinn's own maximum.
const OFFLOADED: usize = 10;
/// Sessions at once.
const SESSIONS: [usize; 3] = [1, 50, 1_000];
/// Payloads, in bytes: a key press or an acknowledgement, and a full packet.
const SIZES: [usize; 2] = [100, udp_load::PAYLOAD];
/// Between datagrams when latency is measured: about 20 Mbit/s, a busy screen.
const PACE: Duration = Duration::from_micros(500);

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let plan = match (has("--smoke"), has("--short")) {
        (true, _) => {
            // Shorter ones may pass without a packet where the machine stalls, and nothing is measured then.
            ForwardPlan { rounds: 1, time: Duration::from_millis(300), datagrams: 20, coturn: false }
        }
        (_, true) => {
            ForwardPlan { rounds: 1, time: Duration::from_millis(500), datagrams: 1_000, coturn: true }
        }
        _ => ForwardPlan { rounds: 5, time: Duration::from_secs(1), datagrams: 6_000, coturn: true },
    };
    nearhand_tests::light_agents::allow_files(8 * SESSIONS.iter().sum::<usize>())?;
    let mut rows = Vec::new();
    let mut flat = Vec::new();
    for sessions in SESSIONS {
        eprintln!("{sessions} sessions");
        let ways = ForwarderRoutes::start(sessions, plan.coturn)?;
        for size in SIZES {
            for (how, segments) in [("offload", OFFLOADED), ("single", 1)] {
                let name = format!("{size} B, {sessions} sessions, {how}");
                let costs = floods(&ways, FloodShape { size, segments }, &plan)?;
                let per_packet =
                    [|cost: &RoundCosts| cost.ours.per_packet, |cost: &RoundCosts| cost.bare.per_packet];
                flat.push(((size, how, sessions), per_packet.map(|of| median(costs.iter().map(of)))));
                rows.extend(report(&name, &costs));
            }
        }
        if sessions == 1 {
            rows.extend(latencies(&ways, &plan)?);
        }
    }
    rows.extend(flatness(&flat));
    rows.extend(sessions::measure(plan.rounds)?);
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}

/// How much is sent.
struct ForwardPlan {
    /// Rounds that a median is taken of.
    rounds: usize,
    /// Of each flood.
    time: Duration,
    /// At a steady pace.
    datagrams: u32,
    /// Whether coturn is there.
    coturn: bool,
}

/// A size, how it is given to the system, and how many sessions.
type Case = (usize, &'static str, usize);

/// Floods that are tried before a way counts as shut.
const FLOOD_TRIES: usize = 5;

/// What one flood came to.
#[derive(Clone, Copy)]
struct FloodCost {
    per_gb: f64,
    /// Processor time for each packet, in nanoseconds.
    per_packet: f64,
    per_cpu_second: f64,
    gbit_per_s: f64,
    lost: f64,
}

/// One round: all one after the other, so that what else the machine does hits all.
struct RoundCosts {
    ours: FloodCost,
    bare: FloodCost,
    coturn: Option<FloodCost>,
    raw: f64,
}

/// One flood and the processor time that the forwarder spent on it. On a machine that does much else a short one may end
/// before a packet is through: that measures nothing, and it is tried again.
fn measured_flood(
    way: &ForwarderRoute,
    shape: FloodShape,
    time: Duration,
) -> Result<(FloodResult, Duration)> {
    for _ in 0..FLOOD_TRIES {
        let before = way.cpu()?;
        let flood = udp_load::flood(&way.paths, shape, time)?;
        let spent = way.cpu()?.saturating_sub(before);
        if flood.packets > 0 && !spent.is_zero() {
            return Ok((flood, spent));
        }
    }
    bail!("no packet came through in {FLOOD_TRIES} floods of {} ms", time.as_millis())
}

fn floods(ways: &ForwarderRoutes, shape: FloodShape, plan: &ForwardPlan) -> Result<Vec<RoundCosts>> {
    let cost = |way: &ForwarderRoute| -> Result<FloodCost> {
        let (flood, spent) = measured_flood(way, shape, plan.time)?;
        #[allow(clippy::cast_precision_loss, reason = "a share of losses needs no precision")]
        let lost = flood.lost as f64 / (flood.packets + flood.lost).max(1) as f64;
        Ok(FloodCost {
            per_gb: flood.per_gb(spent),
            per_packet: 1e9 / flood.per_cpu_second(spent),
            per_cpu_second: flood.per_cpu_second(spent),
            gbit_per_s: flood.gbit_per_s(),
            lost: lost * 100.0,
        })
    };
    (0..plan.rounds)
        .map(|_| {
            Ok(RoundCosts {
                ours: cost(&ways.ours)?,
                bare: cost(&ways.bare)?,
                coturn: ways.coturn.as_ref().map(cost).transpose()?,
                raw: udp_load::flood(&ways.raw, shape, plan.time)?.gbit_per_s(),
            })
        })
        .collect()
}

fn report(name: &str, costs: &[RoundCosts]) -> Vec<BenchmarkRow> {
    let of = |pick: fn(&RoundCosts) -> f64| median(costs.iter().map(pick));
    let row = |what: &str, value, unit: &'static str, target, better| {
        BenchmarkRow::new(&format!("{name}: {what}"), value, unit, target, better)
    };
    let mut rows = vec![
        row("ours, cost", of(|c| c.ours.per_gb), "CPU s/GB", None, BetterWhen::Lower),
        row("bare, cost", of(|c| c.bare.per_gb), "CPU s/GB", None, BetterWhen::Lower),
        row("ours/bare CPU", of(|c| c.ours.per_gb / c.bare.per_gb), "times", Some(1.25), BetterWhen::Lower),
        row("ours, rate", of(|c| c.ours.gbit_per_s), "Gbit/s", None, BetterWhen::Higher),
        row("bare, rate", of(|c| c.bare.gbit_per_s), "Gbit/s", None, BetterWhen::Higher),
        row("nothing between, rate", of(|c| c.raw), "Gbit/s", None, BetterWhen::Higher),
        row("lost by ours", of(|c| c.ours.lost), "%", None, BetterWhen::Lower),
    ];
    // With it or without it, all rounds alike.
    let coturn: Vec<(FloodCost, FloodCost)> =
        costs.iter().filter_map(|c| Some((c.ours, c.coturn?))).collect();
    if !coturn.is_empty() {
        let of = |pick: fn(&(FloodCost, FloodCost)) -> f64| median(coturn.iter().map(pick));
        let beside = of(|(ours, coturn)| ours.per_cpu_second / coturn.per_cpu_second);
        rows.extend([
            row("coturn, cost", of(|(_, coturn)| coturn.per_gb), "CPU s/GB", None, BetterWhen::Lower),
            row("coturn, rate", of(|(_, coturn)| coturn.gbit_per_s), "Gbit/s", None, BetterWhen::Higher),
            row("ours/coturn packets per CPU second", beside, "times", Some(5.0), BetterWhen::Higher),
        ]);
    }
    rows
}

/// What a packet costs with many sessions, compared with fewer: ours, and the bare forwarder's, for which the
/// system does the same with as many sockets.
fn flatness(costs: &[(Case, [f64; 2])]) -> Vec<BenchmarkRow> {
    let of = |size, how, sessions| {
        costs.iter().find(|(key, _)| *key == (size, how, sessions)).map_or([f64::NAN; 2], |(_, cost)| *cost)
    };
    let mut rows = Vec::new();
    for size in SIZES {
        for how in ["offload", "single"] {
            let ([many, bare_many], [few, bare_few]) = (of(size, how, 1_000), of(size, how, 50));
            let (ours, bare) = (many / few, bare_many / bare_few);
            let name = |of: &str| format!("{size} B, {how}: 1,000 sessions beside 50, CPU a packet, {of}");
            rows.push(BenchmarkRow::new(&name("ours"), ours, "times", None, BetterWhen::Lower));
            rows.push(BenchmarkRow::new(&name("bare"), bare, "times", None, BetterWhen::Lower));
            rows.push(BenchmarkRow::new(
                &name("ours beyond bare"),
                ours / bare,
                "times",
                Some(1.25),
                BetterWhen::Lower,
            ));
        }
    }
    rows
}

/// What a relay adds for datagrams that come at a steady pace.
fn latencies(ways: &ForwarderRoutes, plan: &ForwardPlan) -> Result<Vec<BenchmarkRow>> {
    let mut paths: Vec<&[UdpPath]> = vec![&ways.raw, &ways.ours.paths, &ways.bare.paths];
    paths.extend(ways.coturn.iter().map(|coturn| &*coturn.paths));
    let mut took = vec![Vec::new(); paths.len()];
    for _ in 0..plan.rounds {
        for (paths, took) in paths.iter().zip(&mut took) {
            let sorted = udp_load::latencies(paths.first().context("no path")?, plan.datagrams, PACE)?;
            took.push([0.5, 0.99].map(|part| udp_load::quantile(&sorted, part).as_secs_f64() * 1e6));
        }
    }
    let (raw, rest) = took.split_first().context("no way")?;
    let mut rows = Vec::new();
    for (n, (part, target)) in [("p50", 200.0), ("p99", 1_000.0)].into_iter().enumerate() {
        let pick = |one: &[f64; 2]| one.get(n).copied().unwrap_or(f64::NAN);
        let direct = median(raw.iter().map(pick));
        rows.push(BenchmarkRow::new(
            &format!("latency, nothing between, {part}"),
            direct,
            "µs",
            None,
            BetterWhen::Lower,
        ));
        for (name, of) in ["ours", "bare", "coturn"].into_iter().zip(rest) {
            let added = median(of.iter().zip(raw).map(|(one, raw)| pick(one) - pick(raw)));
            let target = (name == "ours").then_some(target);
            rows.push(BenchmarkRow::new(
                &format!("latency added by {name}, {part}"),
                added,
                "µs",
                target,
                BetterWhen::Lower,
            ));
        }
    }
    Ok(rows)
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
