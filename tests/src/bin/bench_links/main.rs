//! Sessions over links of every kind, and through what happens to networks. For each link: how soon the person is asked,
//! how long a word takes there and back again, a diagnosis, and the screen: how long a key takes until what it did is seen.
//! For each trouble: how long both ends hear nothing of each other.
//!
//! The real programs, each on a separate machine (a network namespace); the link is between the technician's office and
//! the relay. All is by a clock outside of the programs. One word is sent at a time.
//!
//!     bench_links [--short | --smoke] [--json] [talk | screen | troubles]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

mod table;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_tests::program::{ProgramLogs, until};
use nearhand_tests::remote::{DeviceHome, NetworkTrouble, RemoteSession};
use nearhand_tests::rows::{self, BenchmarkRow, BetterWhen};
use nearhand_tests::screen_comparison::{COLORS, ComparedSystem, ScreenComparison, echo};
use nearhand_tests::udp_load::quantile;
use nearhand_tests::x_display::{ColorMarker, KeyEcho};

use table::{LINKS, LinkProfile};

/// A diagnosis may take so long over the worst link.
const DIAGNOSIS: Duration = Duration::from_secs(120);
/// What was on the device's display may be seen for so long.
const LAST_SEEN: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let (smoke, short) = (has("--smoke"), has("--smoke") || has("--short"));
    let all = !["talk", "screen", "troubles"].into_iter().any(has);
    let mut rows = Vec::new();
    // In the smoke test the first, and the first trouble.
    let brief = if smoke { 1 } else { usize::MAX };
    for link in LINKS.iter().filter(|link| link.always || !short).take(brief) {
        eprintln!("{}", link.name);
        // One that is too bad is a result, and the others still count.
        if all || has("talk") {
            rows.extend(
                talk(link, if short { 5 } else { 20 }).unwrap_or_else(|error| failed(link, "talk", &error)),
            );
        }
        if all || has("screen") {
            let keys = screen(link, if short { 6 } else { 20 });
            rows.extend(keys.unwrap_or_else(|error| failed(link, "screen", &error)));
        }
    }
    if all || has("troubles") {
        for trouble in TROUBLES.into_iter().take(brief) {
            rows.extend(troubled(&trouble, if short { 1 } else { 5 })?);
        }
    }
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}

/// A session that could not be had, as a target that was missed.
fn failed(link: &LinkProfile, what: &str, error: &anyhow::Error) -> Vec<BenchmarkRow> {
    eprintln!("  {what}: {error:#}");
    vec![BenchmarkRow::new(&format!("{}: {what} failed", link.name), 1.0, "", Some(0.0), BetterWhen::Lower)]
}

fn talk(link: &LinkProfile, words: usize) -> Result<Vec<BenchmarkRow>> {
    let mut remote = RemoteSession::set(DeviceHome::Near, Some(&link.far))?
        .context("links need network namespaces (root)")?;
    let mut took = Vec::with_capacity(words);
    for n in 0..words {
        took.push(remote.talk(&format!("word-{n}"))?);
    }
    took.sort_unstable();
    remote.client.say("/diagnose quick")?;
    let since = Instant::now();
    remote.client.event_within("report", DIAGNOSIS)?;
    let diagnosed = since.elapsed();
    remote.client.end()?;
    let row = |what: &str, value, unit: &'static str, target| {
        BenchmarkRow::new(&format!("{}: {what}", link.name), value, unit, target, BetterWhen::Lower)
    };
    let ms = |part| quantile(&took, part).as_secs_f64() * 1e3;
    Ok(vec![
        row("the person is asked", remote.asked.as_secs_f64(), "s", link.asked),
        row("a word each way, p50", ms(0.5), "ms", None),
        row("a word each way, p95", ms(0.95), "ms", link.word),
        row("quick diagnosis", diagnosed.as_secs_f64(), "s", None),
    ])
}

fn screen(link: &LinkProfile, marks: usize) -> Result<Vec<BenchmarkRow>> {
    let logs = ProgramLogs::default();
    let measured = (|| {
        let mut scene = ScreenComparison::set(ComparedSystem::Ours, &logs, Some(&link.far))?;
        let marker = ColorMarker::show(scene.device.eye()?, 1_800, 40, COLORS[0])?;
        let (_, first) = scene.open(COLORS[0])?;
        drop(marker);
        // Until it has gone there too, it would be taken for the square that answers keys.
        let eye = scene.viewer.eye()?;
        until(LAST_SEEN, "the marker's end", || Ok(eye.find(COLORS[0])?.is_none()))?;
        let echoing = KeyEcho::show(scene.device.eye()?, 1_700, 140, COLORS)?;
        anyhow::Ok((first, echo(&scene, &echoing, marks)?))
    })();
    if measured.is_err() {
        eprintln!("{}", logs.dump());
    }
    let (first, [p50, p95]) = measured?;
    let row = |what: &str, value, target| {
        BenchmarkRow::new(&format!("{}: {what}", link.name), value, "ms", target, BetterWhen::Lower)
    };
    Ok(vec![
        row("first byte to first picture", first, None),
        row("key to painted, p50", p50, None),
        row("key to painted, p95", p95, link.key),
    ])
}

/// What happens, to whom, and how long it may be silent then, in seconds.
struct LinkCase {
    name: &'static str,
    home: DeviceHome,
    trouble: NetworkTrouble,
    target: f64,
}

const TROUBLES: [LinkCase; 5] = [
    LinkCase {
        name: "the router gives other ports",
        home: DeviceHome::BehindRouter,
        trouble: NetworkTrouble::RouterForgets,
        target: 2.0,
    },
    LinkCase {
        name: "the device's address is replaced",
        home: DeviceHome::Near,
        trouble: NetworkTrouble::DeviceMoves,
        target: 5.0,
    },
    LinkCase {
        name: "the technician's address is replaced",
        home: DeviceHome::Near,
        trouble: NetworkTrouble::TechnicianMoves,
        target: 5.0,
    },
    LinkCase {
        name: "the relay is killed",
        home: DeviceHome::Near,
        trouble: NetworkTrouble::RelayKilled,
        target: 10.0,
    },
    LinkCase {
        name: "the relay is killed, and the device's address replaced",
        home: DeviceHome::Near,
        trouble: NetworkTrouble::RelayKilledDeviceMoves,
        target: 10.0,
    },
];

/// Each time in a separate session; the worst counts.
fn troubled(case: &LinkCase, times: usize) -> Result<Vec<BenchmarkRow>> {
    eprintln!("{}", case.name);
    let mut silent = Vec::with_capacity(times);
    for _ in 0..times {
        let Some(mut remote) = RemoteSession::set(case.home, None)? else {
            eprintln!("  left out: see above");
            return Ok(Vec::new());
        };
        remote.talk("before")?;
        let since = Instant::now();
        remote.suffer(case.trouble)?;
        remote.talk("after")?;
        silent.push(since.elapsed().as_secs_f64());
        remote.client.end()?;
    }
    silent.sort_by(f64::total_cmp);
    let at = |n: usize| silent.get(n).copied().unwrap_or(f64::NAN);
    let row = |what: &str, value, target| {
        BenchmarkRow::new(&format!("{}: silent, {what}", case.name), value, "s", target, BetterWhen::Lower)
    };
    Ok(vec![
        row("median", at(silent.len() / 2), None),
        row("worst", at(silent.len().saturating_sub(1)), Some(case.target)),
    ])
}
