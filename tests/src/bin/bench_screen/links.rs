//! Poor links between the office and the device: how long a key takes until what it did is seen, and how old the newest
//! state is that is seen, for us and for TigerVNC's X server through the same link.

use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_tests::impaired_link::LinkImpairment;
use nearhand_tests::program::{ProgramLogs, until};
use nearhand_tests::remote::OfficeLink;
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};
use nearhand_tests::x_display::{ColorMarker, KeyEcho};

use crate::acts::{RunningWorkload, ScreenWorkload};
use nearhand_tests::screen_comparison::{COLORS, ComparedSystem, ScreenComparison, echo, latency};

/// What has gone on the device's display may be seen for so long, through the worst link.
const LAST_SEEN: Duration = Duration::from_secs(30);

/// A link, and what goes on on the device's display meanwhile.
struct ScreenLink {
    name: &'static str,
    far: OfficeLink,
    workload: ScreenWorkload,
}

fn links() -> [ScreenLink; 3] {
    let ms = Duration::from_millis;
    let far = |delay| LinkImpairment { delay: ms(delay), ..LinkImpairment::default() };
    [
        ScreenLink {
            name: "1 Mbit/s, 80 ms, 5 % loss",
            far: OfficeLink {
                up: far(40),
                down: LinkImpairment { loss: 50, rate: 1_000_000, queue: 64_000, ..far(40) },
                mtu: None,
            },
            workload: ScreenWorkload::Typing,
        },
        ScreenLink {
            name: "300 ms round trip",
            far: OfficeLink { up: far(150), down: far(150), mtu: None },
            workload: ScreenWorkload::Scrolling,
        },
        ScreenLink {
            // A queue of 300 ms.
            name: "10 Mbit/s, 40 ms, deep queue",
            far: OfficeLink {
                up: far(20),
                down: LinkImpairment { rate: 10_000_000, queue: 375_000, ..far(20) },
                mtu: None,
            },
            workload: ScreenWorkload::Flood,
        },
    ]
}

/// All links, through us and through TigerVNC.
pub(crate) fn measure(only: Option<&str>, marks: usize) -> Result<Vec<BenchmarkRow>> {
    let mut rows = Vec::new();
    for link in &links() {
        let mut theirs: Option<[[f64; 2]; 2]> = None;
        for system in [ComparedSystem::Xvnc, ComparedSystem::Ours] {
            if only.is_some_and(|name| name != system.name()) {
                continue;
            }
            eprintln!("{} through {}:", link.name, system.name());
            let figures =
                one(system, link, marks).with_context(|| format!("{}, {}", link.name, system.name()))?;
            for (what, [p50, p95]) in ["key to painted", "newest state"].into_iter().zip(figures) {
                eprintln!("  {what}: p50 {p50:.0} ms, p95 {p95:.0} ms");
            }
            if system == ComparedSystem::Xvnc {
                theirs = Some(figures);
                continue;
            }
            for (n, what) in ["key to painted", "newest state"].into_iter().enumerate() {
                for (m, share) in ["p50", "p95"].into_iter().enumerate() {
                    let pick = |figures: &[[f64; 2]; 2]| figures.get(n).and_then(|one| one.get(m)).copied();
                    let (own, peer) = (pick(&figures).unwrap_or(f64::NAN), theirs.as_ref().and_then(pick));
                    let name = format!("{}: {what} {share}", link.name);
                    rows.push(BenchmarkRow::new(&name, own, "ms", peer, BetterWhen::Lower));
                }
            }
        }
    }
    Ok(rows)
}

fn one(system: ComparedSystem, link: &ScreenLink, marks: usize) -> Result<[[f64; 2]; 2]> {
    let logs = ProgramLogs::default();
    let outcome = (|| {
        let mut scene = ScreenComparison::set(system, &logs, Some(&link.far))?;
        let marker = ColorMarker::show(scene.device.eye()?, 1_800, 40, COLORS[0])?;
        scene.open(COLORS[0])?;
        let eye = scene.viewer.eye()?;
        let at = eye.find(COLORS[0])?.context("the marker has gone")?;
        let act = RunningWorkload::begin(link.workload, &scene.device)?;
        let newest = latency(&marker, &eye, at, marks)?;
        drop(marker);
        // Until it has gone there too, it would be taken for the other square.
        until(LAST_SEEN, "the marker's end", || Ok(eye.find(COLORS[0])?.is_none()))?;
        let echoing = KeyEcho::show(scene.device.eye()?, 1_700, 140, COLORS)?;
        let keys = echo(&scene, &echoing, marks)?;
        drop(act);
        Ok([keys, newest])
    })();
    if outcome.is_err() {
        eprintln!("{}", logs.dump());
    }
    outcome
}
